#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""In-process handlers through the real program: who answers, what a bad module does, what a failing one does.

    handlers.py BROKER MODULES [TEST...]

MODULES is the directory of the test modules; the built-in ones (echo, greet) are found beside the program. Replacing
modules under load is replace.c's part.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

BROKER = ""
MODULES = ""
CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'


class Client:
    """A connection that sends text and compares what comes back byte by byte."""

    count = 0

    def __init__(self, port):
        Client.count += 1
        self.inbox = b"in.%d" % Client.count  # answers to this client only
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS)
        self.got = b""
        self.line()
        self.say(CONNECT)
        self.sync()

    def say(self, data):
        self.socket.sendall(data)

    def more(self):
        part = self.socket.recv(65536)
        if not part:
            raise AssertionError("the broker closed the connection")
        self.got += part

    def line(self):
        """The next line but PING, which is answered."""
        while True:
            while b"\r\n" not in self.got:
                self.more()
            line, _, self.got = self.got.partition(b"\r\n")
            if line != b"PING":
                return line
            self.say(b"PONG\r\n")

    def message(self):
        """The next message: its line's words, and its body."""
        words = self.line().split()
        assert words[0] in (b"MSG", b"HMSG"), words
        size = int(words[-1])
        while len(self.got) < size + 2:
            self.more()
        body, self.got = self.got[:size], self.got[size + 2:]
        return words, body

    def sync(self):
        """Everything sent has been carried out, and nothing but the PONG came back."""
        self.say(b"PING\r\n")
        line = self.line()
        assert line == b"PONG", line

    def ask(self, subject, payload):
        """A request's answer."""
        self.say(b"PUB %s %s %d\r\n%s\r\n" % (subject, self.inbox, len(payload), payload))
        return self.message()[1]


class Handlers(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tern-handlers-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def start(self, *handlers):
        flags = [word for handler in handlers for word in ("--handler", handler)]
        server = broker.Broker(BROKER, workers=3, flags=flags)
        self.addCleanup(server.__exit__)
        return server

    def client(self, server):
        client = Client(server.port)
        self.addCleanup(client.socket.close)
        client.say(b"SUB %s 1\r\n" % client.inbox)
        client.sync()
        return client

    def end(self, server):
        self.assertEqual(server.stop(), 0, server.output())

    def module(self, name):
        """A copy of a test module that may be changed."""
        path = os.path.join(self.dir, "module.so")
        shutil.copyfile(os.path.join(MODULES, name + ".so"), path + ".next")
        os.rename(path + ".next", path)
        return path

    def reload(self, server, expect):
        """SIGHUP, and waits for one more of these lines in the log."""
        before = len(re.findall(expect, server.output()))
        server.process.send_signal(signal.SIGHUP)
        broker.wait_for(expect, lambda: len(re.findall(expect, server.output())) > before)

    def test_built_in_modules_answer(self):
        server = self.start("echo=echo", "greet.*=greet")
        clients = [self.client(server) for _ in range(6)]  # on all workers
        for number, client in enumerate(clients):
            self.assertEqual(client.ask(b"echo", b"hello %d" % number), b"hello %d" % number)
            self.assertEqual(client.ask(b"echo", b""), b"")
            self.assertEqual(client.ask(b"greet.me", b"Ada"), b"Hello, Ada!")
            large = bytes(range(33, 127)) * 3000
            self.assertEqual(client.ask(b"echo", large), large)
        client = clients[0]
        client.say(b"HPUB echo %s 12 14\r\nNATS/1.0\r\n\r\nhi\r\n" % client.inbox)
        words, body = client.message()
        self.assertEqual((words, body), ([b"MSG", client.inbox, b"1", b"2"], b"hi"))
        client.say(b"PUB echo 2\r\nhi\r\n")  # nobody to answer
        client.sync()
        self.assertIn(b"NATS/1.0 503", client.ask(b"greet", b"no such subject"))
        self.end(server)

    def test_a_handler_is_one_receiver_among_others(self):
        server = self.start("echo=echo")
        asks, listens, works = (self.client(server) for _ in range(3))
        listens.say(b"SUB echo 2\r\n")
        works.say(b"SUB * group 3\r\n")
        listens.sync()
        works.sync()
        self.assertEqual(asks.ask(b"echo", b"x"), b"x")
        self.assertEqual(listens.message(), ([b"MSG", b"echo", b"2", asks.inbox, b"1"], b"x"))
        self.assertEqual(works.message(), ([b"MSG", b"echo", b"3", asks.inbox, b"1"], b"x"))
        for client in (asks, listens, works):
            client.say(b"UNSUB 1\r\nUNSUB 2\r\nUNSUB 3\r\n")
            client.sync()
        self.end(server)

    def test_a_bad_module_leaves_the_old_one_in_place(self):
        path = self.module("version_a")
        server = self.start(f"version={path}")
        client = self.client(server)
        self.assertEqual(client.ask(b"version", b""), b"a")
        with open(path + ".next", "w") as file:
            file.write("this is no shared object")
        os.rename(path + ".next", path)
        self.reload(server, "the old one stays")
        self.assertIn("cannot be used", server.output())
        self.assertEqual(client.ask(b"version", b""), b"a")
        for name, reason in (("no_symbol", "no function tern_module_v1"), ("no_module", "returned nothing"),
                             ("wrong_abi", "version 2 of the module interface"),
                             ("no_handle", "the function handle"), ("refuses", "refused to start")):
            self.module(name)
            self.reload(server, "the old one stays")
            self.assertRegex(server.output(), rf"\[ERR\] handler module {path} .*{reason}")
            self.assertEqual(client.ask(b"version", b""), b"a", name)
        os.unlink(path)
        os.mkdir(path)
        self.reload(server, "the old one stays")
        self.assertEqual(client.ask(b"version", b""), b"a")
        os.rmdir(path)
        self.module("version_b")
        self.reload(server, "replaces the old one")
        self.assertEqual(client.ask(b"version", b""), b"b")
        self.end(server)

    def test_sighup_without_a_change_changes_nothing(self):
        server = self.start(f"version={self.module('version_a')}", "echo=echo")
        client = self.client(server)
        for _ in range(5):
            server.process.send_signal(signal.SIGHUP)
            self.assertEqual(client.ask(b"version", b""), b"a")
        self.module("version_b")
        self.reload(server, "replaces the old one")
        self.assertEqual(client.ask(b"version", b""), b"b")
        self.assertEqual(server.output().count("replaces the old one"), 1)
        self.assertEqual(client.ask(b"echo", b"still there"), b"still there")
        self.end(server)

    def test_a_failing_handler_harms_nobody(self):
        server = self.start(f"work={self.module('does')}", "greet.*=greet")
        asks, listens = self.client(server), self.client(server)
        listens.say(b"SUB work 2\r\n")
        listens.sync()
        for number in range(300):
            payload = b"%d" % number
            asks.say(b"PUB work %s 4\r\nfail\r\nPUB work %d\r\n%s\r\n" % (asks.inbox, len(payload), payload))
        for number in range(300):
            self.assertEqual(listens.message(), ([b"MSG", b"work", b"2", asks.inbox, b"4"], b"fail"))
            self.assertEqual(listens.message()[1], b"%d" % number)
        asks.sync()  # a failed request has no answer, and it had a receiver
        self.assertEqual(asks.ask(b"work", b"who"), b"work")
        asks.say(b"PUB greet.me %s 2000\r\n" % asks.inbox + b"n" * 2000 + b"\r\n")
        asks.sync()
        self.assertEqual(asks.ask(b"greet.me", b"Bob"), b"Hello, Bob!")
        broker.wait_for("the errors in the log", lambda: "handler greet for greet.* failed on greet.me" in server.output())
        lines = re.findall(r"\[ERR\] handler \S+ for work failed on work: ", server.output())
        self.assertTrue(1 <= len(lines) < 300, len(lines))  # logged, but not for each message
        self.end(server)

    def test_a_missing_module_is_fatal_at_start(self):
        for handler, reason in ((f"a={self.dir}/none.so", "none.so"), ("a=no_such_module", "looked for no_such_module.so"),
                                ("a..b=echo", "is not valid")):
            process = subprocess.run([BROKER, "-a", "127.0.0.1", "-p", "-1", "--handler", handler],
                                     stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                     timeout=broker.WAIT_SECONDS)
            self.assertEqual(process.returncode, 1, process.stderr)
            self.assertIn(reason, process.stderr + process.stdout)


if __name__ == "__main__":
    BROKER, MODULES = sys.argv[1], sys.argv[2]
    del sys.argv[1:3]
    unittest.main(argv=["handlers.py", *sys.argv[1:]])
