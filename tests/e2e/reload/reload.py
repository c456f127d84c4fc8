#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reload (SIGHUP) and lame duck mode (SIGUSR2), as operators and clients see them.

    reload.py BROKER [TEST...]

BROKER is tern or, to check the test itself, nats-server; what only tern does is skipped there.
"""
import json
import os
import signal
import socket
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

BROKER = ""
CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"protocol":1}\r\nPING\r\n'


class Client:
    """A connection that has said CONNECT and read everything up to the first PONG; or (None) has said nothing yet."""

    def __init__(self, port, connect=CONNECT):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS)
        self.file = self.socket.makefile("rb")
        self.info = json.loads(self.line()[5:])
        if connect is None:
            return
        self.socket.sendall(connect)
        self.until(b"PONG")
        self.say(b"PING\r\n")  # behind the INFO that may follow the first PONG
        self.until(b"PONG")

    def line(self):
        """The next line; nothing at the end of the connection."""
        try:
            return self.file.readline().rstrip(b"\r\n")
        except ConnectionResetError:
            return b""

    def say(self, text):
        self.socket.sendall(text)

    def until(self, want):
        """Reads up to the line that begins so; returns it."""
        while True:
            line = self.line()
            if line.startswith(want):
                return line
            if not line:
                raise AssertionError(f"the connection ended before {want}")

    def close(self):
        self.file.close()
        self.socket.close()


class Case(unittest.TestCase):
    """A broker with a configuration file."""

    def start(self, text, *flags):
        self.config = os.path.join(self.enterContext(tempfile.TemporaryDirectory(prefix="tern-e2e-")), "test.conf")
        self.write(text)
        self.server = self.enterContext(broker.Broker(BROKER, flags=["-c", self.config, *flags]))
        return self.server

    def write(self, text):
        with open(self.config, "w") as file:
            file.write(text)

    def reload(self, text, want="Reloaded server configuration"):
        """Another file; waits until the broker has said what became of it."""
        self.write(text)
        before = self.server.output().count(want)
        self.server.process.send_signal(signal.SIGHUP)
        broker.wait_for(want, lambda: self.server.output().count(want) > before)

    def client(self):
        client = Client(self.server.port)
        self.addCleanup(client.close)
        return client


class Reload(Case):
    def test_limits_hold_at_once_for_those_who_are_there(self):
        self.start("max_payload: 100\n")
        before = self.client()
        self.assertEqual(before.info["max_payload"], 100)
        self.reload("max_payload: 10\n")
        after = self.client()
        self.assertEqual(after.info["max_payload"], 10)
        before.say(b"PING\r\n")
        self.assertEqual(before.line()[:4], b"PONG")  # no INFO about it
        before.say(b"PUB a 11\r\n01234567890\r\n")
        self.assertEqual(before.until(b"-ERR"), b"-ERR 'Maximum Payload Violation'")
        after.say(b"PUB a 10\r\n0123456789\r\nPING\r\n")
        after.until(b"PONG")

    def test_what_takes_a_restart_is_refused_and_nothing_is_applied(self):
        self.start("max_payload: 100\n")
        client = self.client()
        self.reload("max_payload: 10\nserver_name: other\n", "reload not supported")
        client.say(b"PUB a 11\r\n01234567890\r\nPING\r\n")
        client.until(b"PONG")
        self.reload("max_payload: {\n", "Failed to reload")
        self.reload("no_such_key: 1\n", "Failed to reload")
        client.say(b"PUB a 11\r\n01234567890\r\nPING\r\n")
        client.until(b"PONG")
        self.reload("max_payload: 10\n")  # and a good one works again

    def test_a_flag_stays_above_the_file(self):
        self.start("max_payload: 100\n", "--client_advertise=flag:1")
        self.reload("max_payload: 10\nclient_advertise: 'file:2'\n")
        info = self.client().info
        self.assertEqual((info["host"], info["port"]), ("flag", 1))

    def test_the_advertised_address_and_back(self):
        self.start("")
        self.reload("client_advertise: 'there:77'\n")
        info = self.client().info
        self.assertEqual((info["host"], info["port"]), ("there", 77))
        self.reload("\n")
        self.assertEqual(self.client().info["port"], self.server.port)

    def test_too_many_connections_are_closed(self):
        self.start("max_connections: 100\n")
        clients = [self.client() for _ in range(20)]
        self.reload("max_connections: 5\n")
        open_, closed = 0, 0
        for client in clients:
            client.say(b"PING\r\n")
            line = client.line()
            while line.startswith(b"INFO"):
                line = client.line()
            if line == b"PONG":
                open_ += 1
            else:
                self.assertIn(line, (b"-ERR 'maximum connections exceeded'", b""))
                closed += 1
        self.assertEqual((open_, closed), (5, 15))

    def test_files_move(self):
        server = self.start("")
        pid_file = os.path.join(server.dir, "pid")
        self.reload(f"pid_file: '{pid_file}'\n")
        with open(pid_file) as file:
            self.assertEqual(file.read(), str(server.process.pid))

    def test_a_module_alone_needs_no_file(self):
        with broker.Broker(BROKER) as server:
            server.process.send_signal(signal.SIGHUP)
            broker.wait_for("a word about it", lambda: "no configuration file" in server.output())
            self.assertIn(b"PONG", broker.talk(server.port, CONNECT))


class Users(Case):
    """What becomes of those who are connected when the configuration says something else about them."""

    def users(self, *users):
        return "authorization { users: [" + ", ".join(users) + "] }\n"

    def join(self, user, password="p"):
        client = Client(self.server.port, b'CONNECT {"verbose":false,"pedantic":false,"protocol":1,"user":"%s",'
                        b'"pass":"%s"}\r\nPING\r\n' % (user.encode(), password.encode()))
        self.addCleanup(client.close)
        return client

    def end_of(self, client):
        """What the broker says before it ends the connection."""
        return [line for line in iter(client.line, b"") if not line.startswith(b"INFO")]

    def test_deleted_changed_and_kept(self):
        kept = "{user: kept, password: p}"
        self.start(self.users(kept, "{user: gone, password: p}", "{user: changed, password: p}"))
        stays, gone, changed = (self.join(name) for name in ("kept", "gone", "changed"))
        self.reload(self.users(kept, "{user: changed, password: q}", "{user: new, password: p}"))
        self.assertEqual(self.end_of(gone), [])
        self.assertEqual(self.end_of(changed), [b"-ERR 'Authorization Violation'"])
        stays.say(b"SUB a 1\r\nPUB a 2\r\nok\r\nPING\r\n")
        stays.until(b"MSG")
        stays.until(b"PONG")
        self.join("new")
        self.join("changed", "q")

    def test_without_users_those_who_were_some_go(self):
        self.start(self.users("{user: a, password: p}", "{user: b, password: p}"))
        clients = [self.join(name) for name in ("a", "b")]
        self.reload("debug: false\n")
        self.assertEqual([self.end_of(client) for client in clients], [[], []])

    def test_without_a_token_those_who_had_it_stay(self):
        self.start("authorization { token: t }\n")
        client = Client(self.server.port, b'CONNECT {"verbose":false,"pedantic":false,"auth_token":"t"}\r\nPING\r\n')
        self.addCleanup(client.close)
        self.reload("debug: false\n")
        client.say(b"PING\r\n")
        client.until(b"PONG")

    def test_the_only_user_and_the_token(self):
        user, token, users = "{ user: %s, password: %s }", "{ token: %s }", "{ users: [{user: %s, password: %s}] }"
        violation = [b"-ERR 'Authorization Violation'"]
        for before, after, said in (
                (user % ("a", "p"), user % ("a", "q"), []), (user % ("a", "p"), user % ("b", "p"), []),
                (user % ("a", "p"), token % "t", []), (user % ("a", "p"), users % ("a", "q"), violation),
                (token % "t", token % "u", violation), (token % "t", user % ("a", "p"), violation),
                (token % "t", users % ("a", "p"), violation)):
            with self.subTest(before=before, after=after):
                self.start(f"authorization {before}\n")
                client = Client(self.server.port, b'CONNECT {"verbose":false,"pedantic":false,"protocol":1,%s}\r\nPING\r\n' %
                                (b'"auth_token":"t"' if "token" in before else b'"user":"a","pass":"p"'))
                self.addCleanup(client.close)
                self.reload(f"authorization {after}\n")
                self.assertEqual(self.end_of(client), said)

    def test_nobodys_user_is_a_user_like_others(self):
        def users(password):
            return self.users("{user: anybody, password: %s}" % password, "{user: other, password: p}") + \
                "no_auth_user: anybody\n"
        self.start(users("p"))
        nobody, other = Client(self.server.port, b'CONNECT {"verbose":false}\r\nPING\r\n'), self.join("other")
        self.addCleanup(nobody.close)
        self.reload(users("q"))
        self.assertEqual(self.end_of(nobody), [b"-ERR 'Authorization Violation'"])
        other.say(b"PING\r\n")
        other.until(b"PONG")

    def test_who_has_said_nothing_has_to_when_nobody_is_let_in_without(self):
        text = "authorization { timeout: 60, users: [{user: anybody, password: p}] }\n"
        self.start(text + "no_auth_user: anybody\n")
        silent, begun = Client(self.server.port, None), self.client()
        self.addCleanup(silent.close)
        begun.say(b"PING\r\n")
        begun.until(b"PONG")
        self.reload(text)
        self.assertEqual(self.end_of(begun), [b"-ERR 'Authorization Violation'"])
        silent.say(b"PING\r\n")
        self.assertEqual(self.end_of(silent), [b"-ERR 'Authorization Violation'"])

    def test_why_they_ended_is_told(self):
        accounts = "http: '127.0.0.1:-1'\naccounts { A { users: [%s] }, B { users: [%s] } }\n"
        gone, moved, changed, other = ("{user: %s, password: p}" % name for name in ("gone", "moved", "changed", "other"))
        server = self.start(accounts % (", ".join((gone, moved, changed)), other))
        clients = [self.join(name) for name in ("gone", "moved", "changed")]
        self.reload(accounts % ("{user: changed, password: q}", ", ".join((other, moved))))
        self.assertEqual([self.end_of(client) for client in clients], [[], [], [b"-ERR 'Authorization Violation'"]])

        def closed():
            url = server.monitoring + "/connz?state=closed&auth=1"
            with urllib.request.urlopen(url, timeout=broker.WAIT_SECONDS) as page:
                return {conn["cid"]: (conn["reason"], conn.get("authorized_user"), conn.get("account"))
                        for conn in json.load(page)["connections"]}
        broker.wait_for("all of them", lambda: len(closed()) == 3)
        self.assertEqual([closed()[client.info["client_id"]] for client in clients],
                         [("Client Closed", "gone", "A"), ("Client Closed", "moved", "A"),
                          ("Authentication Failure", "changed", "A")])
        if server.is_reference:
            return  # does not say why
        for user, why in (("gone", "the user is no more"), ("moved", "the user is in another account now"),
                          ("changed", "the password has changed")):
            broker.wait_for(why, lambda line=f'User "{user}": {why}\n': line in server.output())

    def test_a_permission_that_is_lost(self):
        self.start(self.users("{user: u, password: p}"))
        client = self.join("u")
        client.say(b"SUB keep.* 1\r\nSUB lose.* 2\r\nPING\r\n")
        client.until(b"PONG")
        self.reload(self.users("{user: u, password: p, permissions: {publish: '>', subscribe: 'keep.*'}}"))
        self.assertEqual(client.until(b"-ERR"),
                         b"-ERR 'Permissions Violation for Subscription to \"lose.*\" (sid \"2\")'")
        client.say(b"PUB lose.a 1\r\nx\r\nPUB keep.a 1\r\ny\r\nPING\r\n")
        self.assertEqual(client.until(b"MSG"), b"MSG keep.a 1 1")
        client.until(b"PONG")
        self.reload(self.users("{user: u, password: p}"))
        client.say(b"SUB lose.* 3\r\nPUB lose.a 1\r\nx\r\nPING\r\n")
        self.assertEqual(client.until(b"MSG"), b"MSG lose.a 3 1")

    def test_a_mistake_leaves_everybody_in(self):
        self.start(self.users("{user: u, password: p}"))
        client = self.join("u")
        self.reload(self.users("{user: u, password: p}", "{user: u, password: q}"), "Failed to reload")
        client.say(b"PING\r\n")
        client.until(b"PONG")
        self.join("u")


class LameDuck(Case):
    def test_clients_are_told_kept_and_closed(self):
        server = self.start("lame_duck_duration: '30s'\nlame_duck_grace_period: '1s'\n")
        first, second = self.client(), self.client()
        second.say(b"SUB a 1\r\nPING\r\n")
        second.until(b"PONG")
        server.process.send_signal(signal.SIGUSR2)
        info = json.loads(first.until(b"INFO")[5:])
        while not info.get("ldm"):
            info = json.loads(first.until(b"INFO")[5:])
        self.assertNotIn("connect_urls", info)
        first.say(b"PUB a 2\r\nok\r\n")  # they go on working
        self.assertEqual(second.until(b"MSG"), b"MSG a 1 2")
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1)
        server.process.send_signal(signal.SIGTERM)  # changes nothing now
        for client in (first, second):
            rest = [line for line in iter(client.line, b"")]
            self.assertFalse([line for line in rest if line.startswith(b"-ERR")])
        self.assertEqual(server.process.wait(broker.WAIT_SECONDS), 0)
        self.assertIn("Entering lame duck mode", server.output())

    def test_without_clients_it_ends_at_once(self):
        server = self.start("")
        server.process.send_signal(signal.SIGUSR2)
        self.assertEqual(server.process.wait(broker.WAIT_SECONDS), 0)

    def test_sigint_ends_it(self):
        server = self.start("")
        self.client()
        server.process.send_signal(signal.SIGUSR2)
        broker.wait_for("lame duck mode", lambda: "Entering lame duck mode" in server.output())
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(broker.WAIT_SECONDS), 0)


if __name__ == "__main__":
    BROKER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
