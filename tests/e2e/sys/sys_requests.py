#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests by message in the system account: tern's answers must have the keys and the JSON types of nats-server's, but for
the differences in ONLY_TERN and ONLY_REFERENCE, which are wanted.

    sys_requests.py TERN [TEST...]

Exit code 77: all is well, but there was no nats-server to compare with.
"""
import json
import os
import re
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402
import shapes  # noqa: E402

TERN = ""
CONFIG = """
server_name: north-1
accounts {
  $SYS { users: [ {user: s, password: s} ] }
  A { users: [ {user: a, password: a} ] }
}
"""
#: Requests, and their bodies; ID is the server's.
REQUESTS = [("SERVER.PING", ""), ("SERVER.PING.STATSZ", ""), ("SERVER.ID.STATSZ", ""), ("SERVER.PING.IDZ", ""),
            ("SERVER.PING.VARZ", ""), ("SERVER.ID.VARZ", "{}"), ("SERVER.PING.CONNZ", ""),
            ("SERVER.PING.CONNZ", '{"subscriptions_detail":true,"auth":true,"limit":1,"sort":"cid"}'),
            ("SERVER.PING.CONNZ", '{"acc":"A","state":2}'), ("SERVER.ID.SUBSZ", ""), ("SERVER.PING.ROUTEZ", ""),
            ("SERVER.PING.GATEWAYZ", ""), ("SERVER.PING.LEAFZ", ""), ("SERVER.PING.ACCOUNTZ", ""),
            ("SERVER.PING.ACCOUNTZ", '{"account":"A"}'), ("SERVER.PING.JSZ", ""), ("SERVER.PING.HEALTHZ", ""),
            ("SERVER.PING.CONNZ", '{"sort":"x"}'), ("SERVER.PING.CONNZ", '{"cid":"x"}'), ("SERVER.PING.VARZ", "{"),
            ("SERVER.PING", '{"server_name":"north"}'), ("SERVER.PING.VARZ", '{"host":"127.0.0.1","exact_match":true}'),
            ("ACCOUNT.A.CONNZ", ""), ("ACCOUNT.A.SUBSZ", ""), ("ACCOUNT.A.LEAFZ", ""), ("ACCOUNT.A.INFO", ""),
            ("ACCOUNT.A.STATZ", ""), ("ACCOUNT.PING.STATZ", ""), ("ACCOUNT.PING.STATZ", '{"include_unused":true}')]
#: Requests that nobody answers, though somebody has them; to one that answers nobody at all, 503 comes.
SILENT = [("SERVER.PING", '{"server_name":"south"}'), ("SERVER.PING.VARZ", '{"server_name":"north","exact_match":true}'),
          ("SERVER.PING.IDZ", '{"tags":["t"]}'), ("SERVER.PING.CONNZ", '{"cluster":"c"}')]
NOBODY = ["SERVER.PING.NOPE", "SERVER.OTHER.VARZ", "ACCOUNT.A.NOPE", "SERVER.VARZ", "NOPE"]
#: Maps whose keys are data.
OPEN_MAPS = {"http_req_stats"}
#: Keys that a nats-server of the version tern behaves as has, and the one of the distribution may not have; and tern's own.
ONLY_TERN = {"VARZ": {"data.tern", "data.stale_connections", "data.slow_consumer_stats", "data.stale_connection_stats",
                      "data.stalled_clients"},
             "CONNZ": {"data.connections[].subscriptions_list_detail[].account"}, "ROUTEZ": {"data.server_name"},
             "JSZ": {"data.api.level"},
             "STATZ": {"data.account_statz[].name", "data.account_statz[].num_subscriptions"}, "*": {"server.flags"}}
#: Keys that tern does not have: what accounts import of $SYS; and data beside an error.
ONLY_REFERENCE = {"ACCOUNTZ": {"data.account_detail.imports"}, "INFO": {"data.imports"}}
#: A list without elements, which old nats-servers give as null.
NULL_LISTS = {"data.leafs"}
#: Requests that nats-servers before 2.10 do not have.
NEWER = {"IDZ"}


def shape(value):
    found = shapes.shape(value, OPEN_MAPS, NULL_LISTS)
    return {key: type_ for key, type_ in found.items() if (key, type_) != ("data", "NoneType")}


def without(found, keys):
    return {key: type_ for key, type_ in found.items()
            if not any(key == each or key.startswith((each + ".", each + "[")) for each in keys)}


class Client:
    """A connection of a user, with an inbox."""

    def __init__(self, port, user):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS)
        self.buffer = b""
        self.passed = b""  # what came before the last thing waited for
        self.say(f'CONNECT {{"verbose":false,"user":"{user}","pass":"{user}","headers":true,"no_responders":true}}\r\n'
                 "SUB in.* 1\r\n")
        self.id = json.loads(self.until(rb"INFO (.*)\r\n")[1])["server_id"]
        self.sync()

    def say(self, text):
        self.socket.sendall(text.encode())

    def until(self, pattern):
        deadline = time.monotonic() + broker.WAIT_SECONDS
        while not (match := re.search(pattern, self.buffer)):
            part = self.socket.recv(65536) if time.monotonic() < deadline else b""
            if not part:
                raise AssertionError(f"no {pattern!r} in {self.buffer!r}")
            self.buffer += part
        self.passed, self.buffer = self.buffer[:match.start()], self.buffer[match.end():]
        return match

    def sync(self):
        self.say("PING\r\n")
        self.until(rb"PONG\r\n")

    def ask(self, subject, body=""):
        """The answer, or None: there is nobody to ask. A subject without answer makes the wait fail."""
        self.say(f"PUB $SYS.REQ.{subject.replace('.ID.', f'.{self.id}.')} in.one {len(body)}\r\n{body}\r\n")
        match = self.until(rb"(MSG|HMSG) in\.one 1 +(?:\d+ )?(\d+)\r\n")
        length = int(match[2])
        while len(self.buffer) < length + 2:
            self.buffer += self.socket.recv(65536)
        payload, self.buffer = self.buffer[:length], self.buffer[length + 2:]
        return None if payload.startswith(b"NATS/1.0 503") else json.loads(payload.split(b"\r\n\r\n")[-1])


class Requests(unittest.TestCase):
    def setUp(self):
        self.tern = self.start(TERN)
        self.reference = self.start(broker.reference()) if broker.reference() else None

    def start(self, program, text=CONFIG):
        server = broker.Broker(program, text=text)
        self.addCleanup(server.__exit__)
        return server

    def join(self, server, user="s"):
        client = Client(server.port, user)
        self.addCleanup(client.socket.close)
        return client

    def test_answers_have_the_keys_and_types_of_nats_server(self):
        clients = []
        for server in filter(None, (self.tern, self.reference)):
            other = self.join(server, "a")
            other.say("SUB x 2\r\nPUB x 1\r\na\r\n")
            other.until(rb"MSG x 2 1\r\na\r\n")
            clients.append(self.join(server))
        for subject, body in REQUESTS:
            last = subject.split(".")[-1]
            with self.subTest(subject, body=body):
                ours = clients[0].ask(subject, body)
                self.assertEqual(ours.get("server", ours)["id"], clients[0].id)
                theirs = clients[1].ask(subject, body) if self.reference else None
                if theirs is None:
                    self.assertTrue(last in NEWER or not self.reference, "nats-server has nobody there")
                    continue
                self.assertEqual(without(shape(ours), ONLY_TERN.get(last, set()) | ONLY_TERN["*"]),
                                 without(shape(theirs), ONLY_REFERENCE.get(last, ())))
                self.assertEqual(ours.get("error", {}).get("code"), theirs.get("error", {}).get("code"))

    def test_figures_are_those_of_the_server(self):
        other = self.join(self.tern, "a")
        other.say("SUB x 2\r\n")
        other.sync()
        client = self.join(self.tern)
        self.assertEqual(client.ask("SERVER.PING")["statsz"]["connections"], 2)
        found = client.ask("ACCOUNT.A.CONNZ")["data"]
        self.assertEqual((found["total"], found["connections"][0]["subscriptions"]), (1, 2))
        subs = client.ask("ACCOUNT.A.SUBSZ")["data"]["subscriptions_list"]
        self.assertEqual({sub["subject"] for sub in subs}, {"x", "in.*"})
        self.assertEqual(client.ask("ACCOUNT.A.INFO")["data"]["client_connections"], 1)
        other.socket.close()
        broker.wait_for("the end of a connection", lambda: client.ask("SERVER.PING")["statsz"]["connections"] == 1)
        closed = client.ask("SERVER.PING.CONNZ", '{"state":1,"acc":"A"}')["data"]
        self.assertEqual((closed["total"], closed["connections"][0]["reason"]), (1, "Client Closed"))

    def test_who_is_not_meant_says_nothing(self):
        for server in filter(None, (self.tern, self.reference)):
            client = self.join(server)
            for subject, body in SILENT if server is self.tern else SILENT[:1]:
                client.say(f"PUB $SYS.REQ.{subject} in.none {len(body)}\r\n{body}\r\n")
            answer = client.ask("SERVER.PING")  # answers come in the order of the requests
            self.assertEqual(answer["server"]["id"], client.id)
            self.assertNotIn(b"in.none", client.passed)

    def test_nobody_answers_what_is_not_there(self):
        for server in filter(None, (self.tern, self.reference)):
            client = self.join(server)
            for subject in NOBODY:
                self.assertIsNone(client.ask(subject), subject)

    def test_ordinary_accounts_are_not_answered(self):
        for server in filter(None, (self.tern, self.reference)):
            client = self.join(server, "a")
            for subject in ("SERVER.PING", "SERVER.PING.VARZ", "SERVER.ID.CONNZ", "ACCOUNT.A.SUBSZ"):
                self.assertIsNone(client.ask(subject), subject)

    def test_a_reload_changes_the_system_account(self):
        server = self.start(TERN, 'accounts { A { users: [ {user: a, password: a} ] }, B { users: [ {user: b, password: b} ] } }')
        client = self.join(server, "a")
        self.assertIsNone(client.ask("SERVER.PING"))

        def reload(text):
            with open(os.path.join(server.dir, "config"), "w", encoding="utf-8") as file:
                file.write(text)
            server.process.send_signal(signal.SIGHUP)
        reload(CONFIG.replace("server_name: north-1", ""))
        broker.wait_for("the reload", lambda: "Reloaded" in server.output())
        system = self.join(server)
        self.assertEqual(system.ask("SERVER.PING")["server"]["name"], system.ask("SERVER.PING.IDZ")["name"])
        self.assertIsNone(self.join(server, "a").ask("SERVER.PING"))
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    TERN = os.path.abspath(sys.argv.pop(1))
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if not broker.reference():
        broker.skip("no nats-server here: nothing was compared with it")
