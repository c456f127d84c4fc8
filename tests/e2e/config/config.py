#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Configuration files: the verdict of -t on the files of verdicts.t, by tern and by nats-server, and a broker that is
run with a file.

    config.py TERN README [TEST...]

verdicts.t is a list of small files:

    === VERDICT: NAME    valid, invalid: for both; `only tern`, `only nats-server`: valid for that one
    @env NAME=VALUE      with this in the environment
    @says TEXT           what tern says begins so, but for the folder of the file
    @differs WHY         why the verdicts are not the same; these differences are wanted
                         (server.pem, client.pem and so on are certificates, in the folder of the file)
    TEXT                 the file, up to the next case
    === file: NAME       a file that cases include

Exit code 77: all is well, but there was no nats-server to compare with.
"""
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TERN = ""
README = ""
#: What each verdict means for tern and for nats-server.
VERDICTS = {"valid": (True, True), "invalid": (False, False), "only tern": (True, False),
            "only nats-server": (False, True)}


class Case:
    def __init__(self, header, lines):
        self.verdict, self.name = header.split(": ", 1)
        self.says, self.differs, self.env = None, None, {}
        while lines and lines[0].startswith("@"):
            word, text = lines.pop(0)[1:].rstrip("\n").split(" ", 1)
            if word == "env":
                name, value = text.split("=", 1)
                self.env[name] = value
            elif word in ("says", "differs"):
                setattr(self, word, text)
            else:
                raise ValueError(f"{self.name}: what is @{word}?")
        self.text = "".join(lines)
        if self.verdict != "file":
            self.for_tern, self.for_reference = VERDICTS[self.verdict]
            if (self.differs is None) != (self.for_tern == self.for_reference) or (self.says is None) != self.for_tern:
                raise ValueError(f"{self.name}: @differs goes with `only`, @says with what is not valid for tern")


def read_cases():
    with open(os.path.join(HERE, "verdicts.t"), encoding="utf-8") as file:
        text = file.read()
    parts = re.split(r"^=== (.*)\n", text, flags=re.M)[1:]
    return [Case(header, body.splitlines(keepends=True)) for header, body in zip(parts[::2], parts[1::2])]


def check(program, path, env=None):
    """Runs -t in the folder of the file; returns whether it is valid, and what was said."""
    done = subprocess.run([program, "-t", "-c", path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          cwd=os.path.dirname(path),
                          errors="replace", timeout=broker.WAIT_SECONDS, env={**os.environ, **(env or {})})
    if done.returncode not in (0, 1):
        raise AssertionError(f"{program} -t ended with {done.returncode}: {done.stderr}")
    return done.returncode == 0, done.stdout + done.stderr


def info(port):
    """The first INFO of a connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS) as peer:
        line = peer.makefile("rb").readline()
        return json.loads(line[5:])


class InFolder(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tern-e2e-")
        self.addCleanup(shutil.rmtree, self.dir)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path


class Verdicts(InFolder):
    def test_tern_and_nats_server_agree(self):
        cases = read_cases()
        has_certificates = shutil.which("openssl") is not None
        if has_certificates:
            subprocess.run(["sh", os.path.join(HERE, "..", "..", "support", "certs.sh"), self.dir], check=True)
        for case in cases:
            if case.verdict == "file":
                self.write(case.name, case.text)
        for case in cases:
            if case.verdict == "file" or ("server.pem" in case.text and not has_certificates):
                continue
            with self.subTest(case.name):
                path = self.write("case.conf", case.text)
                valid, said = check(TERN, path, case.env)
                self.assertEqual(valid, case.for_tern, said)
                if valid:
                    self.assertRegex(said, rf"^tern: configuration file {path} is valid \(sha256:[0-9a-f]{{64}}\)\n$")
                else:
                    self.assertRegex(said, rf"^tern: ({re.escape(self.dir)}/)?{re.escape(case.says)}")
                if broker.reference():
                    valid, said = check(broker.reference(), path, case.env)
                    self.assertEqual(valid, case.for_reference, f"nats-server: {said}")

    def test_an_absolute_path_is_one(self):
        """nats-server looks for it below the folder of the file that includes it, where nobody would put it."""
        included = self.write("ok.conf", "debug: true\n")
        path = self.write("conf", f'include "{included}"\n')
        valid, said = check(TERN, path)
        self.assertTrue(valid, said)
        if broker.reference():
            self.assertFalse(check(broker.reference(), path)[0])

    def test_what_is_no_text(self):
        for name, content, says in (("nul", b"port: 1\n\0", "2:1: a NUL byte"),
                                    ("latin1", b"host: \xe4", "1:7: byte 0xe4 is not UTF-8"),
                                    ("long", b"x: '" + b"x" * (17 << 20) + b"'", "too large: more than 16 MiB"),
                                    ("deep", b"x: " + b"[" * 1000000, "more than 64 blocks and arrays"),
                                    ("wide", b"x: [" + b"1," * 5000000 + b"]", "more than 64 MiB")):
            with self.subTest(name):
                valid, said = check(TERN, self.write(name, content))
                self.assertFalse(valid)
                self.assertIn(says, said)

    def test_no_file(self):
        valid, said = check(TERN, os.path.join(self.dir, "none"))
        self.assertFalse(valid)
        self.assertIn(f"cannot read {self.dir}/none: No such file or directory", said)

    def test_loop(self):
        path = self.write("one", "include two\n")
        self.write("two", "include one\n")
        valid, said = check(TERN, path)
        self.assertFalse(valid)
        self.assertIn(f"{self.dir}/two:1:1: {self.dir}/one includes itself", said)


class Serving(InFolder):
    def test_values_come_from_the_file(self):
        path = self.write("conf", 'server_name: from_file, max_payload: 1KB\nmax_subs: 1; client_advertise: "h:99"\n')
        with broker.Broker(TERN, flags=("-c", path)) as server:
            seen = info(server.port)
            self.assertEqual((seen["server_name"], seen["max_payload"]), ("from_file", 1024))
            self.assertEqual((seen["host"], seen["port"]), ("h", 99))
            got = broker.talk(server.port, b"SUB a 1\r\nSUB b 2\r\nPUB a 1025\r\n", b"Payload Violation'\r\n")
            self.assertIn(b"-ERR 'maximum subscriptions exceeded'\r\n", got)
            self.assertIn(b"-ERR 'Maximum Payload Violation'\r\n", got)
            self.assertEqual(server.stop(), 0)

    def test_everything_comes_from_the_file(self):
        path = self.write("conf", f"""
            listen: "127.0.0.1:-1"
            include more
            ports_file_dir: "{self.dir}", pid_file: "{self.dir}/pid", log_file: "{self.dir}/log", debug: true
            tern {{ workers: 2, unix_socket: "{self.dir}/socket" }}
        """)
        self.write("more", "ping_max: 3\n")
        server = subprocess.Popen([TERN, "-c", path], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            ports = os.path.join(self.dir, f"{os.path.basename(TERN)}_{server.pid}.ports")
            deadline = time.monotonic() + broker.WAIT_SECONDS
            while not os.path.exists(ports) and server.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            with open(ports) as file:
                port = int(json.load(file)["nats"][0].rsplit(":", 1)[1])
            self.assertEqual(info(port)["host"], "127.0.0.1")
            with open(os.path.join(self.dir, "pid")) as file:
                self.assertEqual(file.read(), str(server.pid))
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(os.path.join(self.dir, "socket"))
                self.assertTrue(peer.recv(5))
        finally:
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(broker.WAIT_SECONDS), 0)
            self.assertEqual(server.stderr.read(), b"")
            server.stderr.close()
        with open(os.path.join(self.dir, "log")) as file:
            log = file.read()
        self.assertIn("Server is ready", log)
        self.assertIn("[DBG]", log)
        self.assertIn(", 2 workers", log)

    def test_an_empty_string_is_no_line(self):
        path = self.write("conf", 'server_name: "", client_advertise: "", log_file: "", pid_file: "", remote_syslog: ""\n'
                                  'http: "127.0.0.1:-1", http_base_path: ""\n'
                                  'authorization { users: [{user: a, password: b}] }\nno_auth_user: ""\n')
        for program in filter(None, (TERN, broker.reference())):
            with self.subTest(program), broker.Broker(program, flags=("-c", path)) as server:
                seen = info(server.port)
                self.assertEqual((seen["server_name"], seen["host"], seen["port"]), (seen["server_id"], "127.0.0.1", server.port))
                self.assertTrue(seen["auth_required"])
                self.assertIn(b"-ERR 'Authorization Violation'", broker.talk(server.port, b"CONNECT {}\r\nPING\r\n"))
                with urllib.request.urlopen(server.monitoring + "/healthz", timeout=broker.WAIT_SECONDS) as page:
                    self.assertEqual(page.status, 200)
                self.assertIn("Server is ready", server.output())

    def test_flags_override_the_file(self):
        # the address, port and folder of broker.Broker are flags, too
        path = self.write("conf", f'host: 192.0.2.1, port: 1, ports_file_dir: "{self.dir}/none"\n'
                                  "server_name: a, max_payload: 2KB")
        with broker.Broker(TERN, flags=("-n", "b", "--config", path)) as server:
            seen = info(server.port)
            self.assertEqual((seen["server_name"], seen["max_payload"], seen["host"]), ("b", 2048, "127.0.0.1"))
            self.assertEqual(server.stop(), 0)

    def test_a_bad_file_starts_nothing(self):
        path = self.write("conf", "port: -1\njetstream {\n  store_dir: x\n}\nmax_payload: big\n")
        done = subprocess.run([TERN, "-c", path, "-a", "127.0.0.1"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=broker.WAIT_SECONDS)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.splitlines(), [
            f"tern: {path}:2:1: jetstream: tern does not have JetStream: nothing would be stored; remove this, or keep "
            "nats-server",
            f"tern: {path}:5:1: max_payload is a string; it must be a size without quotes, like 64KB"])
        self.assertEqual(done.stdout, "")

    def test_warnings_do_not_keep_it_from_starting(self):
        # what the test suite of nats.js gives to a server
        path = self.write("conf", """
            http: "127.0.0.1:-1"
            leafnodes {
              listen: "127.0.0.1:-1"
            }
            server_tags [
              id:XXXX
            ]
            websocket {
              port: -1
              no_tls: true
            }
            debug: false
        """)
        with broker.Broker(TERN, flags=("-c", path)) as server:
            self.assertIn(b"PONG\r\n", broker.talk(server.port, b"PING\r\n", b"PONG\r\n"))
            self.assertEqual(server.stop(), 0)
            self.assertEqual(len(re.findall(rf"^tern: {path}:\d+:13: warning: .*; ignored$", server.output(), re.M)), 2)
        valid, said = check(TERN, path)
        self.assertFalse(valid)
        self.assertIn(f"tern: configuration file {path} would be used, with 2 warnings\n", said)

    def test_monitoring_tells_which_configuration_is_in_use(self):
        text = "http: '127.0.0.1:-1', server_tags: [ id:XXXX, b, B ], server_metadata { zone: z, rack: r }\n"
        path = self.write("conf", text)
        with broker.Broker(TERN, flags=("-c", path)) as server:
            def varz():
                with urllib.request.urlopen(server.monitoring + "/varz", timeout=broker.WAIT_SECONDS) as answer:
                    return json.load(answer)

            def digest(**tree):
                tree = json.dumps({"http": "127.0.0.1:-1", **tree}, separators=(",", ":"), sort_keys=True) + "\n"
                return "sha256:" + hashlib.sha256(tree.encode()).hexdigest()
            before, want = varz(), digest(server_tags=["id:XXXX", "b", "B"], server_metadata={"zone": "z", "rack": "r"})
            self.assertEqual(before["tags"], ["id:xxxx", "b"])
            self.assertEqual(before["metadata"], {"zone": "z", "rack": "r"})
            self.assertEqual(before["config_digest"], want)
            self.assertIn(f"Using configuration file: {path} ({want})", server.output())
            self.assertEqual(check(TERN, path)[1], f"tern: configuration file {path} is valid ({want})\n")
            self.write("conf", "http: '127.0.0.1:-1', server_tags: c\n")
            server.process.send_signal(signal.SIGHUP)
            want = digest(server_tags="c")
            broker.wait_for("the reload", lambda: f"Reloaded server configuration ({want})" in server.output())
            after = varz()
            self.assertEqual(after["tags"], ["c"])
            self.assertNotIn("metadata", after)
            self.assertEqual(after["config_digest"], want)
            self.assertGreater(after["config_load_time"], before["config_load_time"])
            self.assertEqual(after["start"], before["start"])

    def test_the_example_of_the_readme(self):
        with open(README, encoding="utf-8") as file:
            blocks = re.findall(r"^```(\w*)\n(.*?)^```$", file.read(), re.M | re.S)
        blocks = [text for language, text in blocks if not language and "listen:" in text]
        self.assertEqual(len(blocks), 1)
        path = self.write("readme.conf", blocks[0])
        valid, said = check(TERN, path)
        self.assertTrue(valid, said)
        with broker.Broker(TERN, flags=("-c", path)) as server:
            seen = info(server.port)
            self.assertEqual((seen["server_name"], seen["max_payload"]), ("harbour", 1 << 20))
            got = broker.talk(server.port, b"SUB in 1\r\nPUB svc.greet in 4\r\ntern\r\n", b"Hello, tern!")
            self.assertIn(b"Hello, tern!", got)
            self.assertEqual(server.stop(), 0)
            self.assertIn("2 workers", server.output())
            self.assertIn(f"Using configuration file: {path}", server.output())


if __name__ == "__main__":
    TERN, README = os.path.abspath(sys.argv.pop(1)), os.path.abspath(sys.argv.pop(1))
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if not broker.reference():
        broker.skip("there is no nats-server to compare with")
