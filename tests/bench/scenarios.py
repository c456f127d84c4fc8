#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every scenario of tern-bench for a moment: `scenarios.py TERN_BENCH CASE [TERN]`.

tern, nats_server, redis, forwarder    against that server; what it has no such thing as is refused with exit code 3
trouble                                against tern: wrong credentials, a broker that dies, interruptions, limits

Everything is on free ports of the loopback address, every wait is bounded, what is started is stopped by its id.
"""
import contextlib
import json
import os
import re
import resource
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

import client

WAIT_S = client.WAIT_S
BENCH = ""
PROGRAM = None
SHORT = ("--seconds", "0.2")
FIELDS = {"scenario", "label", "url", "server", "command", "time", "size", "publishers", "subscribers", "connections",
          "threads", "in_flight", "asked_rate", "sent", "received", "expected", "seconds", "rate", "rate_unit",
          "payload_mb_per_second", "latency", "hiccup", "client", "broker", "figures", "machine", "found", "note", "partial",
          "error"}


def two_halves(row):
    """Either may see nothing when the machine has other things to do, but not both."""
    return row["received"] > 0 and row["figures"]["rate_before"] + row["figures"]["rate_during"] > 0


def alternates(row, storms):
    """There were so many storms, between windows of quiet, and requests of both that counted, and others that did not; of a
    second, and 0.2 s to settle for each storm's begin and end and at first."""
    figures = row["figures"]
    return (figures["storms"], figures["windows"]) == (storms, 4 * storms) and figures["storm_connections"] > 0 and \
        figures["p99_quiet"] > 0 < figures["p99_storm"] and 0 < row["latency"]["count"] < row["received"] and \
        row["seconds"] > 0.8 + 0.2 * (2 * storms + 1) - 0.1  # the last request may be due before the end


# scenario and options: what to expect of the row
MESSAGES = {
    "pub": lambda row: row["sent"] > 0 and row["received"] == 0,
    "pubsub": lambda row: row["connections"] == 2,
    "pubsub --size 100 --pubs 3 --subs 2 --threads 3": lambda row: row["received"] == 2 * row["sent"],
    "fanout --subs 20": lambda row: row["received"] == 20 * row["sent"],
    "fanin": lambda row: row["publishers"] == 4,
    "many --msgs 5k": lambda row: (row["publishers"], row["subscribers"], row["received"]) == (4, 4, 80000),
    "queue": lambda row: row["received"] == row["sent"],
    "queue --msgs 5k --size 100": lambda row: row["received"] == 20000,
    "wildcard --subjects 300": lambda row: row["received"] == row["sent"] > 0,
    "mixed": lambda row: row["size"] > 1000,
    "mixed --pubs 2": lambda row: row["publishers"] == 2,
    "headers": lambda row: row["received"] == row["sent"],
    "request --msgs 300": lambda row: row["latency"]["count"] == 300 and row["hiccup"] and row["in_flight"] == 1,
    "request --in-flight 50 --msgs 1k --pubs 2 --subs 2": lambda row: row["latency"]["count"] == 2000,
    "open --rate 2000 --pubs 2": lambda row: row["latency"]["count"] == row["received"] and
                                 row["latency"]["from"] == "intended send" and row["hiccup"],
    "churn --churn-rate 1k --seconds 0.6": lambda row: row["figures"]["churn_per_second"] > 0 and two_halves(row),
    "churn --churn-rate 100 --rate 1k --seconds 0.6": lambda row: 0 < row["received"] < 2000,
    "stuck --seconds 0.6": lambda row: row["figures"]["stuck_disconnected"] in (0, 1) and two_halves(row),
}
OTHERS = {
    "subscribe --subjects 3k": lambda row: row["rate_unit"] == "sub/s" and row["figures"]["messages_per_second"] > 0 and
                               row["figures"]["cpu_ns_per_subscription"] >= 0,
    "subscribe --subjects 70k --subs 2 --msgs 70k": lambda row: row["received"] == 70000,
    "subscribe --shared --subjects 3001 --subs 10 --msgs 500": lambda row: row["received"] == 10 * row["sent"] == 5000 and
                                                                           row["figures"]["subscriptions"] == 3000,
    "idle --connections 150": lambda row: row["rate_unit"] == "B/conn" and row["connections"] == 150,
    "storm --connections 8 --storm-rate 40 --seconds 0.5": lambda row: 0 < row["sent"] <= 8 + 40 * row["seconds"],
    "crowd --rate 500 --storm-rate 50 --seconds 1": lambda row: alternates(row, 2),
    "crowd --rate 500 --storm-rate 50 --seconds 1 --subs 1 --pubs 1": lambda row: alternates(row, 2),
    "storm --connections 8": lambda row: row["latency"]["count"] == row["sent"] > 0,
}
LACKS = {
    "redis": {"queue": "no queue groups", "headers": "no headers", "request": "no request and reply",
              "crowd": "no request and reply"},
    "forwarder": {"queue": "no queue groups", "churn": "no subscriptions",
                  "stuck": "no subscriptions", "subscribe": "no subscriptions", "idle": "one group",
                  "storm": "one group", "crowd": "one group", "mixed --pubs 2": "one publisher",
                  "request --in-flight 50": "one requester"},
}


def bench(url, line, *arguments):
    """Runs a scenario to its end."""
    return subprocess.run([BENCH, *line.split(), "-s", url, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=WAIT_S, check=False)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def await_listener(port, process):
    """Until somebody accepts there."""
    for _ in range(WAIT_S * 20):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"{process.args} did not start")


@contextlib.contextmanager
def server(*command):
    """Starts a server; {port} in the command becomes a free one. Yields port and process."""
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in command]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_listener(port, process)
        yield port, process
    finally:
        process.kill()
        process.wait(WAIT_S)


@contextlib.contextmanager
def steady():
    """Somebody whose memory does not change: yields its process id."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # ends with its input
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process.pid


COMMANDS = {
    "tern": ("nats", lambda: (PROGRAM, "-a", "127.0.0.1", "-p", "{port}")),
    "nats_server": ("nats", lambda: (PROGRAM, "-a", "127.0.0.1", "-p", "{port}")),
    "redis": ("redis", lambda: (PROGRAM, "--bind", "127.0.0.1", "--port", "{port}", "--save", "", "--appendonly", "no",
                                "--client-output-buffer-limit", "pubsub 0 0 0")),
    "forwarder": ("raw", lambda: (BENCH, "forward", "{port}")),
}


class Scenarios(unittest.TestCase):
    """Against the server CASE."""

    case = ""

    def check_row(self, line, done, wanted, pid):
        self.assertEqual(done.returncode, 0, f"{line}: {done.stdout}{done.stderr}")
        row = json.loads(done.stdout)
        self.assertEqual(set(row), FIELDS)
        self.assertEqual(row["scenario"], line.split()[0])
        self.assertEqual(row["server"]["name"], self.case.replace("_", "-"))
        self.assertEqual(row["broker"]["pid"], pid)
        self.assertGreater(row["broker"]["rss_peak"], 0)
        self.assertEqual(row["found"], {"lost": 0, "doubled": 0, "reordered": 0, "altered": 0})
        self.assertTrue(row["command"].startswith(line), row["command"])
        if row["scenario"] not in ("idle", "churn", "stuck"):
            self.assertGreater(row["rate"], 0, line)
        self.assertTrue(wanted(row), f"{line}: {row}")

    def test_all(self):
        scheme, command = COMMANDS[self.case]
        with server(*command()) as (port, process):
            for line, wanted in {**MESSAGES, **OTHERS}.items():
                lacks = [text for start, text in LACKS.get(self.case, {}).items() if line.startswith(start)]
                seconds = () if "--seconds" in line or "--msgs" in line else SHORT
                done = bench(f"{scheme}://127.0.0.1:{port}", line, *seconds, "--json", "--quiet")
                if lacks:
                    self.assertEqual((done.returncode, done.stdout), (3, ""), line)
                    self.assertIn(lacks[0], done.stderr)
                else:
                    self.check_row(line, done, wanted, process.pid)


def start(url, line, *arguments):
    return subprocess.Popen([BENCH, *line.split(), "-s", url, *arguments], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Trouble(unittest.TestCase):
    def tern(self, *arguments):
        return server(PROGRAM, "-a", "127.0.0.1", "-p", "{port}", *arguments)

    def check_credentials(self, right, wrong, refusal):
        """Each a URL and options; refusal is what the server says otherwise."""
        for url, *arguments in right:
            done = bench(url, "pubsub --msgs 10 --quiet --json", *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("secret", done.stdout)
        for url, *arguments in wrong:
            done = bench(url, "pubsub --msgs 10", *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(refusal, done.stderr)

    @unittest.skipUnless(shutil.which("nats-server"), "nats-server is not installed")
    def test_credentials(self):
        with server("nats-server", "-a", "127.0.0.1", "-p", "{port}", "--auth", "secret") as (port, _):
            at = f"127.0.0.1:{port}"
            self.check_credentials([(f"nats://{at}", "--token", "secret"), (f"nats://secret@{at}",)],
                                   [(f"nats://{at}", "--token", "x"), (f"nats://{at}",)], "Authorization Violation")
        with server("nats-server", "-a", "127.0.0.1", "-p", "{port}", "--user", "a", "--pass", "secret") as (port, _):
            at = f"127.0.0.1:{port}"
            self.check_credentials([(f"nats://{at}", "--user", "a", "--password", "secret"), (f"nats://a:secret@{at}",)],
                                   [(f"nats://a:x@{at}",)], "Authorization Violation")

    def test_a_storm_that_is_refused(self):
        with self.tern("--user", "a", "--pass", "secret") as (port, _):
            url = f"nats://127.0.0.1:{port}"
            done = bench(url, "storm --connections 4 --seconds 0.3 --refused --user a --password x --json --quiet")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertGreater(json.loads(done.stdout)["sent"], 0)
            right = ("--user", "a", "--password", "secret")
            done = bench(url, "storm --connections 4 --seconds 0.3 --refused --json --quiet", *right)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("did not refuse", done.stdout + done.stderr)
            crowd = "crowd --rate 500 --storm-rate 50 --connections 4 --seconds 1 --json --quiet --storm-password"
            done = bench(url, crowd + " x", *right)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertGreater(json.loads(done.stdout)["figures"]["storm_connections"], 0)
            done = bench(url, crowd + " x --storm-server nats://127.0.0.1:1", *right)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("the storm: cannot connect to 127.0.0.1:1", json.loads(done.stdout)["error"])
            done = bench(url, crowd + " secret", *right)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("the storm: the server did not refuse", json.loads(done.stdout)["error"])

    def test_a_storm_waits_for_a_server_that_has_too_much_to_do(self):
        begun, over = threading.Event(), threading.Event()

        def serve(one):
            connection = one.accept()
            begun.set()
            over.wait(WAIT_S)
            client.greet(connection)
        with client.Server(serve) as one:
            url = f"nats://127.0.0.1:{one.port}"
            with start(url, "storm --connections 1 --seconds 0.1 --json --quiet") as storm:
                self.assertTrue(begun.wait(WAIT_S))
                self.assertIn("the server did not answer in time", bench(url, "pubsub --quiet").stderr)
                over.set()  # others have given up
                output, errors = storm.communicate(timeout=WAIT_S)
        self.assertEqual(storm.returncode, 0, output + errors)
        self.assertEqual(json.loads(output)["sent"], 1)

    @unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
    def test_credentials_of_redis(self):
        with server("redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--save", "", "--requirepass",
                    "secret") as (port, _):
            at = f"127.0.0.1:{port}"
            self.check_credentials([(f"redis://:secret@{at}",), (f"redis://default:secret@{at}",)],
                                   [(f"redis://{at}",)], "NOAUTH Authentication required")

    def test_unix_socket_and_files(self):
        with tempfile.TemporaryDirectory() as directory:
            path, page, table = (os.path.join(directory, name) for name in ("s", "page.html", "table.csv"))
            with self.tern("--unix_socket", path) as (_, process):
                done = bench(f"unix://{path}", "pubsub --msgs 100 --json --label x", "--html", page, "--csv", table,
                             "--json-file", os.path.join(directory, "rows"))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout)["broker"]["pid"], process.pid)
            for name in ("page.html", "table.csv", "rows"):
                with open(os.path.join(directory, name), encoding="utf-8") as file:
                    self.assertIn("pubsub", file.read())

    def start_all(self, urls, lines):
        """Starts each line against its URL and waits for its first line of progress."""
        all_of_them = [start(url, line, "--json") for url, line in zip(urls, lines)]
        for one in all_of_them:
            client.await_measuring(one)
        return all_of_them

    def test_a_broker_that_dies(self):
        lines = ("pubsub --seconds 60", "request --seconds 60", "churn --seconds 120", "storm --seconds 60",
                 "idle --seconds 60 --connections 20")
        with contextlib.ExitStack() as stack:
            terns = [stack.enter_context(self.tern()) for _ in lines]
            running = self.start_all([f"nats://127.0.0.1:{port}" for port, _ in terns], lines)
            for _, process in terns:
                process.kill()
            for line, one in zip(lines, running):
                output, _ = one.communicate(timeout=WAIT_S)
                self.assertEqual(one.returncode, 2, line)
                row = json.loads(output)
                self.assertTrue(row["partial"])
                self.assertRegex(row["error"], "(closed the connection|reset by peer|Broken pipe); the server is gone"
                                 "|cannot connect to [0-9.:]+: Connection (refused|reset by peer)")

    def test_interrupted(self):
        lines = ("request --seconds 60", "stuck --seconds 120", "storm --seconds 60", "open --seconds 60")
        with self.tern() as (port, _):
            running = self.start_all([f"nats://127.0.0.1:{port}"] * len(lines), lines)
            for line, one in zip(lines, running):
                one.send_signal(signal.SIGINT)
                output, _ = one.communicate(timeout=WAIT_S)
                self.assertEqual(one.returncode, 2, line)
                self.assertEqual(json.loads(output)["error"], "interrupted")

    def test_a_crowd_that_is_interrupted_tells_what_there_was(self):
        begun = threading.Event()

        def serve(one):
            one.accept()  # and no answer: the storm does not end
            begun.set()
        with self.tern() as (port, _), client.Server(serve) as one:
            line = f"crowd --seconds 1 --storm-server nats://127.0.0.1:{one.port} --connections 1 --json --quiet"
            with start(f"nats://127.0.0.1:{port}", line) as running:
                self.assertTrue(begun.wait(WAIT_S))
                running.send_signal(signal.SIGINT)
                output, _ = running.communicate(timeout=WAIT_S)
        row = json.loads(output)
        self.assertEqual((running.returncode, row["error"], row["figures"]["storms"]), (2, "interrupted", 0))
        self.assertIn(row["figures"]["windows"], (1, 2, 3))

    def test_too_many_connections_for_the_system(self):
        done = subprocess.run([BENCH, "idle", "--connections", "1000"], capture_output=True, text=True, timeout=WAIT_S,
                              check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("raise the hard limit", done.stderr)

    def test_a_placement_takes_the_files_there_are(self):
        def run(soft, hard):
            return subprocess.run([BENCH, *"pubsub --placement cross --msgs 10 --quiet -s".split(), url], capture_output=True,
                                  text=True, timeout=WAIT_S, check=False,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
        with self.tern("--workers", "1") as (port, _):
            url = f"nats://127.0.0.1:{port}"
            self.assertIn("Too many open files (raise the limit: ulimit -n)", run(100, 100).stderr)
            self.assertIn("none of 257 connections came to another worker", run(100, 400).stderr)

    def test_thousands_of_subscribers(self):
        with self.tern() as (port, _):
            done = bench(f"nats://127.0.0.1:{port}", "fanout --subs 2000 --msgs 20 --json --quiet")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(json.loads(done.stdout)["received"], 40000)

    def test_what_cannot_be(self):
        done = bench("rediss://127.0.0.1:6379", "pubsub")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("TLS with NATS only", done.stderr)
        done = bench("raw://127.0.0.1:1", "wildcard --subjects 60k --size 100k")
        self.assertEqual(done.returncode, 2)
        self.assertIn("Cannot allocate memory", done.stderr)
        self.assertIn("there is no 'nosuch'", bench("nats://127.0.0.1:1", "nosuch").stderr)
        with self.tern() as (port, _):
            for scenario in ("pubsub", "idle --connections 5", "suite"):
                done = bench(f"nats://127.0.0.1:{port}", f"{scenario} --seconds 0.1 --pid 999999999")
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("--pid 999999999: there is no such process", done.stderr)

    def test_memory_that_does_not_grow_is_not_called_a_gain(self):
        with self.tern() as (port, _), steady() as pid:
            line = f"idle --connections 5 --seconds 0.1 --pid {pid} --quiet"
            text = bench(f"nats://127.0.0.1:{port}", line)
            row = json.loads(bench(f"nats://127.0.0.1:{port}", line + " --json").stdout)
        self.assertEqual((text.returncode, row["rate"], row["partial"]), (0, 0, False))
        self.assertIn("the broker's memory did not grow: it had some free from before", row["note"])
        self.assertIn("rate      0 B/conn\n  note      the broker's memory did not grow", text.stdout)

    def test_slow_consumers_and_nonsense_end_the_run(self):
        def serve(answer):
            def run(one):
                subscriber = one.accept()
                client.greet(subscriber)
                publisher = one.accept()
                client.greet(publisher)
                publisher.recv(1)
                subscriber.sendall(answer)
                subscriber.close()
                while publisher.recv(65536):
                    pass
            return run
        for answer, error in ((b"-ERR 'Slow Consumer'\r\n", "the server answered -ERR 'Slow Consumer'"),
                              (b"MSG bench 1 16\r\n0000", "the server closed the connection"),
                              (b"HELLO\r\n", "the server sent something that is not the NATS protocol")):
            with client.Server(serve(answer)) as one:
                done = bench(f"nats://127.0.0.1:{one.port}", "pubsub --seconds 30 --quiet")
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertRegex(done.stdout, f"FAILED: {re.escape(error)}.*; the results are partial\n")

    def test_no_more_is_under_way_than_the_window(self):
        taken = []

        def serve(one):
            client.greet(one.accept())  # the subscriber, which gets nothing
            publisher = one.accept()
            client.greet(publisher)
            publisher.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while data := publisher.recv(65536):
                    taken.append(len(data))
            publisher.close()
        with client.Server(serve) as one:
            done = bench(f"nats://127.0.0.1:{one.port}", "pubsub --window 100k --size 100 --seconds 60 --quiet")
        self.assertEqual(done.returncode, 2)
        self.assertGreater(sum(taken), 0)
        self.assertLess(sum(taken), 300000)

    def test_durations_have_units(self):
        with self.tern() as (port, _):
            done = bench(f"nats://127.0.0.1:{port}", "churn --churn-rate 1k --seconds 0.6 --quiet")
        self.assertRegex(done.stdout, r"(?m)^  p99_before +[\d.]+ (us|ms|s)\n  p99_during +[\d.]+ (us|ms|s)\n  p99_grown +[\d.e+-]+$")

    def test_an_open_loop_that_falls_behind_says_so(self):
        with self.tern() as (port, _), tempfile.TemporaryDirectory() as directory:
            done = bench(f"nats://127.0.0.1:{port}", f"open --rate 900m --seconds 0.3 --quiet --json-file {directory}/row")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("asked     900000000 msg/s, of which ", done.stdout)
            table = subprocess.run([BENCH, "report", f"{directory}/row"], capture_output=True, text=True, timeout=WAIT_S,
                                   check=False).stdout
            self.assertIn("% of the rate was sent", table)

    def test_loading_shows_its_own_progress(self):
        go = threading.Event()

        def serve(one):
            subscriber = one.accept()
            client.greet(subscriber)
            client.greet(one.accept())
            subscriber.settimeout(0.1)
            while not go.is_set():
                with contextlib.suppress(TimeoutError):
                    subscriber.recv(65536)
            subscriber.close()
        with client.Server(serve) as one:
            running = start(f"nats://127.0.0.1:{one.port}", "subscribe --subjects 1m")
            client.await_measuring(running, r" *\d+\.\d s  [1-9]\d* subscriptions  \d+ sub/s$")
            go.set()
            running.communicate(timeout=WAIT_S)
        self.assertEqual(running.returncode, 2)

    def check_placement(self, workers, line, told):
        """Against a server that puts connections on these workers, in this order. `told` are the connections that go on; the
        others stay open and say nothing."""
        aside, heard = [], []

        def serve(one):
            for i, worker in enumerate(workers):
                connection = one.accept()
                connection.sendall(b'INFO {"client_id":1,"tern_worker":%d}\r\n' % worker)
                if i not in told:
                    aside.append(connection)
                elif b"CONNECT" in client.read_until(connection, b"PING\r\n"):
                    heard.append(i)
                    connection.sendall(b"PONG\r\n")
            heard.append(select.select(aside, [], [], 0)[0])
            one.connections[told[0]].close()  # a subscriber: nothing unread there, which would reset the connection
        with client.Server(serve) as one:
            done = bench(f"nats://127.0.0.1:{one.port}", f"{line} --seconds 60 --json --quiet --threads 1")
        self.assertEqual(heard, [*told, []], done.stdout + done.stderr)
        self.assertIn("closed the connection", done.stdout + done.stderr)

    def test_placement(self):
        self.check_placement([0, 1, 1, 0], "pubsub --placement same", [0, 3])
        self.check_placement([1, 1, 1, 2], "pubsub --placement cross", [0, 3])
        self.check_placement([5, 4, 5, 5, 4, 4], "pubsub --placement cross --subs 2 --pubs 2", [0, 2, 4, 5])
        with self.tern("--workers", "2") as (port, _):
            for line in ("pubsub --placement same", "fanin --placement cross", "request --placement cross"):
                done = bench(f"nats://127.0.0.1:{port}", f"{line} --seconds 0.1 --json --quiet")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                row = json.loads(done.stdout)
                self.assertIn(row["figures"]["subscribers_worker"], (0, 1))
                self.assertIn("--placement", row["command"])
                self.assertGreater(row["figures"]["subscribers_worker_ns_per_message"], 0)
                self.assertLessEqual(row["figures"]["subscribers_worker_ns_per_message"], row["figures"]["threads_ns_per_message"])

    def test_placement_that_cannot_be(self):
        with self.tern("--workers", "1") as (port, _):
            url = f"nats://127.0.0.1:{port}"
            done = bench(url, "pubsub --placement cross --msgs 10 --quiet")
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("none of 257 connections came to another worker than 0: has the server one only?", done.stderr)
            done = bench(url, "pub --placement same --msgs 10 --quiet")
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertIn("--placement needs a subscriber", done.stderr)
            done = bench(url, "storm --placement same --subs 1 --seconds 0.1 --quiet")
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertIn("connections that come and go have no --placement", done.stderr)
        done = bench("raw://127.0.0.1:1", "pubsub --placement same --msgs 10 --quiet")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("does not say which worker a connection is on", done.stderr)

        def serve(one):
            client.info(one.accept())
        with client.Server(serve) as one:
            done = bench(f"nats://127.0.0.1:{one.port}", "pubsub --placement same --msgs 10 --quiet")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("does not say which worker a connection is on", done.stderr)

    def test_suite(self):
        with self.tern() as (port, _), steady() as pid:
            done = bench(f"nats://127.0.0.1:{port}", f"suite --seconds 0.1 --quiet --pid {pid}")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("the broker's memory did not grow", done.stdout)  # as where it has some free from before
        names = ["pub", "pubsub", "fanout", "fanin", "many", "queue", "wildcard", "mixed", "headers", "request", "request",
                 "open", "subscribe", "churn", "stuck", "idle", "storm", "crowd"]
        self.assertEqual([line.split(":")[0] for line in done.stdout.splitlines() if not line.startswith(" ")], names)
        plan = bench("nats://127.0.0.1:1", "suite --plan").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in plan], names)
        given = bench("nats://127.0.0.1:1", "suite --plan --in-flight 8 --seconds 2").stdout.splitlines()
        self.assertEqual([line for line in given if line.startswith("request")], ["request --in-flight 8 --seconds 2"])
        usage = bench("nats://127.0.0.1:1", "suite --help").stdout
        for less in ("request --in-flight 64", "subscribe --subjects 100k", "churn --churn-rate 20k", "idle --connections 1000"):
            self.assertIn(less.replace(" ", " --seconds 1 ", 1), plan)
        self.assertIn("request once more with --in-flight 64", usage)
        for less in ("subscribe --subjects 100k", "churn --churn-rate 20k", "idle --connections 1000"):
            self.assertIn(less, " ".join(usage.split()))
        with server(BENCH, "forward", "{port}") as (port, _), tempfile.TemporaryDirectory() as directory:
            done = bench(f"raw://127.0.0.1:{port}", "suite --seconds 0.1 --quiet --json", "--json-file", f"{directory}/rows",
                         "--csv", f"{directory}/csv", "--html", f"{directory}/html")
            self.assertEqual(done.returncode, 3)
            self.assertEqual(len(done.stdout.splitlines()), 11)
            texts = {}
            for name in ("rows", "csv", "html"):
                with open(os.path.join(directory, name), encoding="utf-8") as file:
                    texts[name] = file.read()
        self.assertEqual(texts["rows"], done.stdout)  # all of them, not the last one only
        self.assertEqual(len(texts["csv"].splitlines()), 12)
        for line in done.stdout.splitlines():
            self.assertIn(f"tern-bench {json.loads(line)['scenario']} ", texts["html"])


CASES = {"tern": Scenarios, "nats_server": Scenarios, "redis": Scenarios, "forwarder": Scenarios, "trouble": Trouble}
PROGRAMS = {"nats_server": "nats-server", "redis": "redis-server"}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[2] not in CASES or (sys.argv[2] in ("tern", "trouble")) != (len(sys.argv) == 4):
        sys.exit(__doc__)
    BENCH = client.BENCH = os.path.abspath(sys.argv[1])
    Scenarios.case = sys.argv[2]
    PROGRAM = sys.argv[3] if len(sys.argv) == 4 else shutil.which(PROGRAMS.get(sys.argv[2], "true"))
    if PROGRAM is None:
        print(f"skipped: {PROGRAMS[sys.argv[2]]} is not installed")
        sys.exit(client.SKIP_CODE)
    unittest.main(argv=[sys.argv[0], CASES[sys.argv[2]].__name__, "--verbose"])
