#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Accounts that change while clients are connected: imports come and go without a gap for those that stay, an answer that
is due arrives, mappings change, users go; what goes between accounts as such is in transcripts/accounts.t.

    accounts.py TERN
"""
import os
import re
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

STREAM = '{stream: {account: A, subject: "ev.>"}, prefix: p}'
SERVICE = '{service: {account: A, subject: svc}, to: ask}'


def config(imports="", of_a="", others="", users="[ {user: b, password: b} ]"):
    """A configuration: A exports, B imports."""
    return f"""accounts {{
  A {{ users: [ {{user: a, password: a}} ], exports: [ {{stream: "ev.>"}}, {{service: svc}} ] {of_a} }}
  B {{ users: {users}, imports: [ {imports} ] }}
  {others}
}}
"""


class Client:
    """A connection of a user."""

    def __init__(self, port, user):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS)
        self.buffer = b""
        self.say(f'CONNECT {{"verbose":false,"user":"{user}","pass":"{user}","headers":true,"no_responders":true}}')
        self.sync()

    def say(self, *lines):
        self.socket.sendall("".join(line + "\r\n" for line in lines).encode())

    def until(self, pattern):
        """Reads until the pattern has come; returns everything before it, and the match."""
        pattern = re.compile(pattern.encode())
        deadline = time.monotonic() + broker.WAIT_SECONDS
        while not (match := pattern.search(self.buffer)):
            part = self.socket.recv(65536) if time.monotonic() < deadline else b""
            if not part:
                raise AssertionError(f"no {pattern.pattern!r} in {self.buffer!r}")
            self.buffer += part
        before, self.buffer = self.buffer[:match.start()], self.buffer[match.end():]
        return before, match

    def sync(self):
        """What came before the answer to a PING."""
        self.say("PING")
        return self.until(r"PONG\r\n")[0].replace(b"PING\r\n", b"")

    def is_closed(self):
        try:
            while part := self.socket.recv(65536):
                self.buffer += part
        except ConnectionError:
            pass
        return True


class Accounts(unittest.TestCase):
    def setUp(self):
        self.server = broker.Broker(TERN, text=config(STREAM), workers=2)
        self.addCleanup(self.server.__exit__)
        self.a, self.b = self.join("a"), self.join("b")

    def join(self, user):
        client = Client(self.server.port, user)
        self.addCleanup(client.socket.close)
        return client

    def reload(self, text):
        done = "Reloaded server configuration"
        count = self.server.output().count(done)
        with open(os.path.join(self.server.dir, "config"), "w", encoding="utf-8") as file:
            file.write(text)
        self.server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + broker.WAIT_SECONDS
        while self.server.output().count(done) == count:
            self.assertLess(time.monotonic(), deadline, self.server.output())
            time.sleep(0.01)

    def publish(self, subject, body):
        """Published by a, and on its way to everybody (guarantee O2)."""
        self.a.say(f"PUB {subject} {len(body)}", body)
        self.a.sync()

    def test_imports_come_and_go(self):
        self.b.say("SUB > 1", "SUB in 2")
        self.b.sync()
        self.publish("ev.x", "1")
        self.assertEqual(self.b.sync(), b"MSG p.ev.x 1 1\r\n1\r\n")
        self.reload(config(STREAM + ", " + SERVICE))
        self.publish("ev.x", "2")
        self.assertEqual(self.b.sync(), b"MSG p.ev.x 1 1\r\n2\r\n")
        self.b.say("UNSUB 1")
        self.a.say("SUB svc 5")
        self.a.sync()
        self.b.say("PUB ask in 1", "q")
        _, match = self.a.until(r"HMSG svc 5 (_R_\S+) .*\r\nNATS/1.0\r\nNats-Request-Info: .*\r\n\r\nq\r\n")
        self.reload(config())  # while an answer is due
        self.publish(match.group(1).decode(), "ok")
        self.b.until(r"MSG in 2 2\r\nok\r\n")
        self.publish("ev.x", "3")
        self.b.say("PUB ask in 1", "q")
        self.assertIn(b"503\r\nNats-Subject: ask", self.b.sync())
        self.assertEqual(self.a.sync(), b"")

    def test_a_stream_has_no_gap(self):
        self.b.say("SUB p.> 1")
        self.b.sync()
        for number in range(40):
            self.publish("ev.n", f"{number:03}")
            self.a.say("PUB ev.n 4", f"{number:03}+")
            self.reload(config(STREAM, of_a=f', mappings: {{ "old": "new.{number}" }}'))
        numbers = re.findall(rb"MSG p.ev.n 1 \d\r\n(\S+)\r\n", self.b.sync())
        self.assertEqual(numbers, [text for n in range(40) for text in (b"%03d" % n, b"%03d+" % n)])
        self.a.say("SUB new.* 1", "PUB old 0", "")
        self.assertEqual(self.a.sync(), b"MSG new.39 1 0\r\n\r\n")

    def test_accounts_and_users_come_and_go(self):
        self.reload(config(others="C { users: [ {user: c, password: c} ], imports: [ " + STREAM + "] }"))
        c = self.join("c")
        for client in (self.b, c):
            client.say("SUB > 1")
            client.sync()
        self.publish("ev.x", "4")
        self.assertEqual(c.sync(), b"MSG p.ev.x 1 1\r\n4\r\n")
        self.assertEqual(self.b.sync(), b"")
        self.reload(config(STREAM, users="[]"))
        self.assertTrue(c.is_closed())
        self.assertTrue(self.b.is_closed())
        self.reload(config(STREAM))
        again = self.join("b")
        again.say("SUB > 1")
        again.sync()
        self.publish("ev.x", "5")
        self.assertEqual(again.sync(), b"MSG p.ev.x 1 1\r\n5\r\n")
        self.assertEqual(self.server.stop(), 0)


if __name__ == "__main__":
    TERN = os.path.abspath(sys.argv.pop(1))
    unittest.main()
