#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line, the files and the signals of the broker: as nats-server's.

    cli.py BROKER [TEST...]

BROKER is tern or, to check the test itself, nats-server: the expectations are the same for both but for the
program's name and version and for what changed since the reference's version. Each test is a function; unittest
runs them.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

BROKER = ""
NAME = ""
LOG_LINE = r"\[%d\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[(INF|DBG|WRN|ERR|FTL|TRC)\] .*"


def run(*arguments):
    """Runs the broker with arguments that let it end by itself."""
    return subprocess.run([BROKER, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=broker.WAIT_SECONDS)


def start(*flags, **more):
    return broker.Broker(BROKER, flags=flags, **more)


def read(path):
    """The text of a file, or nothing while there is none."""
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


def has_ipv6():
    """Whether ::1 is an address of this machine."""
    try:
        with open("/proc/net/if_inet6") as addresses:
            return any(line.startswith("0" * 31 + "1 ") for line in addresses)
    except FileNotFoundError:
        return False


class Flags(unittest.TestCase):
    """What the program does without serving."""

    def test_version(self):
        for flag in ("-v", "--version", "-version", "version"):
            done = run(flag)
            self.assertEqual(done.returncode, 0, flag)
            # tern names the server it stands in for: client suites read this line.
            self.assertRegex(done.stdout, r"^nats-server: v\d+\.\d+\.\d+\S*( \(tern \S+\))?\n$", flag)

    def test_help(self):
        for flag in ("-h", "--help", "-help", "help"):
            done = run(flag)
            self.assertEqual(done.returncode, 0, flag)
            text = done.stdout + done.stderr
            self.assertIn("Usage:", text, flag)
            for option in ("-p", "--port", "-a", "--addr", "-P", "--pid", "-l", "--log", "--ports_file_dir", "-D", "-V"):
                self.assertIn(option, text)

    def test_help_on_tls(self):
        done = run("-help_tls")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for key in ("cert_file", "key_file", "ca_file", "verify", "verify_and_map", "pinned_certs", "timeout",
                    "handshake_first", "connection_rate_limit", "min_version", "cipher_suites", "curve_preferences",
                    "certs", "allow_non_tls", "--tlscert"):
            self.assertIn(key, done.stdout)

    def test_unknown_flag(self):
        done = run("--no_such_flag")
        self.assertEqual(done.returncode, 0)
        self.assertIn("Usage:", done.stdout + done.stderr)

    def test_unknown_word(self):
        done = run("foo")
        self.assertEqual(done.returncode, 1)
        self.assertIn(f'{NAME}: unrecognized command: "foo"', done.stdout + done.stderr)

    def test_bad_value(self):
        done = run("-p", "abc")
        self.assertIn("abc", done.stdout + done.stderr)

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            done = run("-a", "127.0.0.1", "-p", str(other.getsockname()[1]))
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout + done.stderr, r"\[FTL\].*[Aa]ddress already in use")

    def test_bad_address(self):
        done = run("-a", "127.0.0.1/x", "-p", "-1")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout + done.stderr, r"\[FTL\].*127\.0\.0\.1/x")
        if NAME == "tern":
            self.assertIn("; give -a an address or a name that this machine can look up", done.stderr)


class Serving(unittest.TestCase):
    """What it does while it serves."""

    def test_both_dashes_and_equals(self):
        directory = tempfile.mkdtemp(prefix="tern-e2e-")
        try:
            for flags in (["--addr=127.0.0.1", "--port=-1"], ["-addr=127.0.0.1", "-port=-1"],
                          ["--net", "127.0.0.1", "--port", "-1"], ["-a", "127.0.0.1", "-p=-1"]):
                with open(os.path.join(directory, "out"), "w") as out:
                    process = subprocess.Popen([BROKER, *flags, f"--ports_file_dir={directory}"], stdout=out, stderr=out)
                try:
                    path = os.path.join(directory, f"{NAME}_{process.pid}.ports")
                    broker.wait_for(f"ports file with {flags}", lambda: os.path.exists(path) and os.path.getsize(path))
                finally:
                    process.send_signal(signal.SIGINT)
                    self.assertEqual(process.wait(broker.WAIT_SECONDS), 0)
        finally:
            shutil.rmtree(directory)

    def test_ports_file(self):
        with start() as server:
            path = os.path.join(server.dir, f"{NAME}_{server.process.pid}.ports")
            with open(path) as file:
                text = file.read()
            self.assertEqual(json.loads(text), {"nats": [f"nats://127.0.0.1:{server.port}"]})
            self.assertNotIn("\n", text)
            self.assertEqual(server.stop(signal.SIGINT), 0)
            self.assertFalse(os.path.exists(path), "the ports file is removed at the end")

    def test_all_addresses(self):
        """0.0.0.0, the default, is those of IPv6 as well."""
        flags = ("-a", "0.0.0.0", "-m", "-1")
        with start(*flags) as server:
            with open(os.path.join(server.dir, f"{NAME}_{server.process.pid}.ports")) as file:
                ports = json.load(file)
            monitoring = int(ports["monitoring"][0].rsplit(":", 1)[1])
            for host in ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",):
                shown = f"[{host}]" if ":" in host else host
                self.assertIn(f"nats://{shown}:{server.port}", ports["nats"])
                self.assertIn(f"http://{shown}:{monitoring}", ports["monitoring"])
                with socket.create_connection((host, server.port), timeout=broker.WAIT_SECONDS) as client:
                    info = json.loads(client.makefile("rb").readline()[5:])
                self.assertEqual((info["client_ip"], info["host"]), (host, "0.0.0.0"))
                with socket.create_connection((host, monitoring), timeout=broker.WAIT_SECONDS) as page:
                    page.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                    self.assertRegex(page.makefile("rb").readline(), rb"^HTTP/1\.[01] 200 OK")

    def test_whoever_can_connect_can_ask(self):
        """Monitoring, and what is asked for on $SYS, are there before clients are let in."""
        with start("-m", "-1") as server:
            order = [what for line in server.output().splitlines()
                     for what in re.findall("Starting http monitor|Listening for client|Server is ready", line)]
            self.assertEqual(order[:2], ["Starting http monitor", "Listening for client"])
            with urllib.request.urlopen(server.monitoring + "/varz") as page:
                self.assertEqual(json.load(page)["port"], server.port)

    def test_pid_file(self):
        for flag in ("-P", "--pid"):
            directory = tempfile.mkdtemp(prefix="tern-e2e-")
            path = os.path.join(directory, "pid")
            try:
                with start(flag, path) as server:
                    with open(path) as file:
                        self.assertEqual(file.read(), str(server.process.pid))
                    server.stop(signal.SIGINT)
                    self.assertTrue(os.path.exists(path), "the pid file stays")
            finally:
                shutil.rmtree(directory)

    def test_name(self):
        for flag in ("-n", "--name", "--server_name"):
            with start(flag, "some-name") as server:
                info = json.loads(broker.talk(server.port, b"PING\r\n").split(b"\r\n")[0][5:])
                self.assertEqual(info["server_name"], "some-name")
                self.assertEqual(info["port"], server.port)
                self.assertEqual(info["host"], "127.0.0.1")

    def test_name_is_the_id_by_default(self):
        with start() as server:
            info = json.loads(broker.talk(server.port, b"PING\r\n").split(b"\r\n")[0][5:])
            self.assertEqual(info["server_name"], info["server_id"])
            self.assertRegex(info["server_id"], r"^N[A-Z2-7]{55}$")

    def test_client_ids_grow(self):
        with start() as server:
            ids = [json.loads(broker.talk(server.port, b"PING\r\n").split(b"\r\n")[0][5:])["client_id"] for _ in range(10)]
            self.assertEqual(ids, sorted(set(ids)))

    def test_log_goes_to_stderr(self):
        with start() as server:
            broker.wait_for("Server is ready", lambda: "Server is ready" in server.output())
            server.stop(signal.SIGINT)
            lines = server.output().splitlines()
            for line in lines:
                self.assertRegex(line, "^" + LOG_LINE % server.process.pid + "$")
            self.assertTrue(any(f"Listening for client connections on 127.0.0.1:{server.port}" in x for x in lines))
            self.assertFalse([x for x in lines if "[DBG]" in x or "[TRC]" in x or "[ERR]" in x])

    def test_log_file(self):
        for flag in ("-l", "--log"):
            directory = tempfile.mkdtemp(prefix="tern-e2e-")
            path = os.path.join(directory, "log")
            try:
                with start(flag, path) as server:
                    broker.wait_for("the log file", lambda: "Server is ready" in read(path))
                    server.stop(signal.SIGINT)
                    for line in read(path).splitlines():
                        self.assertRegex(line, "^" + LOG_LINE % server.process.pid + "$")
                    self.assertEqual(server.output(), "")
            finally:
                shutil.rmtree(directory)

    def test_log_file_is_reopened(self):
        directory = tempfile.mkdtemp(prefix="tern-e2e-")
        path = os.path.join(directory, "log")
        try:
            with start("-l", path) as server:
                broker.wait_for("the log", lambda: "Server is ready" in read(path))
                os.rename(path, path + ".1")
                server.process.send_signal(signal.SIGUSR1)
                broker.wait_for("a new log", lambda: "File log re-opened" in read(path))
                self.assertEqual(server.stop(signal.SIGINT), 0)
        finally:
            shutil.rmtree(directory)

    def test_debug_and_trace(self):
        with start("-D", "-V") as server:
            broker.talk(server.port, b'CONNECT {"verbose":false}\r\nSUB foo 1\r\nPUB foo 5\r\nhello\r\nPING\r\n')
            server.stop(signal.SIGINT)
            text = server.output()
            self.assertIn("[DBG]", text)
            self.assertRegex(text, r"\[TRC\] .*<<- \[SUB foo 1\]")
            self.assertRegex(text, r"\[TRC\] .*<<- \[PUB foo 5\]")
            self.assertRegex(text, r"\[TRC\] .*->> \[MSG foo 1 5\]")
            self.assertRegex(text, r"\[TRC\] .*->> \[PONG\]")

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with start() as server:
                with socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS) as peer:
                    peer.sendall(b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPING\r\n')
                    got = b""
                    while b"PONG\r\n" not in got:
                        got += peer.recv(65536)
                    code = server.stop(number)
                    allowed = (0, 1) if server.is_reference and number == signal.SIGTERM else (0,)
                    self.assertIn(code, allowed)
                    rest = b""
                    try:
                        part = peer.recv(65536)
                        while part:
                            rest += part
                            part = peer.recv(65536)
                    except ConnectionError:
                        pass
                    rest = re.sub(rb"^INFO [^\r]*\r\n", b"", rest)
                    self.assertEqual(rest, b"", "clients are closed without -ERR")
                    self.assertNotRegex(server.output(), r"\[(ERR|FTL|WRN)\]")

    def test_stop_with_idle_and_unread_clients(self):
        with start() as server:
            peers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
            for peer in peers[:10]:
                peer.sendall(b'CONNECT {"verbose":false}\r\nSUB > 1\r\n')
            broker.talk(server.port, b'CONNECT {"verbose":false}\r\n' + b"PUB a 1000\r\n" + b"x" * 1000 + b"\r\nPING\r\n")
            self.assertEqual(server.stop(signal.SIGINT), 0)
            for peer in peers:
                peer.close()

    def test_restart_on_the_same_port(self):
        with start() as server:
            port = server.port
            peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
            server.stop(signal.SIGINT)
            with start(port=port) as again:
                self.assertEqual(again.port, port)
                self.assertIn(b"PONG\r\n", broker.talk(port, b"PING\r\n"))
            for peer in peers:
                peer.close()

    def test_numbers_of_workers(self):
        with start() as reference:
            if reference.is_reference:
                self.skipTest("nats-server has no workers")
        for workers in ("1", "2", "8"):
            with start("--workers", workers) as server:
                self.assertIn(b"PONG\r\n", broker.talk(server.port, b"PING\r\n"))
                self.assertEqual(server.stop(), 0)
        for workers in ("-3", "1000", "x"):
            done = run("-a", "127.0.0.1", "-p", "-1", "--workers", workers)
            self.assertIn("workers", done.stdout + done.stderr)

    def test_netcat(self):
        # -C: what a person types ends in CR LF, which the end of a payload insists on
        netcat = shutil.which("nc")
        if not netcat:
            self.skipTest("nc is not installed")
        with start() as server:
            session = subprocess.Popen([netcat, "-C", "127.0.0.1", str(server.port)], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, bufsize=0)
            heard = []
            reader = threading.Thread(target=lambda: heard.extend(session.stdout))
            reader.start()
            try:
                for line in (b"SUB a 1\n", b"PUB a 5\n", b"hello\n", b"PING\n"):
                    session.stdin.write(line)
                broker.wait_for("the conversation", lambda: b"PONG\r\n" in heard)
            finally:
                session.kill()
                session.wait()
                reader.join()
                session.stdin.close()
                session.stdout.close()
            self.assertRegex(heard[0], rb"^INFO \{.*\} \r\n$")
            self.assertEqual(b"".join(heard[1:]), b"+OK\r\n+OK\r\nMSG a 1 5\r\nhello\r\nPONG\r\n")


if __name__ == "__main__":
    BROKER = os.path.abspath(sys.argv.pop(1))
    NAME = os.path.basename(BROKER)
    unittest.main()
