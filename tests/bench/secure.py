#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tern-bench under TLS: `secure.py TERN_BENCH CASE [TERN]`.

tern, nats_server    against that server, with certificates made for this run
faults               servers that do not keep to what TLS promises, and options that do not fit: clear errors, exit code 2
"""
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import unittest

import client
import scenarios

HERE = os.path.dirname(os.path.abspath(__file__))
CERTS = ""
PROGRAM = None
CASE = ""


def cert(name):
    return os.path.join(CERTS, name)


def trusting():
    return ["--tlsca", cert("ca.pem")]


def alice():
    return ["--tlscert", cert("client.pem"), "--tlskey", cert("client.key")]


def run(url, line, *arguments):
    return scenarios.bench(url, line + " --quiet", *arguments)


class Secure(unittest.TestCase):
    """Against a server that asks for certificates."""

    def server(self, *more):
        return scenarios.server(PROGRAM, "-a", "127.0.0.1", "-p", "{port}", "--tls", "--tlscert", cert("server.pem"),
                                "--tlskey", cert("server.key"), *more)

    def check_refused(self, done, why):
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, why)

    def test_scenarios(self):
        with self.server() as (port, process):
            for line in ("pubsub --msgs 50k --pubs 3 --subs 2", "pubsub --msgs 30 --size 1000000", "request --msgs 300",
                         "open --rate 2000 --seconds 0.3", "subscribe --subjects 3k --msgs 3k",
                         "churn --churn-rate 1k --seconds 0.6", "idle --connections 20 --seconds 0.2",
                         "storm --connections 4 --seconds 0.3"):
                done = run(f"tls://127.0.0.1:{port}", line, "--json", *trusting())
                self.assertEqual(done.returncode, 0, f"{line}: {done.stdout}{done.stderr}")
                row = json.loads(done.stdout)
                self.assertEqual(row["server"]["name"], CASE.replace("_", "-"))
                self.assertEqual(row["url"], f"tls://127.0.0.1:{port}")
                self.assertEqual(row["broker"]["pid"], process.pid)
                self.assertEqual(sum(row["found"].values()), 0)
                self.assertGreater(row["received"] + row["connections"], 0)
                self.assertNotIn("tls", row["command"])

    def test_certificates_of_clients(self):
        with self.server("--tlsverify", "--tlscacert", cert("ca.pem")) as (port, _):
            url = f"tls://127.0.0.1:{port}"
            done = run(url, "pubsub --msgs 100", *trusting(), *alice())
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_refused(run(url, "pubsub --msgs 100", *trusting()), "TLS: .*certificate|closed|reset")

    def test_who_the_server_is(self):
        with self.server() as (port, _):
            url = f"tls://127.0.0.1:{port}"
            self.check_refused(run(url, "pubsub --msgs 100"), "TLS: the peer's certificate: ")
            self.check_refused(run(url, "pubsub --msgs 100", "--tlsca", cert("stranger.pem")), "TLS: the peer's certificate: ")
            done = run(url, "pubsub --msgs 100", "--tls-insecure")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_one_side_only(self):
        with self.server() as (port, _):
            self.check_refused(run(f"nats://127.0.0.1:{port}", "pubsub --msgs 100"), "wants TLS; use tls://")
        with scenarios.server(PROGRAM, "-a", "127.0.0.1", "-p", "{port}") as (port, _):
            self.check_refused(run(f"tls://127.0.0.1:{port}", "pubsub --msgs 100", *trusting()), "no TLS; use nats://")


INFO = b'INFO {"server_id":"X","version":"2.9.0","max_payload":1048576,"tls_required":true}\r\n'


class Faults(unittest.TestCase):
    def check(self, serve, why, *arguments):
        with client.Server(serve) as server:
            done = run(f"tls://127.0.0.1:{server.port}", "pubsub --msgs 100", *arguments)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertRegex(done.stderr, why)

    def test_goes_on_in_clear(self):
        def serve(server):
            connection = server.accept()
            connection.sendall(INFO + b"PONG\r\n")
            client.read_until(connection, b"never")
        self.check(serve, "went on in clear where TLS begins", *trusting())

    def test_answers_in_clear(self):
        def serve(server):
            connection = server.accept()
            connection.sendall(INFO)
            connection.recv(10000)
            connection.sendall(b"-ERR 'what is this'\r\n")
            client.read_until(connection, b"never")
        self.check(serve, "TLS: ", *trusting())

    def test_leaves_in_the_handshake(self):
        def serve(server):
            connection = server.accept()
            connection.sendall(INFO)
            connection.recv(10000)
            connection.close()
        self.check(serve, "the server closed the connection", *trusting())

    def test_nothing_is_said_in_clear(self):
        """What comes after INFO is a handshake, and the password only behind it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert("server.pem"), cert("server.key"))
        seen = []

        def serve(server):
            connection = server.accept()
            connection.sendall(INFO)
            seen.append(connection.recv(1, 2))  # MSG_PEEK
            with context.wrap_socket(connection, server_side=True) as secured:
                seen.append(client.read_until(secured, b"PING\r\n"))
                secured.sendall(b"-ERR 'Authorization Violation'\r\n")
                client.read_until(secured, b"never")
        self.check(serve, "-ERR 'Authorization Violation'", *trusting(), "--token", "secret")
        self.assertEqual(seen[0], b"\x16")
        self.assertRegex(seen[1], rb'^CONNECT .*"auth_token":"secret"')

    def test_options(self):
        for url, arguments, why in (("nats://127.0.0.1:1", trusting(), "need a tls:// URL"),
                                    ("tls://127.0.0.1:1", alice()[:2], "belong together"),
                                    ("tls://127.0.0.1:1", ["--tlsca", cert("nosuch.pem")], "nosuch.pem")):
            done = run(url, "pubsub --msgs 100", *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(why, done.stderr)


CASES = {"tern": Secure, "nats_server": Secure, "faults": Faults}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[2] not in CASES or (sys.argv[2] == "tern") != (len(sys.argv) == 4):
        sys.exit(__doc__)
    scenarios.BENCH = client.BENCH = os.path.abspath(sys.argv[1])
    CASE = sys.argv[2]
    PROGRAM = sys.argv[3] if len(sys.argv) == 4 else shutil.which("nats-server")
    for missing in [name for name, there in (("nats-server", PROGRAM or CASE == "faults"), ("openssl", shutil.which("openssl")))
                    if not there]:
        print(f"skipped: {missing} is not installed")
        sys.exit(client.SKIP_CODE)
    with tempfile.TemporaryDirectory() as CERTS:
        subprocess.run(["sh", os.path.join(HERE, "..", "support", "certs.sh"), CERTS], check=True)
        unittest.main(argv=[sys.argv[0], CASES[CASE].__name__, "--verbose"])
