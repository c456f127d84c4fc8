#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The examples over real sockets: `examples.py DIRECTORY CASE`.

Each test starts a program on a free port, talks to it, and stops it with SIGTERM or SIGINT; the program must then end
with exit code 0, which it only does when nothing of the library's is left alive. Every wait is bounded.
"""
import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import unittest

WAIT_S = 20
DIRECTORY = ""


class Program:
    """A server program: started, its address read, stopped by its process id."""

    def __init__(self, name, *arguments, stop=signal.SIGTERM):
        self.stop_signal = stop
        self.peers = []
        self.process = subprocess.Popen([os.path.join(DIRECTORY, name), *arguments, "tcp://127.0.0.1:0"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        ready, _, _ = select.select([self.process.stdout], [], [], WAIT_S)
        line = self.process.stdout.readline().decode() if ready else ""
        found = re.fullmatch(r"listening on (tcp://127\.0\.0\.1:(\d+))\n", line)
        if not found:
            self.process.kill()
            raise AssertionError(f"{name} said {line!r} and {self.process.communicate()[1]!r}")
        self.url, self.port = found.group(1), int(found.group(2))

    def connect(self):
        self.peers.append(Peer(self.port))
        return self.peers[-1]

    def stop(self):
        """Returns exit code and what was written to standard error."""
        self.process.send_signal(self.stop_signal)
        try:
            _, errors = self.process.communicate(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, errors.decode()


class Peer:
    """A connection to a program."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_S)
        self.buffer = b""
        self.name = "127.0.0.1:%d" % self.socket.getsockname()[1]

    def send(self, data):
        self.socket.sendall(data)

    def read(self, length):
        while len(self.buffer) < length:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        return data

    def line(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def is_ended(self):
        """Waits for the end of the stream; True when nothing came before it."""
        try:
            return self.buffer + self.socket.recv(65536) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.socket.close()


class ExampleTest(unittest.TestCase):
    @contextlib.contextmanager
    def program(self, name, *arguments, stop=signal.SIGTERM):
        """Runs a program; it must have ended well. Its errors are then in self.errors."""
        program = Program(name, *arguments, stop=stop)
        self.addCleanup(lambda: [peer.close() for peer in program.peers])
        try:
            yield program
        finally:
            code, self.errors = program.stop()
        self.assertEqual(code, 0, self.errors)


class Ping(ExampleTest):
    def test_types_are_handled_and_errors_answered(self):
        with self.program("ping") as program:
            peer = program.connect()
            peer.send(b"PING:hello\n")
            self.assertEqual(peer.line(), "PONG:ack")
            for malformed in (b"no colon\n", b"\n", b":data\n", b"NOSUCH:x\n", b"a..b:x\n", b"PING \n", b"\xff\x00:\n"):
                peer.send(malformed)
                self.assertRegex(peer.line(), "^ERROR:")
            peer.send(b"PING:\r\nPING:again\n")
            self.assertEqual([peer.line(), peer.line()], ["PONG:ack", "PONG:ack"])
            peer.send(b"EXIT:\nPING:not answered any more\n")
            self.assertTrue(peer.is_ended())

    def test_one_byte_at_a_time(self):
        with self.program("ping", stop=signal.SIGINT) as program:
            peer = program.connect()
            for byte in b"PING:a\nPING:b\n":
                peer.send(bytes([byte]))
            self.assertEqual([peer.line(), peer.line()], ["PONG:ack", "PONG:ack"])

    def test_a_line_without_end_closes_its_connection_only(self):
        with self.program("ping") as program:
            endless, other = program.connect(), program.connect()
            with contextlib.suppress(ConnectionError):
                endless.send(b"x" * 5000)
            self.assertTrue(endless.is_ended())
            other.send(b"PING:\n")
            self.assertEqual(other.line(), "PONG:ack")

    def test_many_conversations_on_all_workers(self):
        with self.program("ping") as program:
            peers = [program.connect() for _ in range(50)]
            for peer in peers:
                peer.send(b"PING:1\n" * 20)
            for peer in peers:
                self.assertEqual([peer.line() for _ in range(20)], ["PONG:ack"] * 20)


class Chat(ExampleTest):
    def listed(self, peer):
        """Asks who is there; returns the names."""
        peer.send(b"LIST\n")
        names = []
        while (line := peer.line()) != f"{len(names)} connected":
            names.append(line)
        return set(names)

    def join(self, program):
        peer = program.connect()
        self.assertEqual(peer.line(), f"Welcome, {peer.name}! LIST tells who is here.")
        return peer

    def test_lines_go_to_all_others(self):
        with self.program("chat") as program:
            first, second, third = [self.join(program) for _ in range(3)]
            first.send(b"good morning\n")
            self.assertEqual(second.line(), f"{first.name}: good morning")
            self.assertEqual(third.line(), f"{first.name}: good morning")
            self.assertEqual(self.listed(second), {first.name, second.name, third.name})
            third.send(b"and you?\n")  # first got neither its own line nor the list before this one
            self.assertEqual(first.line(), f"{third.name}: and you?")
            self.assertEqual(second.line(), f"{third.name}: and you?")

    def test_who_left_is_not_listed(self):
        with self.program("chat", stop=signal.SIGINT) as program:
            first, second = self.join(program), self.join(program)
            second.close()
            for _ in range(500):
                names = self.listed(first)
                if names == {first.name}:
                    return
                self.assertEqual(names, {first.name, second.name})
                time.sleep(0.01)
            self.fail("who left is still listed")

    def test_who_does_not_read_is_dropped(self):
        with self.program("chat") as program:
            deaf, speaker = self.join(program), self.join(program)
            for _ in range(500):  # 50 MB at most: more than sockets hold
                speaker.send((b"x" * 999 + b"\n") * 100)
                if deaf.name not in self.listed(speaker):
                    return
            self.fail("who does not read is still connected")


class Greet(ExampleTest):
    def test_greets(self):
        with self.program("greet") as program:
            peer = program.connect()
            peer.send(b"Anna\nBo")
            self.assertEqual(peer.line(), "Hello, Anna!")
            peer.send("b Müller\r\n".encode())
            self.assertEqual(peer.line(), "Hello, Bob Müller!")
            peer.send(b"y" * 1024 + b"\n")
            self.assertEqual(peer.line(), "Hello, " + "y" * 1024 + "!")

    def test_a_failing_handler_closes_its_connection_only(self):
        with self.program("greet", stop=signal.SIGINT) as program:
            first, second = program.connect(), program.connect()
            first.send(b"first\n")
            self.assertEqual(first.line(), "Hello, first!")
            first.send(b"\nnobody is greeted after the error\n")
            self.assertTrue(first.is_ended())
            second.send(b"second\n")
            self.assertEqual(second.line(), "Hello, second!")
        self.assertIn("127.0.0.1 left: Invalid argument", self.errors)

    def test_tracing_shows_the_bytes_and_changes_none(self):
        with self.program("greet", "--trace") as program:
            peer, failing = program.connect(), program.connect()
            peer.send(b"Anna\n")
            self.assertEqual(peer.line(), "Hello, Anna!")
            failing.send(b"\n")
            self.assertTrue(failing.is_ended())
            peer.send(b"Berta\n")
            self.assertEqual(peer.line(), "Hello, Berta!")
        self.assertIn("< Anna\n", self.errors)
        self.assertIn("> Hello, Anna!\n", self.errors)

    def test_an_address_that_is_taken_is_an_error(self):
        with self.program("greet") as program:
            second = subprocess.run([os.path.join(DIRECTORY, "greet"), program.url], stdin=subprocess.DEVNULL,
                                    capture_output=True, timeout=WAIT_S, check=False)
        self.assertEqual(second.returncode, 1)
        self.assertIn(b"Cannot listen on " + program.url.encode() + b": Address already in use", second.stderr)


class Framed(ExampleTest):
    @staticmethod
    def message(kind, content):
        return len(content).to_bytes(4, "big") + kind + content

    def answer(self, peer):
        length = int.from_bytes(peer.read(4), "big")
        return peer.read(1), peer.read(length)

    def client(self, program, *arguments):
        return subprocess.run([os.path.join(DIRECTORY, "framed_client"), program.url, *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_S, check=False)

    def test_one_byte_at_a_time(self):
        binary = bytes(range(256))
        with self.program("framed") as program:
            peer = program.connect()
            peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in self.message(b"t", b"some text") + self.message(b"b", binary) + self.message(b"t", b""):
                peer.send(bytes([byte]))
            self.assertEqual(self.answer(peer), (b"t", b"SOME TEXT"))
            self.assertEqual(self.answer(peer), (b"b", binary[::-1]))
            self.assertEqual(self.answer(peer), (b"t", b""))

    def test_many_messages_in_one_piece(self):
        with self.program("framed") as program:
            peer = program.connect()
            texts = b"".join(self.message(b"t", b"number %d" % i) for i in range(100))
            peer.send(texts + self.message(b"b", b"x" * 65536))
            for i in range(100):
                self.assertEqual(self.answer(peer), (b"t", b"NUMBER %d" % i))
            self.assertEqual(self.answer(peer), (b"b", b"x" * 65536))

    def test_client_sends_in_pieces_of_20_bytes_with_a_pause(self):
        text = "A message that is quite a bit longer than the twenty bytes of one piece."
        with self.program("framed", stop=signal.SIGINT) as program:
            done = self.client(program, "text", text, "20", "30")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, text.upper().encode(), b""))
            done = self.client(program, "binary", "abc" * 30, "20", "1")
            self.assertEqual((done.returncode, done.stdout), (0, b"cba" * 30))
            done = self.client(program, "text", "at once", "1000", "0")
            self.assertEqual((done.returncode, done.stdout), (0, b"AT ONCE"))

    def test_what_is_not_a_message_closes_the_connection(self):
        with self.program("framed") as program:
            for wrong in (b"\x00\x00\x00\x01x!", b"\xff\xff\xff\xfft", b"\x00\x01\x00\x01b"):
                peer = program.connect()
                peer.send(wrong)
                self.assertTrue(peer.is_ended(), wrong)
            done = self.client(program, "unknown", "x", "1", "0")
            self.assertEqual(done.returncode, 1)


class Echo(ExampleTest):
    def client(self, url, size):
        return subprocess.run([os.path.join(DIRECTORY, "echo_client"), url, size], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=5 * WAIT_S, check=False)

    def test_client_gets_everything_back_and_closes(self):
        with self.program("echo") as program:
            for size in ("1", "4096", "20000000"):  # the last is more than all socket buffers hold
                done = self.client(program.url, size)
                self.assertEqual(done.returncode, 0)
                self.assertEqual(done.stdout.decode(), f"{size} of {size} bytes came back: success\n")

    def test_the_end_of_the_stream_is_answered_after_the_last_byte(self):
        data = bytes(range(256)) * 4000
        with self.program("echo", stop=signal.SIGINT) as program:
            peer = program.connect()
            sent = 0
            peer.socket.setblocking(False)
            while sent < len(data) or len(peer.buffer) < len(data):
                unsent = [peer.socket] if sent < len(data) else []
                readable, writable, _ = select.select([peer.socket], unsent, [], WAIT_S)
                self.assertTrue(readable or writable)
                if writable:
                    sent += peer.socket.send(data[sent:])
                if sent == len(data) and writable:
                    peer.socket.shutdown(socket.SHUT_WR)
                if readable:
                    peer.buffer += peer.socket.recv(65536)
            self.assertEqual(peer.read(len(data)), data)
            peer.socket.settimeout(WAIT_S)
            self.assertTrue(peer.is_ended())

    def test_open_connections_are_closed_at_the_end(self):
        with self.program("echo") as program:
            peers = [program.connect() for _ in range(5)]
            for peer in peers:
                peer.send(b"still here")
                self.assertEqual(peer.read(10), b"still here")
        for peer in peers:
            self.assertTrue(peer.is_ended())

    def test_client_reports_a_server_that_is_not_there(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets the port
            done = self.client("tcp://127.0.0.1:%d" % unused.getsockname()[1], "10")
        self.assertEqual((done.returncode, done.stdout), (1, b"0 of 10 bytes came back: Connection refused\n"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    DIRECTORY = sys.argv[1]
    unittest.main(argv=[sys.argv[0], sys.argv[2].capitalize(), "--verbose"])
