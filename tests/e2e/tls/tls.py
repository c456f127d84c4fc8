#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS as clients see it: the upgrade after INFO, the handshake first, client certificates, certificates that change.

    tls.py BROKER [TEST...]

BROKER is tern or, to check the test itself, nats-server; what its version cannot do is skipped there. Certificates are
made anew for each run by tests/support/certs.sh. Exit code 77: skipped, without openssl(1).
"""
import json
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

BROKER = ""
CERTS = ""
OLD_REFERENCE = False
CONNECT = b'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n'


def cert(name):
    return os.path.join(CERTS, name)


def context(client=None, ca="ca.pem", version=None, ciphers=None):
    """What a client goes by; client: the name of its own certificate."""
    made = ssl.create_default_context(cafile=cert(ca))
    if client:
        made.load_cert_chain(cert(client + ".pem"), cert(client + ".key"))
    if version:
        made.maximum_version = version
    if ciphers:
        made.set_ciphers(ciphers)
    return made


class Client:
    """A connection; nothing has been read or sent yet."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS)
        self.rest = b""

    def line(self):
        """The next line without its end; nothing at the end of the connection."""
        while b"\r\n" not in self.rest:
            try:
                part = self.socket.recv(65536)
            except (ConnectionError, ssl.SSLError):
                part = b""
            if not part:
                return b""
            self.rest += part
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def info(self):
        line = self.line()
        if not line.startswith(b"INFO "):
            raise AssertionError(f"got {line}, not INFO")
        return json.loads(line[5:])

    def secure(self, made=None):
        """The handshake. Raises ssl.SSLError or ConnectionError when it fails."""
        self.socket = (made or context()).wrap_socket(self.socket, server_hostname="localhost")
        return self

    def say(self, text):
        self.socket.sendall(text)
        return self

    def works(self):
        """True when the connection answers a PING after CONNECT."""
        try:
            self.say(CONNECT)
        except (ConnectionError, ssl.SSLError):
            return False
        return self.line() == b"PONG"

    def is_silent(self, seconds):
        """Nothing comes for so long, not even the end."""
        self.socket.settimeout(seconds)
        try:
            self.rest += self.socket.recv(1)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(broker.WAIT_SECONDS)
        return False

    def serial(self):
        """Which certificate the broker shows."""
        return self.socket.getpeercert()["serialNumber"]

    def close(self):
        self.socket.close()


class Case(unittest.TestCase):
    def start(self, block, more="", flags=()):
        """A broker with this in its block tls, beside a certificate."""
        self.dir = self.enterContext(tempfile.TemporaryDirectory(prefix="tern-e2e-"))
        self.config = os.path.join(self.dir, "test.conf")
        self.use("server")
        self.write(block, more)
        self.server = self.enterContext(broker.Broker(BROKER, flags=["-c", self.config, *flags]))
        return self.server

    def write(self, block, more=""):
        with open(self.config, "w") as file:
            file.write(f"tls {{\n cert_file: '{self.dir}/used.pem'\n key_file: '{self.dir}/used.key'\n {block}\n}}\n{more}\n")

    def use(self, name, key=None):
        """The broker's certificate; key: another one's."""
        for part, of in (("pem", name), ("key", key or name)):
            shutil.copy(cert(f"{of}.{part}"), os.path.join(self.dir, "new"))
            os.rename(os.path.join(self.dir, "new"), os.path.join(self.dir, f"used.{part}"))

    def client(self):
        client = Client(self.server.port)
        self.addCleanup(client.close)
        return client

    def reload(self, want="Reloaded server configuration"):
        before = self.server.output().count(want)
        self.server.process.send_signal(signal.SIGHUP)
        broker.wait_for(want, lambda: self.server.output().count(want) > before)


class Upgrade(Case):
    """INFO in clear, then TLS."""

    def test_tls_is_required(self):
        self.start("")
        client = self.client()
        info = client.info()
        self.assertIs(info.get("tls_required"), True)
        self.assertNotIn("tls_available", info)
        self.assertNotIn("tls_verify", info)
        self.assertTrue(client.secure().works())

    def test_plain_text_ends_the_connection_without_a_word(self):
        self.start("")
        client = self.client()
        client.info()
        client.say(CONNECT)
        self.assertEqual(client.line(), b"")

    def test_who_says_nothing_is_not_kept(self):
        self.start("timeout: 0.3")
        client = self.client()
        client.info()
        self.assertEqual(client.line(), b"")

    def test_who_stops_in_the_middle_of_the_handshake_is_not_kept(self):
        self.start("timeout: 0.3")
        client = self.client()
        client.info()
        client.say(b"\x16\x03\x01\x02\x00\x01\x00")
        self.assertEqual(client.line(), b"")

    def test_tls_is_available(self):
        self.start("", "allow_non_tls: true")
        plain, secured = self.client(), self.client()
        info = plain.info()
        self.assertIs(info.get("tls_available"), True)
        self.assertNotIn("tls_required", info)
        self.assertTrue(plain.works())
        secured.info()
        self.assertTrue(secured.secure().works())

    def test_old_versions_and_what_is_configured(self):
        self.start("cipher_suites: ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384']\n curve_preferences: ['CurveP256']")
        client = self.client()
        client.info()
        client.secure(context(version=ssl.TLSVersion.TLSv1_2))
        self.assertEqual(client.socket.cipher()[0], "ECDHE-ECDSA-AES256-GCM-SHA384")
        self.assertTrue(client.works())
        client = self.client()
        client.info()
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            client.secure(context(version=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"))

    def test_the_least_version(self):
        if OLD_REFERENCE:
            self.skipTest("this nats-server has no min_version")
        self.start("min_version: '1.3'")
        client = self.client()
        client.info()
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            client.secure(context(version=ssl.TLSVersion.TLSv1_2))
        client = self.client()
        client.info()
        self.assertTrue(client.secure().works())

    def test_messages_of_all_sizes_arrive(self):
        self.start("", "allow_non_tls: true")
        sender, receivers = self.client(), [self.client() for _ in range(3)]
        for client in (sender, *receivers):
            client.info()
        for client in (sender, *receivers[:2]):
            client.secure()
        for client in (sender, *receivers):
            self.assertTrue(client.works())
        for client in receivers:
            client.say(b"SUB a 1\r\nPING\r\n")
            self.assertEqual(client.line(), b"PONG")
        sizes = (1, 100, 16384, 16385, 100000, 1048576)
        for size in sizes:
            sender.say(b"PUB a %d\r\n" % size + b"x" * size + b"\r\n")
        for client in receivers:
            for size in sizes:
                self.assertEqual(client.line(), b"MSG a 1 %d" % size)
                self.assertEqual(client.line(), b"x" * size)

    def test_the_time_for_connect_begins_with_the_end_of_the_handshake(self):
        self.start("timeout: 30", "authorization { user: u, password: p, timeout: 1 }")
        client = self.client()
        client.info()
        self.assertTrue(client.is_silent(1.3))
        client.secure()
        self.assertEqual(client.line(), b"-ERR 'Authentication Timeout'")

    def test_flags_alone(self):
        with broker.Broker(BROKER, flags=["--tls", "--tlscert", cert("server.pem"), "--tlskey",
                                          cert("server.key")]) as server:
            client = Client(server.port)
            self.addCleanup(client.close)
            self.assertIs(client.info().get("tls_required"), True)
            self.assertTrue(client.secure().works())

    def test_flags_for_client_certificates(self):
        with broker.Broker(BROKER, flags=["--tlsverify", "--tlscert", cert("server.pem"), "--tlskey",
                                          cert("server.key"), "--tlscacert", cert("ca.pem")]) as server:
            for own, works in (("client", True), (None, False)):
                client = Client(server.port)
                self.addCleanup(client.close)
                self.assertIs(client.info().get("tls_verify"), True)
                try:
                    self.assertIs(client.secure(context(own)).works(), works)
                except ssl.SSLError:
                    self.assertFalse(works)


class Verify(Case):
    """Clients show certificates."""

    def tries(self, own):
        client = self.client()
        info = client.info()
        self.assertIs(info.get("tls_verify"), True)
        try:
            return client.secure(context(own)).works()
        except (ssl.SSLError, ConnectionError):
            return False

    def test_only_those_with_a_good_certificate_come_in(self):
        self.start(f"ca_file: '{cert('ca.pem')}'\n verify: true")
        self.assertTrue(self.tries("client"))
        self.assertFalse(self.tries(None))
        self.assertFalse(self.tries("stranger"))
        self.assertFalse(self.tries("expired"))

    def test_a_certificate_says_who_it_is(self):
        self.start(f"ca_file: '{cert('ca.pem')}'\n verify_and_map: true",
                   "authorization { users: [{user: 'alice@example.com', permissions: {publish: 'mine'}}] }")
        alice, other, nobody = self.client(), self.client(), self.client()
        info = alice.info()
        self.assertIs(info.get("tls_verify"), True)
        self.assertIs(info.get("auth_required"), True)
        self.assertTrue(alice.secure(context("client")).works())
        alice.say(b"PUB mine 1\r\nx\r\nPUB yours 1\r\nx\r\n")
        self.assertEqual(alice.line(), b"-ERR 'Permissions Violation for Publish to \"yours\"'")
        other.info()
        self.assertFalse(other.secure(context("other")).works())  # a good one, but of no user
        nobody.info()
        try:
            self.assertFalse(nobody.secure().works())
        except (ssl.SSLError, ConnectionError):
            pass

    def test_only_pinned_certificates(self):
        def pin(name):
            public = subprocess.run(["openssl", "x509", "-in", cert(name), "-pubkey", "-noout"], check=True,
                                    capture_output=True).stdout
            der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True,
                                 capture_output=True).stdout
            import hashlib
            return hashlib.sha256(der).hexdigest()
        self.start(f"ca_file: '{cert('ca.pem')}'\n verify: true\n pinned_certs: ['{pin('client.pem')}']")
        self.assertTrue(self.tries("client"))
        self.assertFalse(self.tries("other"))


class First(Case):
    """The handshake comes before INFO."""

    def setUp(self):
        if OLD_REFERENCE:
            self.skipTest("this nats-server has no handshake_first")

    def test_nothing_is_said_in_clear(self):
        self.start("handshake_first: true")
        client = self.client()
        self.assertTrue(client.is_silent(0.3))
        self.assertIs(client.secure().info().get("tls_required"), True)
        self.assertTrue(client.works())
        plain = self.client()
        plain.say(CONNECT)
        self.assertEqual(plain.line(), b"")

    def test_the_silent_are_not_kept(self):
        self.start("handshake_first: true\n timeout: 0.3")
        self.assertEqual(self.client().line(), b"")

    def test_auto(self):
        for wait in ("auto", "300ms"):
            with self.subTest(wait):
                self.start(f"handshake_first: '{wait}'")
                at_once, later = self.client(), self.client()
                self.assertTrue(at_once.secure().info()["tls_required"])
                self.assertTrue(at_once.works())
                self.assertTrue(later.info()["tls_required"])  # in clear, after a while
                self.assertTrue(later.secure().works())

    def test_auto_and_plain(self):
        self.start("handshake_first: auto", "allow_non_tls: true")
        at_once, later, plain = self.client(), self.client(), self.client()
        plain.say(CONNECT)
        plain.info()
        self.assertEqual(plain.line(), b"PONG")
        at_once.secure().info()
        self.assertTrue(at_once.works())
        later.info()
        self.assertTrue(later.secure().works())

    def test_s_client(self):
        """openssl(1) is a client nobody wrote for this."""
        self.start("handshake_first: true")
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-CAfile",
                               cert("ca.pem"), "-verify_return_error", "-verify_hostname", "localhost", "-quiet"],
                              input=CONNECT + b"PUB a 2\r\nok\r\nPING\r\n-ERR end\r\n", capture_output=True,
                              timeout=broker.WAIT_SECONDS)
        self.assertRegex(done.stdout, rb"^INFO \{.*\} \r\nPONG\r\nPONG\r\n", done.stderr)


class Limits(Case):
    def test_more_connections_in_a_second_than_allowed(self):
        if OLD_REFERENCE:
            self.skipTest("this nats-server has no connection_rate_limit")
        self.start("connection_rate_limit: 5")
        refused = 0
        for _ in range(40):
            client = self.client()
            client.info()
            refused += not client.is_silent(0.01) and b"throttling is active" in client.line()
        self.assertGreater(refused, 10)
        time.sleep(1.1)
        client = self.client()
        client.info()
        self.assertTrue(client.secure().works())

    def test_a_crowd_is_served_and_those_inside_notice_nothing(self):
        self.start("")
        inside = self.client()
        inside.info()
        self.assertTrue(inside.secure().works())
        crowd = [self.client() for _ in range(60)]
        hello = []
        for client in crowd:  # all say hello before anybody waits for an answer
            client.info()
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                pass
            hello.append((client, session, incoming, outgoing, outgoing.read()))
        for client, *_, first in hello:
            client.say(first)
        inside.say(b"PING\r\n")
        self.assertEqual(inside.line(), b"PONG")
        for client, session, incoming, outgoing, _ in hello:
            while True:
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    incoming.write(client.socket.recv(65536))
            session.write(CONNECT)
            client.say(outgoing.read())
            answer = b""
            while b"PONG" not in answer:
                try:
                    answer += session.read(100)
                except ssl.SSLWantReadError:
                    incoming.write(client.socket.recv(65536))


class Change(Case):
    """Certificates that are replaced while the broker runs."""

    def shown(self):
        client = self.client()
        client.info()
        client.secure()
        self.assertTrue(client.works())
        return client.serial()

    def test_a_reload_takes_the_new_ones(self):
        self.start("")
        inside = self.client()
        inside.info()
        self.assertTrue(inside.secure().works())
        before = self.shown()
        self.use("rsa")
        self.reload()
        self.assertNotEqual(self.shown(), before)
        inside.say(b"PING\r\n")
        self.assertEqual(inside.line(), b"PONG")

    def test_a_bad_pair_changes_nothing(self):
        self.start("")
        before = self.shown()
        self.use("rsa", key="server")
        self.reload("Failed to reload")
        self.assertEqual(self.shown(), before)

    def test_new_files_are_noticed(self):
        if os.path.basename(BROKER) != "tern":
            self.skipTest("nats-server waits for a reload")
        self.start("")
        before = self.shown()
        self.use("rsa", key="server")
        broker.wait_for("a word about it", lambda: "the old ones stay in use" in self.server.output())
        self.assertEqual(self.shown(), before)
        self.use("rsa")
        broker.wait_for("a word about it", lambda: "Changed certificates are in use" in self.server.output())
        self.assertNotEqual(self.shown(), before)

    def test_verify_can_be_asked_for_later(self):
        self.start("")
        self.assertTrue(self.shown())
        self.write(f"ca_file: '{cert('ca.pem')}'\n verify: true")
        self.reload()
        client = self.client()
        self.assertIs(client.info().get("tls_verify"), True)
        self.assertTrue(client.secure(context("client")).works())

    def test_tls_can_go_and_come(self):
        self.start("")
        secured = self.client()
        secured.info()
        self.assertTrue(secured.secure().works())
        with open(self.config, "w") as file:
            file.write("debug: false\n")
        self.server.process.send_signal(signal.SIGHUP)
        if os.path.basename(BROKER) != "tern":
            return  # it may refuse
        broker.wait_for("the reload", lambda: "Reloaded server configuration" in self.server.output())
        plain = self.client()
        self.assertNotIn("tls_required", plain.info())
        self.assertTrue(plain.works())
        secured.say(b"PING\r\n")
        self.assertEqual(secured.line(), b"PONG")


class Monitoring(Case):
    def test_https_and_what_the_pages_say(self):
        server = self.start("timeout: 3", "https: '127.0.0.1:-1'")
        with open(os.path.join(server.dir, f"{os.path.basename(BROKER)}_{server.process.pid}.ports")) as file:
            base = json.load(file)["monitoring"][0]
        self.assertTrue(base.startswith("https://"))
        client = self.client()
        client.info()
        self.assertTrue(client.secure().works())

        def page(path):
            local = f"https://localhost:{base.rsplit(':', 1)[1]}{path}"
            with urllib.request.urlopen(local, context=context(), timeout=broker.WAIT_SECONDS) as answer:
                return json.load(answer)
        varz, connz = page("/varz"), page("/connz")
        self.assertIs(varz["tls_required"], True)
        self.assertEqual(varz["tls_timeout"], 3)
        self.assertEqual(connz["connections"][0]["tls_version"], client.socket.version()[4:])
        self.assertEqual(connz["connections"][0]["tls_cipher_suite"], client.socket.cipher()[0])


class Mistakes(unittest.TestCase):
    def test_they_are_named(self):
        if os.path.basename(BROKER) != "tern":
            self.skipTest("the words are tern's")
        pair = f"cert_file: '{cert('server.pem')}', key_file: '{cert('server.key')}'"
        for block, says in (
                (f"cert_file: '{cert('server.pem')}'", "key_file is missing"),
                (f"cert_file: '/no/such.pem', key_file: '{cert('server.key')}'", "/no/such.pem"),
                (f"cert_file: '{cert('server.pem')}', key_file: '{cert('rsa.key')}'", "does not belong"),
                (f"{pair}, cipher_suites: ['NONE_SUCH']", "NONE_SUCH"),
                (f"{pair}, curve_preferences: ['P1']", "P1"),
                (f"{pair}, pinned_certs: ['12']", "12"),
                (f"{pair}, timeout: soon", "invalid value \"soon\" for timeout"),
                (f"{pair}, timeout: -1", "invalid value \"-1\" for timeout"),
                (f"{pair}, handshake_first: sometimes", "handshake_first"),
                (f"{pair}, verify: 'yes'", "verify is a string"),
                (f"{pair}, nonsense: 1", "unknown field \"nonsense\""),
                (f"{pair}, certs: [{{{pair}}}]", "either cert_file and key_file, or certs"),
        ):
            with self.subTest(block), tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
                file.write(f"tls {{ {block} }}\n")
                file.flush()
                done = subprocess.run([BROKER, "-t", "-c", file.name], capture_output=True, text=True,
                                      timeout=broker.WAIT_SECONDS)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(says, done.stderr)


if __name__ == "__main__":
    if not shutil.which("openssl"):
        broker.skip("openssl(1), which makes the certificates, is not installed")
    BROKER = os.path.abspath(sys.argv.pop(1))
    OLD_REFERENCE = os.path.basename(BROKER) != "tern" and "v2.9." in subprocess.run(
        [BROKER, "-v"], capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory(prefix="tern-certs-") as CERTS:
        subprocess.run(["sh", os.path.join(HERE, "..", "..", "support", "certs.sh"), CERTS], check=True)
        unittest.main()
