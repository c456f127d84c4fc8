#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tern-bench as a process: `client.py TERN_BENCH CASE [TERN]`.

forwarder    through its own byte forwarder
faults       through a forwarder that loses, doubles, reorders and alters messages: each must be reported
failures     servers that refuse, answer -ERR, die, fall silent or are something else: clear errors, exit code 2
nats_server  against the real nats-server (skipped where there is none)
tern         against tern, whose program is given as well

Everything is on free ports of the loopback address, every wait is bounded, what is started is stopped by its id.
"""
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

WAIT_S = 60
BENCH = ""
PROGRAM = None
SKIP_CODE = 77


def pubsub(url, *arguments, wait=True):
    """Runs tern-bench pubsub; returns the process, ended unless wait is False."""
    process = subprocess.Popen([BENCH, "pubsub", "-s", url, *arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if wait:
        finish(process)
    return process


def finish(process):
    """Waits for the end; output and errors are then in process.output and process.errors."""
    try:
        process.output, process.errors = process.communicate(timeout=WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def await_measuring(process, wanted=r" *\d+\.\d s"):
    """Returns when the process has shown the first line of progress while measuring, which has to begin as wanted."""
    for _ in range(WAIT_S):
        ready, _, _ = select.select([process.stderr], [], [], WAIT_S)
        line = process.stderr.readline() if ready else ""
        if re.match(wanted, line):
            return
        if not line.startswith("connecting: "):
            break
    raise AssertionError(f"no progress: {line}")


@contextlib.contextmanager
def forwarder():
    """The real one; yields its URL."""
    process = subprocess.Popen([BENCH, "forward"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        ready, _, _ = select.select([process.stdout], [], [], WAIT_S)
        yield re.fullmatch(r"forwarding on (raw://\S+)\n", process.stdout.readline() if ready else "").group(1)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(WAIT_S)
        process.stdout.close()
    if code != 0:
        raise AssertionError(f"tern-bench forward ended with {code}")


class Server:
    """A listening socket and a thread that serves it with a function(server)."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(WAIT_S)
        self.port = self.listener.getsockname()[1]
        self.connections = []
        self.thread = threading.Thread(target=self.run, args=(serve,), daemon=True)
        self.thread.start()

    def run(self, serve):
        with contextlib.suppress(OSError):  # the client may go at any time
            serve(self)

    def accept(self):
        connection, _ = self.listener.accept()
        connection.settimeout(WAIT_S)
        self.connections.append(connection)
        return connection

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in [self.listener, *self.connections]:
            each.close()
        self.thread.join(WAIT_S)


class Forwarder(unittest.TestCase):
    def test_one_to_one(self):
        with forwarder() as url:
            for size in ("8", "16", "128", "70000"):
                done = pubsub(url, "--msgs", "3k", "--size", size, "--json", "--quiet")
                self.assertEqual((done.returncode, done.errors), (0, ""))
                result = json.loads(done.output)
                self.assertEqual((result["sent"], result["received"], result["expected"]), (3000, 3000, 3000))
                self.assertEqual([result["found"][kind] for kind in ("lost", "doubled", "reordered", "altered")], [0] * 4)
                self.assertFalse(result["partial"])
                self.assertGreater(result["broker"]["pid"], 0)

    def test_several_subscribers_and_text(self):
        with forwarder() as url:
            done = pubsub(url, "--msgs", "10k", "--subs", "3", "--quiet")
            self.assertEqual(done.returncode, 0, done.errors)
            self.assertIn("received  30000 of 30000", done.output)
            self.assertIn("every message came once, in order, unaltered", done.output)

    def test_for_a_time_with_progress_in_plain_lines(self):
        with forwarder() as url, tempfile.TemporaryDirectory() as directory:
            done = pubsub(url, "--seconds", "2.5", "--json-file", f"{directory}/row")
            self.assertEqual(done.returncode, 0, done.errors)
            with open(f"{directory}/row", encoding="utf-8") as file:
                machine = json.load(file)["machine"]
            self.assertGreater(machine["ticks"], 0)
            self.assertLessEqual(machine["stolen"], machine["ticks"])
            self.assertRegex(done.errors, r"(?m)^ +\d+\.\d s  sent \d+  received \d+  \d+ msg/s  \d+ s left$")
            self.assertNotIn("\r", done.errors)

    def test_on_a_terminal_one_line_that_changes(self):
        terminal, ours = os.openpty()
        with forwarder() as url:
            process = subprocess.Popen([BENCH, "pubsub", "-s", url, "--seconds", "1"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=ours, text=True)
            os.close(ours)
            shown = b""
            with contextlib.suppress(OSError):  # EIO: the other end is closed
                while chunk := os.read(terminal, 65536):
                    shown += chunk
            os.close(terminal)
            finish(process)
        self.assertEqual(process.returncode, 0)
        self.assertRegex(shown, rb"^\r\x1b\[K +\d+\.\d s  sent \d+  received \d+  \d+ msg/s  \d s left\r\x1b\[K")
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown)
        self.assertNotIn(b"\n", shown)

    def test_several_publishers(self):
        """Frames that are no part of what is read at once are put together."""
        with forwarder() as url:
            for size in ("16", "100", "70001"):
                done = pubsub(url, "--msgs", "2k", "--pubs", "4", "--subs", "2", "--size", size, "--json", "--quiet")
                self.assertEqual((done.returncode, done.errors), (0, ""))
                self.assertEqual(json.loads(done.output)["received"], 16000)

    def test_interrupted_has_failed(self):
        with forwarder() as url:
            process = pubsub(url, "--seconds", "600", "--json", wait=False)
            await_measuring(process)
            process.send_signal(signal.SIGINT)
            finish(process)
            self.assertEqual(process.returncode, 2)
            self.assertEqual(json.loads(process.output)["error"], "interrupted")

    def test_self(self):
        done = subprocess.run([BENCH, "self", "16"], capture_output=True, timeout=WAIT_S, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"16 B: numbering", done.stdout)
        self.assertNotIn(b"FAULTS", done.stdout)


FRAME = len("MSG bench 1 16\r\n") + 16 + 2


def faulty(change):
    """A forwarder that applies change to the list of all messages."""
    def serve(server):
        subscriber, publisher = None, None
        while publisher is None:
            connection = server.accept()
            role = connection.recv(2, socket.MSG_WAITALL)
            connection.sendall(b"+")
            if role == b"S\n":
                subscriber = connection
            else:
                publisher = connection
        data = b""
        while chunk := publisher.recv(65536):
            data += chunk
        frames = [data[i:i + FRAME] for i in range(0, len(data), FRAME)]
        subscriber.sendall(b"".join(change(frames)))
        subscriber.shutdown(socket.SHUT_WR)
    return serve


class Faults(unittest.TestCase):
    def findings(self, change):
        with Server(faulty(change)) as server:
            done = pubsub(f"raw://127.0.0.1:{server.port}", "--msgs", "500", "--json", "--quiet")
            result = json.loads(done.output)
            self.assertEqual(result["sent"], 500)
            self.assertFalse(result["partial"])
            return done.returncode, {kind: n for kind, n in result["found"].items() if n}

    def test_none(self):
        self.assertEqual(self.findings(lambda frames: frames), (0, {}))

    def test_lost(self):
        self.assertEqual(self.findings(lambda frames: frames[:100] + frames[103:]), (1, {"lost": 3}))
        self.assertEqual(self.findings(lambda frames: frames[:-2]), (1, {"lost": 2}))

    def test_doubled(self):
        self.assertEqual(self.findings(lambda frames: frames[:100] + frames[99:]), (1, {"doubled": 1}))

    def test_reordered(self):
        self.assertEqual(self.findings(lambda frames: frames[:100] + [frames[101], frames[100]] + frames[102:]),
                         (1, {"reordered": 1}))

    def test_altered(self):
        def flip(frames):
            frames[7] = frames[7].replace(b"\r\n0", b"\r\n1")
            frames[300] = frames[300][:-3] + b"x\r\n"
            return frames
        self.assertEqual(self.findings(flip), (1, {"altered": 2}))


def info(connection):
    connection.sendall(b'INFO {"server_id":"X","version":"2.9.0","max_payload":1048576}\r\n')


def read_until(connection, wanted):
    data = b""
    while wanted not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return data
        data += chunk
    return data


def greet(connection):
    """The beginning of a client's connection."""
    info(connection)
    data = read_until(connection, b"PING\r\n")
    connection.sendall(b"PONG\r\n")
    return data


class Failures(unittest.TestCase):
    def check(self, serve, message, *arguments):
        with Server(serve) as server:
            done = pubsub(f"nats://127.0.0.1:{server.port}", "--quiet", *arguments)
        self.assertEqual(done.returncode, 2, done.output)
        self.assertIn(message, done.output + done.errors)
        return done

    def test_refused(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound, not listening
            port = unused.getsockname()[1]
            done = pubsub(f"nats://127.0.0.1:{port}")
        self.assertEqual((done.returncode, done.output), (2, ""))
        self.assertEqual(done.errors, f"tern-bench: cannot connect to 127.0.0.1:{port}: Connection refused\n")

    def test_error_at_the_beginning(self):
        def serve(server):
            connection = server.accept()
            info(connection)
            connection.sendall(b"-ERR 'Authorization Violation'\r\n")
            read_until(connection, b"never")
        self.check(serve, "the server answered -ERR 'Authorization Violation'")

    def test_credentials_are_sent(self):
        seen = []

        def serve(server):
            connection = server.accept()
            seen.append(greet(connection))
            connection.close()
        with Server(serve) as server:
            pubsub(f"nats://anna:secret@127.0.0.1:{server.port}", "--quiet")
        self.assertRegex(seen[0], rb'^CONNECT \{.*"user":"anna","pass":"secret".*\}\r\nSUB bench 1\r\nPING\r\n$')

    def test_not_a_nats_server(self):
        def serve(server):
            server.accept().sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            time.sleep(0.1)
        self.check(serve, "does not speak the NATS protocol")

    def test_a_server_that_says_nothing(self):
        def serve(server):
            read_until(server.accept(), b"never")
        self.check(serve, "the server did not answer in time")
        with Server(serve) as server:
            done = pubsub(f"nats://127.0.0.1:{server.port}")
        self.assertIn("connecting: 0 of 1\n", done.errors)

    def test_error_in_the_middle(self):
        def serve(server):
            subscriber = server.accept()
            greet(subscriber)
            publisher = server.accept()
            greet(publisher)
            publisher.recv(65536)
            publisher.sendall(b"-ERR 'Maximum Payload Violation'\r\n")
            while publisher.recv(65536):
                pass
        done = self.check(serve, "the server answered -ERR 'Maximum Payload Violation'", "--msgs", "100m", "--json")
        result = json.loads(done.output)
        self.assertEqual((result["received"], result["rate"]), (0, 0))
        self.assertLess(result["client"]["busiest_thread"], 2)  # of the time it took, although nothing came

    def test_error_where_nobody_receives(self):
        def serve(server):
            publisher = server.accept()
            greet(publisher)
            publisher.recv(65536)
            publisher.sendall(b"-ERR 'Maximum Payload Violation'\r\n")
            while publisher.recv(65536):
                pass
        done = self.check(serve, "Maximum Payload Violation", "--msgs", "100m", "--subs", "0", "--json")
        result = json.loads(done.output)
        self.assertAlmostEqual(result["rate"] * result["seconds"], result["sent"], delta=result["sent"] * 0.01)
        self.assertLess(result["client"]["busiest_thread"], 2)

    def test_a_server_that_dies_in_the_middle(self):
        def serve(server):
            subscriber = server.accept()
            greet(subscriber)
            publisher = server.accept()
            greet(publisher)
            frames = publisher.recv(65536).split(b"PUB bench 16\r\n")[1:4]
            subscriber.sendall(b"".join(b"MSG bench 1 16\r\n" + frame for frame in frames))
            time.sleep(0.2)
            if gone:
                server.listener.close()
            subscriber.close()
            if not gone:
                while publisher.recv(65536):
                    pass
            publisher.close()
        for gone, words in ((True, "; the server is gone"), (False, "may have cut off a subscriber as too slow (slow consumer)")):
            done = self.check(serve, "FAILED: ", "--msgs", "100m")
            self.assertIn("received  3 of", done.output)
            self.assertIn(words, done.output)
            self.assertNotIn("FAULTS", done.output)

    def test_pings_are_answered(self):
        answers = []

        def serve(server):
            subscriber = server.accept()
            greet(subscriber)
            publisher = server.accept()
            greet(publisher)
            publisher.sendall(b"PING\r\n")
            subscriber.sendall(b"PING\r\n")
            answers.append(read_until(subscriber, b"PONG\r\n"))
            data = read_until(publisher, b"\r\nPING\r\n")
            data += read_until(publisher, b"PONG\r\n") if b"PONG\r\n" not in data else b""
            answers.append(data)
            publisher.sendall(b"PONG\r\n")
            subscriber.sendall(b"MSG bench 1 16\r\n" + data.split(b"PUB bench 16\r\n")[1][:18])
            read_until(subscriber, b"PING\r\n")
            subscriber.sendall(b"PONG\r\n")
            read_until(subscriber, b"never")
        with Server(serve) as server:
            done = pubsub(f"nats://127.0.0.1:{server.port}", "--quiet", "--msgs", "1")
        self.assertEqual(done.returncode, 0, done.output + done.errors)
        self.assertEqual(answers[0], b"PONG\r\n")
        self.assertIn(b"PONG\r\n", answers[1])

    def test_wrong_options(self):
        def run(*arguments):
            return subprocess.run([BENCH, *arguments], capture_output=True, timeout=WAIT_S, check=False)
        for wrong in (["--size", "7"], ["--size", "x"], ["--msgs", "0"], ["--pubs", "0"], ["--seconds", "-1"],
                      ["--subject", "a b"], ["--nosuch"], ["extra"], ["-s", "http://x"], ["-s", "nats://[::1"]):
            done = run("pubsub", *wrong)
            self.assertEqual((done.returncode, done.stdout), (2, b""), wrong)
            self.assertIn(b"usage: tern-bench pubsub", done.stderr)
        self.assertIn(b"--size: '7' is not a possible value; it can be 8 to 67108864\n", run("pubsub", "--size", "7").stderr)
        self.assertEqual(run("mixed", "-s", "raw://127.0.0.1:1", "--pubs", "2").returncode, 3)
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("pubsub", "--help").returncode, 0)


class Broker(unittest.TestCase):
    """Against a broker; PROGRAM is its program."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        command = [PROGRAM, "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", cls.directory.name]
        cls.server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.stop)
        for _ in range(WAIT_S * 20):
            for name in os.listdir(cls.directory.name):
                path = os.path.join(cls.directory.name, name)
                with contextlib.suppress(ValueError, KeyError, IndexError), open(path, encoding="utf-8") as file:
                    cls.url = json.load(file)["nats"][0]
                    return
            time.sleep(0.05)
        raise AssertionError(f"{PROGRAM} did not start")

    @classmethod
    def stop(cls):
        cls.server.terminate()
        cls.server.wait(WAIT_S)
        cls.directory.cleanup()

    def run_clean(self, *arguments):
        done = pubsub(self.url, "--json", "--quiet", *arguments)
        self.assertEqual(done.returncode, 0, done.output + done.errors)
        return json.loads(done.output)

    def test_one_to_one(self):
        for size in ("8", "16", "128", "4096", "1048576"):
            messages = "100k" if len(size) < 4 else "50"
            result = self.run_clean("--size", size, "--msgs", messages)
            self.assertEqual(result["received"], result["sent"])
            self.assertEqual(result["broker"]["pid"], self.server.pid)

    def test_several(self):
        result = self.run_clean("--pubs", "3", "--subs", "2", "--msgs", "20k", "--size", "100", "--subject", "a.b.c")
        self.assertEqual((result["sent"], result["received"]), (60000, 120000))

    def test_without_subscribers(self):
        result = self.run_clean("--subs", "0", "--msgs", "20k")
        self.assertEqual((result["sent"], result["received"]), (20000, 0))
        self.assertGreater(result["rate"], 0)


CASES = {"forwarder": Forwarder, "faults": Faults, "failures": Failures, "nats_server": Broker, "tern": Broker}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[2] not in CASES or (sys.argv[2] == "tern") != (len(sys.argv) == 4):
        sys.exit(__doc__)
    BENCH = os.path.abspath(sys.argv[1])
    PROGRAM = sys.argv[3] if len(sys.argv) == 4 else shutil.which("nats-server")
    if sys.argv[2] == "nats_server" and PROGRAM is None:
        print("skipped: nats-server is not installed")
        sys.exit(SKIP_CODE)
    unittest.main(argv=[sys.argv[0], CASES[sys.argv[2]].__name__, "--verbose"])
