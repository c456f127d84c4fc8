#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests by message in the system account: tern's answers must have the keys and the JSON types of nats-server's, but for
the differences in ONLY_TERN, which are wanted.

    sys_requests.py TERN [TEST...]

Exit code 77: all is well, but there was no nats-server to compare with.
"""
import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402
import shapes  # noqa: E402
from sys_client import Client  # noqa: E402

TERN = ""
CONFIG = """
server_name: north-1
accounts {
  $SYS { users: [ {user: s, password: s} ] }
  A { users: [ {user: a, password: a} ] }
  B { users: [ {user: b, password: "b", permissions: {publish: ["$SYS.REQ.>", "x"],
               subscribe: {allow: ["in.*", "q g"], deny: [never]}, allow_responses: {max: 5, expires: "1m"}}} ] }
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
            ("ACCOUNT.A.STATZ", ""), ("ACCOUNT.A.CONNS", ""), ("ACCOUNT.PING.STATZ", ""), ("ACCOUNT.PING.STATZ", '{"include_unused":true}'),
            ("ACCOUNT.PING.CONNZ", ""), ("ACCOUNT.NOPE.CONNZ", "")]
#: Requests that nobody answers, though somebody has them; to one that answers nobody at all, 503 comes.
SILENT = [("SERVER.PING", '{"server_name":"south"}'), ("ACCOUNT.NOPE.STATZ", ""),
          ("SERVER.PING.VARZ", '{"server_name":"north","exact_match":true}'),
          ("SERVER.PING.IDZ", '{"tags":["t"]}'), ("SERVER.PING.CONNZ", '{"cluster":"c"}')]
NOBODY = ["SERVER.PING.NOPE", "SERVER.OTHER.VARZ", "ACCOUNT.A.NOPE", "SERVER.VARZ", "NOPE"]
#: What other accounts may ask, and bodies; whatever these say, the answer is about the account that asks.
OWN = [("ACCOUNT.PING.CONNZ", ""), ("SERVER.PING.CONNZ", '{"acc":"$SYS","auth":true,"subscriptions":true}'),
       ("ACCOUNT.PING.CONNZ", '{"account":"B","state":2}'), ("ACCOUNT.PING.STATZ", ""),
       ("ACCOUNT.PING.STATZ", '{"accounts":["$SYS"],"include_unused":true}'), ("ACCOUNT.PING.STATZ", "{"),
       ("SERVER.PING.CONNZ", '{"sort":"x"}')]
#: Bodies of orders to clients that are no orders, and the code of the error.
HOSTILE = [("", 500), ("{}", 500), ('{"cid":0}', 500), ('{"cid":-7}', 500), ('{"cid":18446744073709551615}', 400),
           ('{"cid":"1"}', 400), ('{"cid":[1]}', 400), ("[", 400), ("null", 500), ("7", 400), ("{" * 9000, 400)]
#: Maps whose keys are data.
OPEN_MAPS = {"http_req_stats"}
#: Keys that a nats-server of the version tern behaves as has, and the one of the distribution may not have; and tern's own.
ONLY_TERN = {"VARZ": {"data.tern", "data.config_digest", "data.stale_connections", "data.slow_consumer_stats",
                      "data.stale_connection_stats", "data.stalled_clients"},
             "CONNZ": {"data.connections[].subscriptions_list_detail[].account"}, "ROUTEZ": {"data.server_name"},
             "JSZ": {"data.api.level"},
             "CONNS": {"name", "num_subscriptions"},
             "STATZ": {"data.account_statz[].name", "data.account_statz[].num_subscriptions"}, "*": {"server.flags"}}
#: A list without elements, which old nats-servers give as null.
NULL_LISTS = {"data.leafs", "data.connections"}
#: Requests that nats-servers before 2.10 do not have.
NEWER = {"IDZ"}


def shape(value):
    found = shapes.shape(value, OPEN_MAPS, NULL_LISTS)
    return {key: type_ for key, type_ in found.items() if (key, type_) != ("data", "NoneType")}


def without(found, keys):
    return {key: type_ for key, type_ in found.items()
            if not any(key == each or key.startswith((each + ".", each + "[")) for each in keys)}


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
                                 shape(theirs))
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

    def test_what_accounts_share_is_told(self):
        text = CONFIG.replace("A { ", 'A { exports: [ {stream: "ev.>"}, {service: "do.*", accounts: [B], response: stream} ]\n').replace(
            "B { ", 'B { imports: [ {stream: {account: A, subject: "ev.*"}, prefix: a}, {service: {account: A, subject: "do.x"}, to: x} ]\n'
                    'mappings: { "m.*": [ {destination: "n.$1", weight: 20%} ] }\n')

        def ask(program):
            client = self.join(self.start(program, text))
            return [{key: [one for one in value if not str(one.get("account")).startswith("$")] if key == "imports" else value
                     for key, value in client.ask(f"ACCOUNT.{account}.INFO")["data"].items() if key in ("exports", "imports", "mappings")}
                    for account in ("A", "B")]
        ours = ask(TERN)
        self.assertEqual([[one["subject"] for one in ours[0]["exports"]], [one["subject"] for one in ours[1]["imports"]]],
                         [["do.*", "ev.>"], ["ev.*", "x"]])
        self.assertEqual(ours[1]["mappings"], {"m.*": [{"subject": "n.$1", "weight": 20}, {"subject": "m.$1", "weight": 100}]})
        if self.reference:
            self.assertEqual(ours, ask(broker.reference()))

    def test_who_is_not_meant_says_nothing(self):
        for server in filter(None, (self.tern, self.reference)):
            client = self.join(server)
            for subject, body in SILENT if server is self.tern else SILENT[:2]:
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

    def test_other_accounts_are_told_of_themselves(self):
        clients = []
        for server in filter(None, (self.tern, self.reference)):
            self.join(server)
            self.join(server, "b")
            clients.append(self.join(server, "a"))
        for subject, body in OWN:
            last = subject.split(".")[-1]
            with self.subTest(subject, body=body):
                ours = clients[0].ask(subject, body)
                data = ours.get("data", {})
                for connection in data.get("connections", ()):
                    self.assertEqual((connection["cid"], connection.get("account", "A")), (clients[0].cid, "A"))
                for account in data.get("account_statz", ()):
                    self.assertEqual(account["acc"], "A")
                if self.reference:
                    theirs = clients[1].ask(subject, body)
                    self.assertEqual(without(shape(ours), ONLY_TERN.get(last, set()) | ONLY_TERN["*"]),
                                     shape(theirs))
                    self.assertEqual(ours.get("error", {}).get("code"), theirs.get("error", {}).get("code"))

    def test_users_are_told_who_they_are(self):
        """nats-servers before 2.10 do not tell."""
        for user, account in (("s", "$SYS"), ("a", "A")):
            answer = self.join(self.tern, user).ask("USER.INFO")
            self.assertEqual(answer["data"], {"user": user, "account": account})
            self.assertEqual(answer["server"]["name"], "north-1")
        answer = self.join(self.tern, "b").ask("USER.INFO", "no JSON at all {")
        self.assertEqual(answer["data"], {
            "user": "b", "account": "B", "permissions": {
                "publish": {"allow": ["$SYS.REQ.>", "x"]}, "subscribe": {"allow": ["in.*", "q g"], "deny": ["never"]},
                "responses": {"max": 5, "ttl": 60_000_000_000}}})
        plain = self.start(TERN, "debug: false\n")
        answer = self.join(plain, "nobody").ask("USER.INFO")
        self.assertEqual(answer["data"], {"user": "", "account": "$G"})
        self.assertIsNone(self.join(plain, "nobody").ask("SERVER.PING"))
        none = self.start(TERN, "no_sys_acc: true\n")
        self.assertIsNone(self.join(none, "nobody").ask("USER.INFO"))

    def test_secrets_are_in_no_answer(self):
        server = self.start(TERN, CONFIG.replace('password: a}', 'password: a}, {user: t, password: "t"}'))
        client = self.join(server, "t")
        system = self.join(server)
        for asker, subjects in ((client, OWN + [("USER.INFO", "")]), (system, REQUESTS + [("USER.INFO", "")])):
            for subject, body in subjects:
                self.assertNotIn("pass", str(asker.ask(subject, body)).lower())

    def test_clients_are_sent_away_by_order(self):
        """nats-servers before 2.10 do not have this."""
        client = self.join(self.tern)
        other = Client(self.tern.port, "a", ',"protocol":1')
        self.addCleanup(other.socket.close)
        other.until(rb"INFO (.*)\r\n")  # behind the first PONG
        self.assertEqual(set(client.ask("SERVER.ID.LDM", f'{{"cid":{other.cid}}}')), {"server"})
        self.assertTrue(json.loads(other.until(rb"INFO (.*)\r\n")[1])["ldm"])
        other.sync()  # it stays as long as it wants to
        self.assertEqual(client.ask("SERVER.ID.LDM", f'{{"cid":{client.cid}}}')["error"]["code"], 500)
        self.assertEqual(set(client.ask("SERVER.ID.KICK", f'{{"cid":{other.cid}}}')), {"server"})
        self.assertTrue(other.ended())
        body = f'{{"state":1,"cid":{other.cid}}}'
        closed = broker.wait_for("the end", lambda: client.ask("SERVER.PING.CONNZ", body)["data"]["connections"])
        self.assertEqual(closed[0]["reason"], "Kicked")
        for body, code in HOSTILE:
            for order in ("KICK", "LDM"):
                self.assertEqual(client.ask(f"SERVER.ID.{order}", body)["error"]["code"], code, body)
        client.say(f"PUB $SYS.REQ.SERVER.{client.id}.KICK in.one 20000\r\n{' ' * 20000}\r\n")  # too long: dropped
        client.sync()
        broker.wait_for("a line in the log", lambda: "1 $SYS requests dropped" in self.tern.output())
        ordinary = self.join(self.tern, "a")
        for order in ("KICK", "LDM", "RELOAD"):
            self.assertIsNone(ordinary.ask(f"SERVER.ID.{order}", f'{{"cid":{client.cid}}}'))
        client.sync()

    def test_a_reload_is_asked_for(self):
        client = self.join(self.tern)
        self.assertEqual(client.ask("SERVER.ID.RELOAD", "{")["error"]["code"], 400)
        self.assertEqual(set(client.ask("SERVER.ID.RELOAD")), {"server"})
        broker.wait_for("it in the log", lambda: self.tern.output().count("Reloaded server configuration") == 1)
        self.write(self.tern, CONFIG + "nonsense: 1\n")
        error = client.ask("SERVER.ID.RELOAD")["error"]
        self.assertEqual(error["code"], 500)
        self.assertIn("nonsense", error["description"])
        self.write(self.tern, CONFIG.replace("north-1", "south-1"))
        self.assertIn("server_name", client.ask("SERVER.ID.RELOAD")["error"]["description"])
        self.write(self.tern, CONFIG.replace("user: a", "user: z"))
        other = self.join(self.tern, "a")
        self.assertEqual(set(client.ask("SERVER.ID.RELOAD")), {"server"})
        self.assertTrue(other.ended())

    def write(self, server, text):
        with open(os.path.join(server.dir, "config"), "w", encoding="utf-8") as file:
            file.write(text)

    def test_other_accounts_come_and_go_with_a_reload(self):
        client = self.join(self.tern)
        self.write(self.tern, CONFIG.replace("A {", "C {"))
        self.assertEqual(set(client.ask("SERVER.ID.RELOAD")), {"server"})
        answer = self.join(self.tern, "a").ask("ACCOUNT.PING.STATZ")["data"]
        self.assertEqual([each["acc"] for each in answer["account_statz"]], ["C"])
        self.assertEqual(self.join(self.tern, "b").ask("USER.INFO")["data"]["account"], "B")

    def test_a_reload_changes_the_system_account(self):
        server = self.start(TERN, 'accounts { A { users: [ {user: a, password: a} ] }, B { users: [ {user: b, password: b} ] } }')
        client = self.join(server, "a")
        self.assertIsNone(client.ask("SERVER.PING"))

        self.write(server, CONFIG.replace("server_name: north-1", ""))
        server.process.send_signal(signal.SIGHUP)
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
