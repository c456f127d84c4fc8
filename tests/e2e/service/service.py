#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The broker as a service: logs in their forms and places, --signal, the service manager's socket, the user it runs as.

    service.py BROKER [TEST...]

Files, sockets and a copy of the program with a name of its own lie in a temporary directory of each test.
"""
import glob
import json
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

BROKER = ""
HELLO = b'CONNECT {"verbose":false,"pedantic":false}\r\n'


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path, errors="surrogateescape") as file:
        return file.read()


class Test(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tern-e2e-")
        self.log = os.path.join(self.dir, "log")

    def tearDown(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, *flags, path=None):
        return broker.Broker(path or BROKER, flags=flags)

    def config(self, text):
        path = os.path.join(self.dir, "config")
        with open(path, "w") as file:
            file.write(text)
        return path


class Logs(Test):
    def test_json_whatever_clients_send(self):
        evil = b'"\\\x00\x1b[31m\xff\xfe\xc2\x9b\x7f\t'
        with self.start("-l", self.log, "--log_format", "json", "-DV") as server:
            broker.talk(server.port, HELLO + b"PUB a %d\r\n%s\r\nPING\r\n" % (len(evil), evil))
            broker.talk(server.port, HELLO + b"SUB \xff" + evil[3:8] + b" 1\r\nPING\r\n")
            broker.talk(server.port, b'CONNECT {"name":"\xff\\u0007\\"","pass":"s3cret","verbose":false}\r\nPING\r\n')
            broker.talk(server.port, b"\x1b]0;title\x07\r\n", until=b"never")
            pid = server.process.pid
            self.assertEqual(server.stop(signal.SIGINT), 0)
        with open(self.log, "rb") as file:
            data = file.read()
        self.assertNotIn(b"s3cret", data)
        lines = [json.loads(line.decode("utf-8")) for line in data.splitlines()]  # every one: JSON in valid UTF-8
        for line in lines:
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            self.assertEqual(line["pid"], pid)
            self.assertIn(line["level"], ("info", "debug", "trace", "warn", "error"))
        events = {line.get("event"): line for line in lines}
        for event in ("server_starting", "server_ready", "listening", "client_connected", "client_closed", "trace_in",
                      "protocol_error", "server_stopped"):
            self.assertIn(event, events)
        self.assertEqual(events["client_connected"]["ip"], "127.0.0.1")
        self.assertEqual(events["trace_message"]["msg"],
                         '<<- MSG_PAYLOAD: ["\\"\\\\\\x00\x1b[31m\ufffd\ufffd\u009b\x7f\t"]')
        self.assertEqual([line["cid"] for line in lines if line.get("event") == "client_connected"], [1, 2, 3, 4])

    def test_text_shows_no_control_characters(self):
        evil = b'a\x1b[2Jb\r\x07\xff\xc2\x9bc\x00d'
        with self.start("-V") as server:
            broker.talk(server.port, HELLO + b"PUB a %d\r\n%s\r\nPING\r\n" % (len(evil), evil))
            broker.wait_for("the trace", lambda: "MSG_PAYLOAD" in server.output())
            with open(server.log, "rb") as file:
                data = file.read()
        self.assertIn(b'<<- MSG_PAYLOAD: ["a\\x1b[2Jb\\r\\x07\\xff\\u009bc\\x00d"]\n', data)
        self.assertFalse([byte for byte in data if byte < 32 and byte != 10])

    def test_rotation_keeps_the_newest(self):
        with self.start("-l", self.log, "-D", "--log_size_limit", "2000", "--log_max_num", "3") as server:
            for _ in range(100):
                broker.talk(server.port, HELLO + b"PING\r\n")
            self.assertEqual(server.stop(signal.SIGINT), 0)
        names = sorted(glob.glob(self.log + "*"))
        self.assertEqual(len(names), 3)
        self.assertEqual(names[0], self.log)
        for name in names[1:]:
            self.assertRegex(name[len(self.log):], r"^\.\d{4}(\.\d\d){5}\.\d{9}$")
            self.assertGreater(os.path.getsize(name), 2000)
            self.assertLess(os.path.getsize(name), 2600)
        self.assertTrue(read(self.log).endswith("Server Exiting..\n"))
        self.assertIn("cid:100 ", "".join(read(name) for name in names))

    def test_full_disk(self):
        """A limit on the size of files stands in for it; traffic goes on, and the log when there is room again."""
        with self.start("-l", self.log, "-D") as server:
            broker.wait_for("the log", lambda: "Server is ready" in read(self.log))
            size = os.path.getsize(self.log)
            _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))
            for _ in range(20):
                self.assertIn(b"PONG", broker.talk(server.port, HELLO + b"PING\r\n"))
            # standard error is a file here, with the same limit, but an empty one
            told = broker.wait_for("the complaint", lambda: server.output())
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            broker.talk(server.port, HELLO + b"PING\r\n")
            broker.wait_for("the log", lambda: "log lines dropped: File too large" in read(self.log))
            self.assertEqual(server.output(), told)  # once
            self.assertRegex(told, r"^tern: cannot write to the log file: File too large; .*\n$")
            self.assertEqual(server.stop(signal.SIGINT), 0)
        dropped = int(re.search(r"(\d+) log lines dropped: File", read(self.log)).group(1))
        self.assertGreaterEqual(dropped, 20)
        for line in read(self.log).splitlines():
            self.assertRegex(line, r"^\[\d+\] \d{4}/\d\d/\d\d ")

    def test_remote_syslog(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
            syslog.bind(("127.0.0.1", 0))
            syslog.settimeout(broker.WAIT_SECONDS)
            with self.start("-r", f"udp://127.0.0.1:{syslog.getsockname()[1]}") as server:
                name = os.path.basename(BROKER)
                while True:
                    text = syslog.recv(65536).decode()
                    self.assertRegex(text, r"^<30>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ " +
                                     rf"{name} {server.process.pid} (\w+|-) - \S")
                    if text.endswith(" server_ready - Server is ready"):
                        break
                self.assertEqual(server.output(), "")

    def test_what_cannot_be_logged_to_is_a_reason_not_to_start(self):
        for flags, says in ((("-l", "/no/such/dir/log"), "cannot open the log file /no/such/dir/log: No such file"),
                            (("-r", "tcp://h:1"), "must be udp://HOST:PORT"),
                            (("--log_format", "xml"), "must be text or json")):
            done = subprocess.run([BROKER, "-a", "127.0.0.1", "-p", "-1", *flags], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=broker.WAIT_SECONDS)
            self.assertEqual(done.returncode, 1, flags)
            self.assertIn(says, done.stderr)

    def test_reload_changes_the_log(self):
        config = self.config(f"log_file: '{self.log}'\n")
        with self.start("-c", config) as server:
            broker.wait_for("the log", lambda: "Server is ready" in read(self.log))
            broker.talk(server.port, HELLO + b"PING\r\n")
            self.config(f"log_file: '{self.log}2', trace: true, max_traced_msg_len: 3, tern {{ log_format: json }}\n")
            server.process.send_signal(signal.SIGHUP)
            broker.wait_for("the reload", lambda: "Reloaded server configuration" in read(self.log + "2"))
            broker.talk(server.port, HELLO + b"PUB a 5\r\nhello\r\nPING\r\n")
            broker.wait_for("the trace", lambda: 'MSG_PAYLOAD: [\\"hel...\\"]' in read(self.log + "2"))
            self.config(f"log_file: '/no/such/dir/log', tern {{ log_format: json }}\n")
            server.process.send_signal(signal.SIGHUP)
            broker.wait_for("the refusal", lambda: "logging goes on as before" in read(self.log + "2"))
        self.assertNotIn("[TRC]", read(self.log))

    def test_two_lines_of_one_client_name_it(self):
        with self.start("-D") as server:
            broker.talk(server.port, HELLO + b"PING\r\n")
            broker.wait_for("the line", lambda: re.search(
                r"\[DBG\] 127\.0\.0\.1:\d+ - cid:1 - Client connection closed", server.output()))


class Signals(Test):
    def copy(self):
        """The program under a name that no other process has."""
        path = os.path.join(self.dir, os.path.basename(self.dir)[-12:])
        shutil.copy(BROKER, path)
        return path

    def send(self, path, what):
        return subprocess.run([path, "--signal", what], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=broker.WAIT_SECONDS)

    def test_the_only_one(self):
        path = self.copy()
        done = self.send(path, "quit")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, f"tern: no {os.path.basename(path)} processes running\n")
        with self.start("-l", self.log, path=path) as server:
            broker.wait_for("the log", lambda: "Server is ready" in read(self.log))
            os.rename(self.log, self.log + ".1")
            self.assertEqual(self.send(path, "reopen").returncode, 0)
            broker.wait_for("a new log", lambda: "File log re-opened" in read(self.log))
            self.assertEqual(self.send(path, "reload").returncode, 0)
            broker.wait_for("the reload", lambda: "figures:" in read(self.log))
            done = self.send(path, "quit")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            self.assertEqual(server.process.wait(broker.WAIT_SECONDS), 0)

    def test_one_of_two(self):
        path = self.copy()
        pid_file = os.path.join(self.dir, "pid")
        with self.start("-P", pid_file, path=path) as one, self.start(path=path) as other:
            done = self.send(path, "term")
            self.assertEqual(done.returncode, 1)
            self.assertIn("multiple processes running; say which", done.stderr)
            self.assertIn(f"\n{one.process.pid}\n", done.stderr)
            self.assertEqual(self.send(path, f"term={pid_file}").returncode, 0)
            self.assertEqual(one.process.wait(broker.WAIT_SECONDS), 0)
            self.assertIsNone(other.process.poll())
            self.assertEqual(self.send(path, f"stop={str(other.process.pid)[:-1]}*").returncode, 0)
            self.assertEqual(other.process.wait(broker.WAIT_SECONDS), -signal.SIGKILL)

    def test_errors(self):
        for what, says in (("nonsense", 'unknown signal "nonsense"; there are quit, term, stop, reload, reopen and ldm'),
                           ("quit=/no/such/file", "cannot read the pid file /no/such/file: No such file or directory"),
                           ("quit=999999999", "cannot signal quit to process 999999999: No such process")):
            done = self.send(BROKER, what)
            self.assertEqual(done.returncode, 1)
            self.assertIn(says, done.stderr)

    def test_a_second_interrupt_ends_a_slow_stop(self):
        # threads that have ended and wait to be joined at that moment are no leak
        options = {"TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "") + " report_thread_leaks=0"}
        with unittest.mock.patch.dict(os.environ, options), \
             self.start("--max_pending", "64MB", "--write_deadline", "60s") as server:
            with socket.create_connection(("127.0.0.1", server.port)) as reader:
                reader.sendall(HELLO + b"SUB a 1\r\nPING\r\n")
                while b"PONG" not in reader.recv(65536):
                    pass
                body = b"PUB a 100000\r\n" + b"x" * 100000 + b"\r\n"
                broker.talk(server.port, HELLO + body * 300 + b"PING\r\n")
                server.process.send_signal(signal.SIGINT)
                broker.wait_for("the stop", lambda: "Initiating Shutdown" in server.output())
                self.assertEqual(server.stop(signal.SIGINT), 1)
                self.assertIn("tern: interrupted again; ending without waiting for clients\n", server.output())


class Manager(Test):
    """A socket of the test's own stands for systemd's."""

    def setUp(self):
        super().setUp()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(os.path.join(self.dir, "notify"))
        self.socket.settimeout(broker.WAIT_SECONDS)
        os.environ["NOTIFY_SOCKET"] = os.path.join(self.dir, "notify")

    def tearDown(self):
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            os.environ.pop(name, None)
        self.socket.close()
        super().tearDown()

    def heard(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))

    def test_the_life_of_a_service(self):
        with self.start() as server:
            ready = {"READY": "1", "STATUS": f"Serving clients on port {server.port}"}
            self.assertEqual(self.heard(), ready)
            server.process.send_signal(signal.SIGHUP)
            reloading = self.heard()
            self.assertEqual(reloading["RELOADING"], "1")
            self.assertLessEqual(int(reloading["MONOTONIC_USEC"]), time.monotonic_ns() // 1000)
            self.assertEqual(self.heard(), ready)
            self.assertEqual(server.stop(signal.SIGTERM), 0)
            self.assertEqual(self.heard(), {"STOPPING": "1", "STATUS": "Stopping"})

    def test_one_that_does_not_start_is_not_ready(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            done = subprocess.run([BROKER, "-a", "127.0.0.1", "-p", str(other.getsockname()[1])],
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=broker.WAIT_SECONDS)
        self.assertEqual(done.returncode, 1)
        self.socket.setblocking(False)
        with self.assertRaises(BlockingIOError):
            self.heard()

    def test_watchdog(self):
        os.environ["WATCHDOG_USEC"] = "400000"
        with self.start() as server:
            self.assertIn("READY", self.heard())
            for _ in range(5):
                self.assertEqual(self.heard(), {"WATCHDOG": "1"})
            self.assertEqual(server.stop(signal.SIGINT), 0)

    def test_the_watchdog_of_another_process(self):
        os.environ["WATCHDOG_USEC"] = "1000"
        os.environ["WATCHDOG_PID"] = str(os.getpid())
        with self.start() as server:
            self.assertIn("READY", self.heard())
            broker.talk(server.port, HELLO + b"PING\r\n")
            self.assertEqual(server.stop(signal.SIGINT), 0)
            self.assertIn("STOPPING", self.heard())


class User(Test):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        os.chmod(self.dir, 0o777)

    def test_becomes_another_user(self):
        nobody = pwd.getpwnam("nobody")
        pid_file = os.path.join(self.dir, "pid")
        with self.start("--run_as_user", "nobody", "-l", self.log, "-P", pid_file) as server:
            broker.wait_for("the change", lambda: "Running as user" in read(self.log))
            self.assertIn(b"PONG", broker.talk(server.port, HELLO + b"PING\r\n"))
            for task in glob.glob(f"/proc/{server.process.pid}/task/*/status"):
                status = dict(line.split(":\t", 1) for line in read(task).splitlines() if ":\t" in line)
                self.assertEqual(status["Uid"].split(), [str(nobody.pw_uid)] * 4, status["Name"])
                self.assertEqual(status["Gid"].split(), [str(nobody.pw_gid)] * 4)
                self.assertEqual(status["Groups"].strip(), "")
                self.assertEqual(status["NoNewPrivs"], "1")
                self.assertEqual(int(status["CapEff"], 16) | int(status["CapPrm"], 16), 0)
            self.assertEqual(os.stat(self.log).st_uid, nobody.pw_uid)
            self.assertEqual(os.stat(pid_file).st_uid, 0)
            os.rename(self.log, self.log + ".1")
            server.process.send_signal(signal.SIGUSR1)
            broker.wait_for("a new log", lambda: "File log re-opened" in read(self.log))
            self.assertEqual(server.stop(signal.SIGINT), 0)

    def test_configured(self):
        config = self.config('tern { user: "nobody", group: "12345" }\n')
        with self.start("-c", config) as server:
            broker.wait_for("the change", lambda: "group 12345" in server.output())
            self.assertEqual(server.stop(signal.SIGINT), 0)

    def test_unknown(self):
        done = subprocess.run([BROKER, "-a", "127.0.0.1", "-p", "-1", "--run_as_user", "no-such-user"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=broker.WAIT_SECONDS)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "tern: there is no user no-such-user to run as; make it with adduser, or choose "
                                      "another one\n")


if __name__ == "__main__":
    BROKER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
