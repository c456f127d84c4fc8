#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may come in: what clients say to brokers with all kinds of users, and what becomes of it, by tern and by nats-server;
crowds whose passwords have hashes, while others go on; who may connect to a Unix-domain socket; and that no secret is ever
written.

    auth.py TERN [TEST...]

Exit code 77: all is well, but there was no nats-server to compare with.
"""
import base64
import contextlib
import json
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

TERN = ""
#: "secret", cost 4, and "storm", cost 11.
HASH = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
SLOW_HASH = "$2b$11$abcdefghijklmnopqrstuub5C7rX3T7Rwj8rwX7tnCn0ifDrMx1P."
USERS = f"""authorization {{
  users: [{{user: a, password: plain-secret}}, {{user: h, password: "{HASH}"}}, {{user: n}}, {{user: w, password: w-secret, allowed_connection_types: [WEBSOCKET]}}]
}}
accounts {{ B {{ users: [{{user: b, password: b-secret}}] }} }}
"""
TOKEN = "authorization { token: token-secret }\n"
HASHED_TOKEN = f'authorization {{ token: "{HASH}" }}\n'
SINGLE = "authorization { user: s, password: single-secret }\n"
ANYBODY = USERS + "no_auth_user: n\n"
VIOLATION = b"-ERR 'Authorization Violation'\r\n"

#: configuration, what CONNECT says, whether that is enough
CASES = [
    ("", {}, True), ("", {"user": "x", "pass": "y", "auth_token": "z"}, True),
    (USERS, {"user": "a", "pass": "plain-secret"}, True), (USERS, {"user": "a", "pass": "plain-secreT"}, False),
    (USERS, {"user": "a", "pass": "plain-secret-"}, False), (USERS, {"user": "a", "pass": ""}, False),
    (USERS, {"user": "a"}, False), (USERS, {"user": "A", "pass": "plain-secret"}, False), (USERS, {}, False),
    (USERS, {"pass": "plain-secret"}, False), (USERS, {"auth_token": "plain-secret"}, False),
    (USERS, {"user": "h", "pass": "secret"}, True), (USERS, {"user": "h", "pass": "secret-"}, False),
    (USERS, {"user": "h", "pass": HASH}, False), (USERS, {"user": "h"}, False),
    (USERS, {"user": "n"}, True), (USERS, {"user": "n", "pass": ""}, True), (USERS, {"user": "n", "pass": "x"}, False),
    (USERS, {"user": "b", "pass": "b-secret"}, True), (USERS, {"user": "b", "pass": "plain-secret"}, False),
    (USERS, {"user": "w", "pass": "w-secret"}, False), (USERS, {"user": "z", "pass": "z"}, False),
    (USERS, {"user": "a", "pass": "plain-secret", "nkey": "U", "sig": "x"}, True),
    (USERS, {"user": "a", "pass": "plain-secret", "account": "B"}, False),
    (TOKEN, {"auth_token": "token-secret"}, True), (TOKEN, {"auth_token": "token"}, False), (TOKEN, {}, False),
    (TOKEN, {"user": "token-secret"}, False), (TOKEN, {"user": "u", "pass": "token-secret"}, False),
    (TOKEN, {"auth_token": "token-secret", "user": "u", "pass": "p"}, True),
    (HASHED_TOKEN, {"auth_token": "secret"}, True), (HASHED_TOKEN, {"auth_token": "secret-"}, False),
    (SINGLE, {"user": "s", "pass": "single-secret"}, True), (SINGLE, {"user": "s", "pass": "s"}, False),
    (SINGLE, {"user": "t", "pass": "single-secret"}, False), (SINGLE, {"auth_token": "single-secret"}, False),
    (ANYBODY, {}, True), (ANYBODY, {"user": ""}, True), (ANYBODY, {"user": "a"}, False), (ANYBODY, {"pass": "x"}, False),
    (ANYBODY, {"user": "h", "pass": "secret"}, True),
]


def connect_line(fields):
    return b"CONNECT " + json.dumps({"verbose": False, "pedantic": False, **fields}).encode() + b"\r\n"


def comes_in(port, fields):
    """Whether a CONNECT that says this is enough; what came is nothing else than what has to come."""
    said = broker.talk(port, connect_line(fields) + b"PING\r\n")
    rest = said.split(b"\r\n", 1)[1]
    if rest not in (b"PONG\r\n", VIOLATION):
        raise AssertionError(f"{fields}: {rest!r}")
    return rest == b"PONG\r\n"


def programs():
    return [TERN] + ([broker.reference()] if broker.reference() else [])


class Peer:
    """A connection that says something and waits for a line."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS)
        self.file = self.socket.makefile("rb")
        self.info = json.loads(self.file.readline()[5:])

    def say(self, data):
        self.socket.sendall(data)

    def line(self):
        return self.file.readline()

    def close(self):
        self.file.close()
        self.socket.close()


class Verdicts(unittest.TestCase):
    def test_the_same_come_in(self):
        for text in dict.fromkeys(case[0] for case in CASES):
            for path in programs():
                with broker.Broker(path, text=text or "debug: false\n") as server:
                    for _, fields, good in (case for case in CASES if case[0] == text):
                        with self.subTest(program=os.path.basename(path), fields=fields, text=text):
                            self.assertEqual(comes_in(server.port, fields), good)

    def test_flags(self):
        for path in programs():
            for flags, good, bad in [(("-user", "u", "-pass", "p"), {"user": "u", "pass": "p"}, {"user": "u"}),
                                     (("--auth", "t"), {"auth_token": "t"}, {"auth_token": "p"})]:
                with self.subTest(program=os.path.basename(path), flags=flags), \
                        broker.Broker(path, flags=flags) as server:
                    self.assertTrue(comes_in(server.port, good))
                    self.assertFalse(comes_in(server.port, bad))

    def test_nothing_comes_before_connect(self):
        for path in programs():
            with broker.Broker(path, text=TOKEN) as server:
                for first in (b"PING\r\n", b"SUB a 1\r\n", b"x", b"\r\n"):
                    with self.subTest(program=os.path.basename(path), first=first):
                        self.assertTrue(broker.talk(server.port, first).endswith(VIOLATION))
            with broker.Broker(path, text=ANYBODY.replace("users", "timeout: 0.5, users", 1)) as server:
                self.assertTrue(broker.talk(server.port, b"").endswith(b"-ERR 'Authentication Timeout'\r\n"))
            with broker.Broker(path, text=ANYBODY) as server:
                with self.subTest(program=os.path.basename(path)):
                    self.assertTrue(broker.talk(server.port, b"SUB a 1\r\nPING\r\n").endswith(b"+OK\r\nPONG\r\n"))

    def test_who_says_nothing_is_cut_off(self):
        for path in programs():
            with self.subTest(program=os.path.basename(path)), \
                    broker.Broker(path, text="authorization { token: t, timeout: 0.5 }\n") as server:
                self.assertTrue(broker.talk(server.port, b"").endswith(b"-ERR 'Authentication Timeout'\r\n"))

    def test_who_has_not_begun_takes_nobodys_place(self):
        text = "accounts { A { users: [{user: a, password: p}], limits {max_conn: 1} }, B { users: [{user: b, password: p}] } }\n" \
            "authorization { timeout: 60 }\n"
        full = b"-ERR 'maximum account active connections exceeded'\r\n"
        for path in programs():
            with self.subTest(program=os.path.basename(path)), broker.Broker(path, text=text + "no_auth_user: a\n") as server:
                silent, first, other, late = (self.enterContext(contextlib.closing(Peer(server.port))) for _ in range(4))
                for peer, says, answer in ((first, {}, b"PONG\r\n"), (other, {"user": "b", "pass": "p"}, b"PONG\r\n"),
                                           (late, {}, full), (silent, {"user": "a", "pass": "p"}, full)):
                    peer.say(connect_line(says) + b"PING\r\n")
                    self.assertEqual(peer.line(), answer)
        with broker.Broker(TERN, text=text + "no_auth_user: a\n") as server:
            first, late = (self.enterContext(contextlib.closing(Peer(server.port))) for _ in range(2))
            for peer, answer in ((first, b"PONG\r\n"), (late, full)):
                peer.say(b"PING\r\n")
                self.assertEqual(peer.line(), answer)
        text = USERS + "no_auth_user: n\ntern { max_connections_per_user: 1 }\n"
        with broker.Broker(TERN, text=text) as server:
            peers = [self.enterContext(contextlib.closing(Peer(server.port))) for _ in range(3)]
            peers[0].say(b"PING\r\n")
            self.assertEqual(peers[0].line(), b"PONG\r\n")
            peers[1].say(connect_line({"user": "a", "pass": "plain-secret"}) + b"PING\r\n")
            self.assertEqual(peers[1].line(), b"PONG\r\n")
            peers[2].say(b"PING\r\n")
            self.assertEqual(peers[2].line(), b"-ERR 'maximum connections exceeded'\r\n")

    def test_info_tells_what_is_needed(self):
        for path in programs():
            for text, required in ((TOKEN, True), (ANYBODY, None), ("debug: false\n", None)):
                with self.subTest(program=os.path.basename(path), text=text), broker.Broker(path, text=text) as server:
                    peer = Peer(server.port)
                    self.assertEqual((peer.info.get("auth_required"), "nonce" in peer.info), (required, False))
                    peer.close()


class Nkeys(unittest.TestCase):
    def setUp(self):
        if shutil.which("openssl") is None:
            self.skipTest("no openssl to sign with")
        self.dir = tempfile.mkdtemp(prefix="tern-e2e-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.key = os.path.join(self.dir, "key")
        self.openssl("genpkey", "-algorithm", "ed25519", "-out", self.key)
        raw = bytes([20 << 3]) + self.openssl("pkey", "-in", self.key, "-pubout", "-outform", "DER")[-32:]
        crc = 0
        for byte in raw:
            crc ^= byte << 8
            for _ in range(8):
                crc = (crc << 1 ^ 0x1021) & 0xffff if crc & 0x8000 else crc << 1
        self.nkey = base64.b32encode(raw + crc.to_bytes(2, "little")).decode()

    def openssl(self, *args):
        return subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=broker.WAIT_SECONDS).stdout

    def sign(self, text):
        path = os.path.join(self.dir, "text")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return self.openssl("pkeyutl", "-sign", "-inkey", self.key, "-rawin", "-in", path)

    def test_a_signature_of_the_nonce_is_enough(self):
        text = f"authorization {{ users: [{{nkey: {self.nkey}}}, {{user: a, password: x}}] }}\n"
        for path in programs():
            with broker.Broker(path, text=text) as server:
                for form, good in ((lambda s: base64.urlsafe_b64encode(s).rstrip(b"="), True), (base64.b64encode, True),
                                   (lambda s: base64.urlsafe_b64encode(s[::-1]).rstrip(b"="), False),
                                   (lambda s: b"", False), (lambda s: b"x", False)):
                    peer = Peer(server.port)
                    self.assertEqual(len(peer.info["nonce"]), 15)
                    signature = form(self.sign(peer.info["nonce"])).decode()
                    peer.say(connect_line({"nkey": self.nkey, "sig": signature}) + b"PING\r\n")
                    with self.subTest(program=os.path.basename(path), signature=signature):
                        self.assertEqual(peer.line(), b"PONG\r\n" if good else VIOLATION)
                    peer.close()
                other = Peer(server.port)  # the nonce of another connection
                other.say(connect_line({"nkey": self.nkey, "sig": base64.b64encode(self.sign("x" * 15)).decode()}))
                self.assertEqual(other.line(), VIOLATION)
                other.close()
                self.assertTrue(comes_in(server.port, {"user": "a", "pass": "x"}))


class Certificates(unittest.TestCase):
    """verify_and_map: the client's certificate says who it is."""

    def setUp(self):
        if shutil.which("openssl") is None:
            self.skipTest("no openssl to make certificates with")
        self.dir = tempfile.mkdtemp(prefix="tern-e2e-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.make("server", "/CN=localhost", "IP:127.0.0.1")

    def path(self, name):
        return os.path.join(self.dir, name)

    def make(self, name, subject, alternative=None):
        """A certificate of its own, which is vouched for by being in the file of those that are."""
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                   "2", "-subj", subject, "-keyout", self.path(name + ".key"), "-out", self.path(name + ".pem")]
        if alternative:
            command += ["-addext", f"subjectAltName={alternative}"]
        subprocess.run(command, check=True, capture_output=True, timeout=broker.WAIT_SECONDS)
        with open(self.path(name + ".pem"), encoding="ascii") as one, open(self.path("ca"), "a", encoding="ascii") as all_:
            all_.write(one.read())

    def comes_in(self, port, name, fields):
        context = ssl.create_default_context(cafile=self.path("ca"))
        context.check_hostname = False
        context.load_cert_chain(self.path(name + ".pem"), self.path(name + ".key"))
        with socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS) as plain:
            info = b""
            while not info.endswith(b"\n"):
                info += plain.recv(1)
            with context.wrap_socket(plain) as peer:
                peer.sendall(connect_line(fields) + b"PING\r\n")
                return peer.recv(100) == b"PONG\r\n"

    def test_it_is_who_the_certificate_names(self):
        self.make("mail", "/O=x/CN=m", "email:m@x.org,DNS:m.x.org")
        self.make("dns", "/O=x/CN=d", "DNS:d.x.org")
        self.make("subject", "/O=x/OU=y/CN=s")
        self.make("other", "/O=x/CN=o", "DNS:o.x.org")
        text = f"""tls {{ cert_file: "{self.path('server.pem')}", key_file: "{self.path('server.key')}",
                         ca_file: "{self.path('ca')}", verify_and_map: true }}
authorization {{ users: [{{user: "m@x.org"}}, {{user: "d.x.org"}}, {{user: "CN=s,O=x,OU=y"}}] }}
"""
        for path in programs():
            with broker.Broker(path, text=text) as server:
                for name, fields, good in (("mail", {}, True), ("dns", {}, True), ("subject", {}, True), ("other", {}, False),
                                           ("mail", {"user": "d.x.org"}, True), ("mail", {"pass": "x"}, False),
                                           ("other", {"user": "m@x.org"}, False)):
                    with self.subTest(program=os.path.basename(path), name=name, fields=fields):
                        self.assertEqual(self.comes_in(server.port, name, fields), good)


class Crowds(unittest.TestCase):
    TEXT = f'authorization {{ users: [{{user: h, password: "{SLOW_HASH}"}}, {{user: a, password: x}}], timeout: 60 }}\n'

    def crowd(self, server, count, password):
        peers = [Peer(server.port) for _ in range(count)]
        for i, peer in enumerate(peers):
            peer.say(connect_line({"user": "h", "pass": password(i)}) + b"PING\r\n")
        return peers

    def test_others_go_on_while_passwords_are_compared(self):
        with broker.Broker(TERN, text=self.TEXT, workers=1) as server:
            other = Peer(server.port)
            other.say(connect_line({"user": "a", "pass": "x"}) + b"PING\r\n")
            self.assertEqual(other.line(), b"PONG\r\n")
            peers = self.crowd(server, 40, lambda i: f"wrong-{i}")
            for i in range(20):
                other.say(b"PING\r\n")
                while (line := other.line()) == b"PING\r\n":
                    pass
                self.assertEqual(line, b"PONG\r\n")
            # a worker that compared them itself would have been through with all before that
            peers[-1].socket.setblocking(False)
            with self.assertRaises(BlockingIOError):
                peers[-1].socket.recv(1)
            peers[-1].socket.settimeout(broker.WAIT_SECONDS)
            for peer in peers:
                self.assertEqual(peer.line(), VIOLATION)
                peer.close()
            other.close()
            self.assertEqual(server.stop(), 0)

    def test_a_crowd_with_the_right_password_comes_in(self):
        with broker.Broker(TERN, text=self.TEXT) as server:
            peers = self.crowd(server, 200, lambda i: "storm")
            for peer in peers:
                self.assertEqual(peer.line(), b"PONG\r\n")
                peer.close()
            self.assertEqual(server.stop(), 0)

    def test_the_server_ends_while_passwords_are_compared(self):
        with broker.Broker(TERN, text=self.TEXT) as server:
            peers = self.crowd(server, 40, lambda i: f"wrong-{i}")
            self.assertEqual(server.stop(), 0)
            for peer in peers:
                peer.close()


class Peers(unittest.TestCase):
    """Users of Unix-domain sockets."""
    TEXT = """authorization {{ users: [ {{user: me}}, {{user: other}} ] }}
        tern {{ unix_socket: "{path}", unix_mode: {mode}, unix_users {{ "{me}": me, "65534": other }} }}
        http: "127.0.0.1:-1"
        """

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tern-e2e-")
        self.addCleanup(shutil.rmtree, self.dir)
        os.chmod(self.dir, 0o755)
        self.path = os.path.join(self.dir, "socket")

    def serve(self, mode):
        text = self.TEXT.format(path=self.path, mode=mode, me=os.getuid())
        return broker.Broker(TERN, text=text, wrapper=["sh", "-c", 'umask 0077; exec "$@"', "sh"])

    def who_comes_in(self, server, uid):
        """The user that a process of this uid becomes, or None when it cannot connect."""
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            said = b""
            try:
                if uid != os.getuid():
                    os.setgroups([])
                    os.setgid(uid)
                    os.setuid(uid)
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.settimeout(broker.WAIT_SECONDS)
                    try:
                        peer.connect(self.path)
                    except PermissionError:
                        os._exit(13)
                    peer.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
                    while b"PONG\r\n" not in said:
                        said += peer.recv(65536)
                    cid = json.loads(said.splitlines()[0].removeprefix(b"INFO "))["client_id"]
                    url = f"{server.monitoring}/connz?auth=1&cid={cid}"
                    with urllib.request.urlopen(url, timeout=broker.WAIT_SECONDS) as page:
                        os.write(into, json.load(page)["connections"][0]["authorized_user"].encode())
                os._exit(0)
            finally:
                os._exit(1)
        os.close(into)
        with os.fdopen(out) as file:
            name = file.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.assertIn(code, (0, 13))
        return name if code == 0 else None

    def test_the_mode_says_who_may_connect_whatever_the_umask_is(self):
        for mode, others in (("0600", None), ('"0606"', "other"), ("0666", "other")):
            with self.subTest(mode=mode), self.serve(mode) as server:
                self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), int(mode.strip('"'), 8))
                self.assertEqual(self.who_comes_in(server, os.getuid()), "me")
                if os.getuid() == 0:
                    self.assertEqual(self.who_comes_in(server, 65534), others)
                self.assertEqual(server.stop(), 0)
                self.assertFalse(os.path.exists(self.path))


class Secrets(unittest.TestCase):
    def test_none_is_written(self):
        for text in (USERS, TOKEN, HASHED_TOKEN, SINGLE):
            with broker.Broker(TERN, text=text, flags=("-DV",)) as server:
                for _, fields, _ in (case for case in CASES if case[0] == text):
                    comes_in(server.port, fields)
                self.assertEqual(server.stop(), 0)
                said = server.output()
                self.assertIn("CONNECT", said)
                for secret in ("secret", HASH):
                    self.assertNotIn(secret, said)


if __name__ == "__main__":
    TERN = sys.argv.pop(1)
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if broker.reference() is None:
        broker.skip("all is well, but there is no nats-server to compare with")
