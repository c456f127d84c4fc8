#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Permissions: users times what they may try, by tern and by nats-server, answer by answer.

    permissions.py TERN [TEST...]

Both brokers get the same configuration and the same bytes. Each cell of the matrix is one thing that one user tries;
what comes back must be the same, byte by byte, but for what differs() knows.

Exit code 77: all is well, but there was no nats-server to compare with.
"""
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

TERN = ""
USERS = {
    "all": None,
    "empty": "{}",
    "empty_lists": "{publish: [], subscribe: {allow: []}}",
    "pub_one": "{publish: foo}",
    "pub_list": "{publish: [foo, 'bar.*', 'baz.>']}",
    "pub_deny": "{publish: {deny: ['bar.>', foo]}}",
    "pub_both": "{publish: {allow: 'bar.>', deny: 'bar.no'}}",
    "pub_all": "{publish: '>'}",
    "sub_one": "{subscribe: foo}",
    "sub_star": "{subscribe: 'bar.*'}",
    "sub_tail": "{subscribe: 'bar.>'}",
    "sub_deny": "{subscribe: {deny: ['bar.no', foo]}}",
    "sub_deny_tail": "{subscribe: {deny: 'bar.>'}}",
    "sub_deny_star": "{subscribe: {deny: 'bar.*'}}",
    "sub_deny_middle": "{subscribe: {deny: 'bar.*.c'}}",
    "sub_deny_all": "{subscribe: {deny: '>'}}",
    "sub_both": "{subscribe: {allow: ['bar.>', foo], deny: 'bar.no'}}",
    "sub_star_deny": "{subscribe: {allow: 'bar.*', deny: 'bar.no'}}",
    "queue_only": "{subscribe: 'foo v1'}",
    "queue_also": "{subscribe: [foo, 'foo v1']}",
    "queue_star": "{subscribe: ['foo g.*', 'bar.* *', 'baz.> g.>']}",
    "queue_deny": "{subscribe: {deny: ['foo v1', 'bar.* g.>']}}",
    "queue_and_plain_deny": "{subscribe: {deny: [foo, 'foo v1']}}",
    "queue_deny_wide": "{subscribe: {deny: 'bar.no v1'}}",
    "odd_tokens": "{publish: ['a.*b', 'c.>d'], subscribe: ['a.*b', 'c>']}",
    "aliases": "{import: 'bar.*', EXPORT: {Allow: foo}}",
    "answers": "{publish: foo, subscribe: ['bar.>', 'inbox.>'], allow_responses: true}",
    "answers_three": "{subscribe: ['bar.>'], allow_responses: {max: 3, expires: '30s'}}",
    "answers_short": "{subscribe: ['bar.>'], allow_responses: {max: -1, expires: '200ms'}}",
}
SUBJECTS = ["foo", "foo.a", "bar", "bar.a", "bar.no", "bar.no.c", "bar.a.c", "bar.a.b.c", "baz.x", "a.b", "a.*b", "c.>d",
            "bar.*", "bar.>", "*", ">", "bar..a", "bar."]
FILTERS = ["foo", "bar.a", "bar.no", "bar.*", "bar.>", "bar.*.c", "bar.no.*", "*.a", "*.no", "*.*.c", "*", ">", "*.>", "baz.x",
           "a.*b", "a.b", "c>", "bar..a", "bar.>.a"]
QUEUES = ["", "v1", "v2", "g.a", "g.a.b", "g.*", "*", "_sys_"]


def differs(version, user, tried):
    """Why nats-server may answer otherwise; None: it may not. All of it let through what is denied, and is mended."""
    if version >= (2, 12):
        return None
    what, filter_, queue = (tried.removeprefix("verbose ").split(" ") + ["", ""])[:3]
    if user == "queue_and_plain_deny" and filter_ == "foo" and queue not in ("", "v1"):
        return "to deny one queue by name let all others in"
    if user in ("queue_deny", "queue_deny_wide") and what == "MSG" and queue and set(filter_) & set("*>"):
        return "what is denied to a queue was not held back from its wider subscriptions"
    if user in ("sub_deny_tail", "sub_deny_star") and what == "MSG" and filter_.startswith("*."):
        return "where neither pattern contains the other, what they have in common was not held back"
    return None


def config(users):
    """The text of a configuration."""
    lines = ["authorization { users: ["]
    for name, permissions in users.items():
        also = f", permissions: {permissions}" if permissions else ""
        lines.append(f"  {{user: {name}, password: pw{also}}}")
    return "\n".join(lines + ["] }", ""])


class Wire:
    """A connection that is logged in."""

    def __init__(self, port, user, **fields):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""
        self.line()  # INFO
        options = {"verbose": False, "pedantic": False, "user": user, "pass": "pw", **fields}
        self.send(f"CONNECT {json.dumps(options)}\r\n")
        self.sync()

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def line(self):
        while b"\n" not in self.got:
            part = self.socket.recv(65536)
            if not part:
                raise AssertionError(f"the connection ended after {self.got!r}")
            self.got += part
        line, self.got = self.got.split(b"\n", 1)
        return line + b"\n"

    def sync(self):
        """Everything that comes before the answer to a PING; the server's own PING and +OK to nothing are left out."""
        self.send("PING\r\n")
        seen = b""
        while True:
            line = self.line()
            if line == b"PONG\r\n":
                return seen
            if line == b"PING\r\n":
                self.send("PONG\r\n")
                continue
            seen += line

    def try_(self, text):
        self.send(text)
        return self.sync()

    def close(self):
        self.socket.close()


def pub(subject, reply="", payload="x"):
    return f"PUB {subject} {reply} {len(payload)}\r\n{payload}\r\n"


class Matrix:
    """What one broker answers: {(user, what was tried): bytes}."""

    def __init__(self, server):
        self.cells = {}
        self.port = server.port
        with socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS) as peer:
            version = json.loads(peer.makefile("rb").readline()[5:])["version"]
        self.version = tuple(int(n) for n in re.findall(r"\d+", version)[:3])
        self.admin = Wire(self.port, "all")
        for user in USERS:
            self.publish(user)
            self.subscribe(user)
            self.verbose(user)
            self.request(user)
        self.admin.close()

    def publish(self, user):
        wire = Wire(self.port, user)
        self.admin.try_("SUB > all\r\n")
        for subject in SUBJECTS:
            self.cells[user, f"PUB {subject}"] = wire.try_(pub(subject)) + self.admin.sync()
            # the same line again and again: what may go as one must be judged as one
            self.cells[user, f"PUBs {subject}"] = wire.try_(pub(subject) * 3) + self.admin.sync()
        self.admin.try_("UNSUB all\r\n")
        wire.close()

    def subscribe(self, user):
        wire = Wire(self.port, user)
        sid = 0
        for filter_ in FILTERS:
            for queue in QUEUES:
                sid += 1
                tried = f"{filter_} {queue}".strip()
                self.cells[user, f"SUB {tried}"] = wire.try_(f"SUB {filter_} {queue} {sid}\r\n")
                self.admin.try_("".join(pub(subject) for subject in SUBJECTS))
                self.cells[user, f"MSG {tried}"] = wire.sync()
                wire.try_(f"UNSUB {sid}\r\n")
        wire.close()

    def verbose(self, user):
        wire = Wire(self.port, user, verbose=True)
        for subject in ("foo", "bar.no", "a\xff\"\\"):
            raw = subject.encode("latin-1")
            self.cells[user, f"verbose PUB {subject}"] = wire.try_(b"PUB " + raw + b" 1\r\nx\r\n")
            self.cells[user, f"verbose SUB {subject}"] = wire.try_(b"SUB " + raw + b" 1\r\nUNSUB 1\r\n")
            self.cells[user, f"verbose SUB {subject} q"] = wire.try_(b"SUB " + raw + b" q\xff 1\r\nUNSUB 1\r\n")
        wire.close()

    def request(self, user):
        """Requests of the user that nobody hears, or that nobody may hear; and what it may answer."""
        wire = Wire(self.port, user, headers=True, no_responders=True)
        wire.try_("SUB inbox.> 1\r\nSUB bar.> 2\r\n")
        for subject in ("foo", "bar.no", "nobody"):
            answer = wire.try_(pub(subject, "inbox.1"))
            # the subject in it came with 2.12
            answer = re.sub(rb"HMSG (\S+) (\S+) \d+ \d+\r\nNATS/1.0 503\r\n(Nats-Subject: \S+\r\n)?", rb"503 \1 \2 ", answer)
            self.cells[user, f"request {subject}"] = answer
        wire.close()
        wire = Wire(self.port, user)
        wire.try_("SUB bar.> 1\r\n")
        self.admin.try_("SUB inbox.> all\r\n")
        seen = wire.try_(pub("inbox.1"))
        self.admin.try_(pub("bar.a", "inbox.1", "?"))
        seen += wire.sync()  # nobody answers before the request is there
        for _ in range(4):
            seen += wire.try_(pub("inbox.1"))
        seen += wire.try_(pub("inbox.2"))
        self.admin.try_(pub("bar.a", "inbox.3", "?") * 2)
        seen += wire.sync()
        for _ in range(4):
            seen += wire.try_(pub("inbox.3"))
        self.cells[user, "answer"] = seen + self.admin.sync()
        if user == "answers_short":
            self.admin.try_(pub("bar.a", "inbox.4", "?"))
            seen = wire.sync() + wire.try_(pub("inbox.4"))
            time.sleep(0.4)  # longer than the answer may take
            self.cells[user, "too late"] = seen + wire.try_(pub("inbox.4")) + self.admin.sync()
        self.admin.try_("UNSUB all\r\n")
        wire.close()


class Permissions(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="tern-e2e-")
        self.path = os.path.join(self.dir.name, "conf")
        self.write(USERS)

    def tearDown(self):
        self.dir.cleanup()

    def write(self, users):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(config(users))

    def matrix(self, path, workers=None):
        with broker.Broker(path, workers=workers, flags=("-c", self.path)) as server:
            matrix = Matrix(server)
            server.stop()
            return matrix

    def test_matrix(self):
        tern = self.matrix(TERN, workers=2)
        denied = sum(b"Permissions Violation" in seen for seen in tern.cells.values())
        print(f"{len(tern.cells)} cells, {denied} of them with a violation")
        self.assertGreater(denied, 500)
        self.assertGreater(len(tern.cells) - denied, 500)
        if not broker.reference():
            return
        real = self.matrix(broker.reference())
        self.assertEqual(tern.cells.keys(), real.cells.keys())
        wrong, expected = [], 0
        for (user, tried), seen in tern.cells.items():
            if seen == real.cells[user, tried]:
                continue
            if differs(real.version, user, tried):
                expected += 1
            else:
                wrong.append(f"{user}: {tried}\n  tern        {seen!r}\n  nats-server {real.cells[user, tried]!r}")
        print(f"{expected} cells are known to differ from nats-server {'.'.join(map(str, real.version))}")
        self.assertEqual(len(wrong), 0, f"{len(wrong)} cells differ\n" + "\n".join(wrong[:20]))

    def reloaded(self, path):
        """What a client sees whose permissions change while it is connected, step by step."""
        seen = []
        tries = "".join(pub(subject) for subject in ("a", "b", "c", "d.no", "d.yes"))
        self.write({"all": None, "user": None})
        with broker.Broker(path, flags=("-c", self.path)) as server:
            admin, wire = Wire(server.port, "all"), Wire(server.port, "user")
            wire.try_("SUB a 1\r\nSUB b 2\r\nSUB c g sid3\r\nSUB d.* 4\r\nSUB e.> g 5\r\n")
            for permissions in ("{publish: p, subscribe: {allow: [a, 'd.*'], deny: d.no}}",
                                "{publish: [p, x], subscribe: 'd.*'}", "{subscribe: {deny: 'd.>'}}", None):
                self.write({"all": None, "user": permissions, "done": None})
                server.process.send_signal(signal.SIGHUP)
                self.wait_for_reload(server, len(seen) + 1)
                lines = sorted(wire.sync().splitlines())  # in no order
                admin.try_(tries)
                seen.append((lines, wire.sync(), wire.try_(pub("p") + pub("x"))))
            admin.close()
            wire.close()
            server.stop()
        return seen

    @staticmethod
    def wait_for_reload(server, count):
        deadline = time.monotonic() + broker.WAIT_SECONDS
        while server.output().count("Reloaded server configuration") < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"no reload:\n{server.output()}")
            time.sleep(0.02)

    def test_reload(self):
        tern = self.reloaded(TERN)
        self.assertEqual(len(tern[0][0]), 3)
        self.assertIn(b"-ERR 'Permissions Violation for Subscription to \"c\" (sid \"sid3\")'", tern[0][0])
        self.assertEqual(tern[0][1], b"MSG a 1 1\r\nx\r\nMSG d.yes 4 1\r\nx\r\n")
        if broker.reference():
            self.assertEqual(tern, self.reloaded(broker.reference()))


if __name__ == "__main__":
    TERN = os.path.abspath(sys.argv.pop(1))
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if not broker.reference():
        broker.skip("there is no nats-server to compare with")
