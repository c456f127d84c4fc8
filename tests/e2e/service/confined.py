#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The broker with no more system calls than its unit leaves it: TLS, bcrypt, monitoring, a reload, files, the end.

    confined.py BROKER UNIT

Refused calls end the broker here, whatever the unit says of them: each is one it has no right to, or the unit a gap.
"""
import contextlib
import ctypes.util
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import broker  # noqa: E402

CONFIG = """
tls {{ cert_file: "{dir}/server.pem", key_file: "{dir}/server.key", timeout: 20 }}
authorization {{ timeout: 20, users: [ {{ user: a, password: "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW" }} ] }}
logtime: true
debug: {debug}
log_file: "{dir}/log"
pid_file: "{dir}/pid"
http: "127.0.0.1:-1"
tern {{ unix_socket: "{dir}/socket", unix_mode: 0660 }}
"""


class Confined(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tern-e2e-")
        self.ended_with = None
        self.addCleanup(shutil.rmtree, self.dir)
        subprocess.run(["sh", os.path.join(HERE, "..", "..", "support", "certs.sh"), self.dir], check=True)

    def config(self, debug="false"):
        return CONFIG.format(dir=self.dir, debug=debug)

    def unit(self):
        """The broker's, without the number that refused calls give."""
        path = os.path.join(self.dir, "unit")
        with open(UNIT, encoding="utf-8") as file, open(path, "w", encoding="utf-8") as strict:
            strict.writelines(line for line in file if not line.startswith("SystemCallErrorNumber="))
        return path

    def exchange(self, server):
        context = ssl.create_default_context(cafile=os.path.join(self.dir, "ca.pem"))
        context.check_hostname = False
        with socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS) as plain:
            info = plain.recv(4096)
            self.assertIn(b'"tls_required":true', info)
            with context.wrap_socket(plain) as peer:
                peer.sendall(b'CONNECT {"user":"a","pass":"secret","verbose":false}\r\nSUB x 1\r\nPUB x 5\r\nhello\r\n')
                got = b""
                while b"hello\r\n" not in got:
                    part = peer.recv(4096)
                    self.assertTrue(part, got)
                    got += part

    def test_all_it_does(self):
        try:
            self.use_all()
        except Exception:
            self.assertNotEqual(self.ended_with, -signal.SIGSYS, "a system call the unit does not allow")
            raise

    def use_all(self):
        wrapper = [sys.executable, os.path.join(HERE, "confine.py"), self.unit()]
        with broker.Broker(TERN, text=self.config(), workers=2, wrapper=wrapper) as server, self.noted(server):
            self.exchange(server)
            for page in ("varz", "connz", "subsz", "healthz", "metrics", "topz", "stagez"):
                with urllib.request.urlopen(f"{server.monitoring}/{page}", timeout=broker.WAIT_SECONDS) as answer:
                    self.assertEqual(answer.status, 200)
            with open(os.path.join(server.dir, "config"), "w", encoding="utf-8") as file:
                file.write(self.config("true"))
            server.process.send_signal(signal.SIGHUP)
            broker.wait_for("the reload", lambda: "Reloaded server configuration" in self.log())
            os.rename(os.path.join(self.dir, "log"), os.path.join(self.dir, "old"))
            server.process.send_signal(signal.SIGUSR1)
            self.exchange(server)
            broker.wait_for("a new log", lambda: os.path.exists(os.path.join(self.dir, "log")))
            server.process.send_signal(signal.SIGUSR2)  # nobody is connected, so it ends at once
            self.assertEqual(server.process.wait(broker.WAIT_SECONDS), 0, self.log())

    @contextlib.contextmanager
    def noted(self, server):
        """Leaves in ended_with how the broker has ended, if it has."""
        try:
            yield
        finally:
            time.sleep(0.1)  # whoever is told of an end is told before there is a status
            self.ended_with = server.process.poll()

    def log(self):
        with open(os.path.join(self.dir, "log"), encoding="utf-8") as file:
            return file.read()


if __name__ == "__main__":
    TERN, UNIT = (os.path.abspath(path) for path in sys.argv[1:3])
    if shutil.which("systemd-analyze") is None:
        broker.skip("no systemd-analyze here")
    if ctypes.util.find_library("seccomp") is None:
        broker.skip("no libseccomp here")
    unittest.main(argv=sys.argv[:1])
