#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real client over every kind of authentication and every way to secure connections, by tern and by nats-server.

    clients.py TERN CLIENT COMMAND... [-- TEST...]

CLIENT is libnats or node, COMMAND starts the program that drives it (../libnats/driven.c says how it is spoken to).
There is a broker of its own for every pair of MODES and KINDS; nats-server is tried in some of them (is_one_of_each), to
show that the tests speak of its behaviour. In each

    those with the right credentials, secured as the mode wants it, come in, and messages and requests go through;
    those with wrong ones, or secured otherwise, are refused, and the client says so with an error of its own kind;

and in some

    who is in stays in through a reload that keeps it, comes back by itself to a broker that was started again, is
    thrown out by a reload that removes it, and is refused from then on.

Exit code 77: skipped, and why.
"""
import functools
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
sys.path.insert(0, os.path.join(HERE, "..", "node"))
import broker  # noqa: E402
import run  # noqa: E402

TERN, CLIENT, COMMAND, CERTS = "", "", [], ""

#: What a client says when it is refused. With TLS 1.3 it learns after the handshake, as far as it can tell, that its
#: certificate is not wanted: by an alert, by the end of the connection (to node CONNECTION_REFUSED) or by a reset,
#: whatever is faster.
REFUSALS = {
    "libnats": {"authorization": "Authentication Violation", "wants TLS": "Secure Connection not available",
                "without TLS": "SSL Error", "untrusted": "SSL Error",
                "certificate": "SSL Error|Protocol Error|IO Error|Connection Closed"},
    "node": {"authorization": "AUTHORIZATION_VIOLATION", "wants TLS": "SERVER_OPT_NA", "without TLS": "TLS",
             "untrusted": "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
             "certificate": "ERR_SSL_[A-Z0-9_]*_ALERT_[A-Z_]*|ECONNRESET|EPIPE|CONNECTION_(CLOSED|REFUSED)"},
}


class Mode:
    """A way to secure connections. block: what is in the block tls beside the certificate, None: there is no block.
    joins: the client's own options with which it works; wrong: those with which it does not, and the refusal. cut: the
    block after a reload that pins another certificate."""

    def __init__(self, block, joins, wrong, more="", first=False, cut=None):
        self.block, self.joins, self.wrong, self.more, self.cut = block, joins, wrong, more, cut
        self.is_first = first  # the handshake comes before INFO


PLAIN = {}
TLS = {"tls": "1", "ca": "ca.pem"}
FIRST = {**TLS, "first": "1"}
OWN = {**TLS, "cert": "client.pem", "key": "client.key"}
STRANGER = {**TLS, "ca": "stranger.pem"}
VERIFY = "ca_file: '{certs}/ca.pem', verify: true"

MODES = {
    "in_clear": Mode(None, [PLAIN], [(TLS, "wants TLS")]),
    "upgrade": Mode("", [TLS], [(PLAIN, "without TLS"), (STRANGER, "untrusted")]),
    "first": Mode("handshake_first: true", [FIRST], [({**FIRST, "ca": "stranger.pem"}, "untrusted")], first=True),
    # who begins at once, however slow this machine is; and who waits for INFO
    "first_or_later": Mode("handshake_first: '1m'", [FIRST], [({**FIRST, "ca": "stranger.pem"}, "untrusted")],
                           first=True),
    "first_or_soon": Mode("handshake_first: auto", [TLS], [(PLAIN, "without TLS"), (STRANGER, "untrusted")],
                          first=True),
    "both": Mode("", [PLAIN, TLS], [(STRANGER, "untrusted")], more="allow_non_tls: true"),
    "verify": Mode(VERIFY, [OWN], [(TLS, "certificate"),
                                   ({**TLS, "cert": "stranger.pem", "key": "stranger.key"}, "certificate")]),
    "pinned": Mode(VERIFY + ", pinned_certs: ['{pin}']", [OWN],
                   [(TLS, "certificate"), ({**TLS, "cert": "other.pem", "key": "other.key"}, "certificate")],
                   cut=VERIFY + ", pinned_certs: ['{other_pin}']"),
}


class Kind:
    """A kind of authentication. kept: the configuration changed in another place; cut: one that has no place any more
    for the first of those who are right."""

    def __init__(self, text, kept, cut, right, wrong):
        self.text, self.kept, self.cut, self.right, self.wrong = text, kept, cut, right, wrong


def user(name, password):
    return {"user": name, "password": password}


def users(*entries):
    return "authorization { users: [\n" + "\n".join(entries) + "\n] }\n"


NKEY = {"nkey": "UDA4BYIGYNTQNOI43KAWYRBPKUIYZFLJKVETBFG22RUE7AIMHIVBP66Y",
        "seed": "SUANCSC5OGOHVV7PA6VW5K3T4BWNL6HI6VRQA4U6UM2SSULMAFVQOU3XYQ"}
OTHER_NKEY = {"nkey": "UBPVBGRAIW4ATJBXCADUJC32USVKS5E4BGYXYSVFY2XLUGRGGYJBASTR",
              "seed": "SUAILSBCHLCYA7PTSJN4LOJNBEO63ALX5O2V3PBC2IKOANST5A4PC5K2TY"}
#: Hashes of "secret-2a" and so on, cost 4.
HASHES = {"2a": "$2a$04$abcdefghijklmnopqrstuuzlzRO.d.QdMXpknd7gPte1mKPgZFLIS",
          "2b": "$2b$04$abcdefghijklmnopqrstuuIZAP8ej3a8sLdSsxeykZFmWAxlH/c/2",
          "2y": "$2y$04$abcdefghijklmnopqrstuuPiF/a0JlIfVM6jcdoTUxTqcNzWiNHwe"}
CHANGED = "max_payload: 500000\n"
NAMED, NEW = "{user: named, password: pass}", "{user: new, password: new}"
HASHED = [f"{{user: h{name}, password: '{text}'}}" for name, text in HASHES.items()]

KINDS = {
    "nobody_is_asked": Kind("", CHANGED, "authorization { token: other }\n", [{}, user("a", "b")], []),
    "token": Kind("authorization { token: right }\n", "authorization { token: right }\n" + CHANGED,
                  "authorization { token: other }\n", [{"token": "right"}],
                  [{}, {"token": "Right"}, user("right", "right")]),
    "hashed_token": Kind(f"authorization {{ token: '{HASHES['2a']}' }}\n",
                         f"authorization {{ token: '{HASHES['2a']}' }}\n" + CHANGED,
                         "authorization { token: other }\n", [{"token": "secret-2a"}],
                         [{"token": "secret-2b"}, {"token": HASHES["2a"]}]),
    "user": Kind("authorization { user: u, password: right }\n",
                 "authorization { user: u, password: right }\n" + CHANGED,
                 "authorization { user: u, password: other }\n", [user("u", "right")],
                 [{}, user("u", "Right"), user("U", "right"), {"token": "right"}]),
    "users": Kind(users(NAMED, *HASHED), users(NAMED, NEW, *HASHED), users(NEW, *HASHED),
                  [user("named", "pass"), *(user("h" + name, "secret-" + name) for name in HASHES)],
                  [{}, user("named", "secret-2a"), user("h2a", "secret-2b"), user("h2y", HASHES["2y"])]),
    "hashed_user": Kind(users(*HASHED), users(NAMED, *HASHED), users(*HASHED[1:]), [user("h2a", "secret-2a")],
                        [user("named", "pass")]),
    "nkey": Kind(users(f"{{nkey: {NKEY['nkey']}}}", NAMED), users(f"{{nkey: {NKEY['nkey']}}}", NAMED, NEW),
                 users(f"{{nkey: {OTHER_NKEY['nkey']}}}", NAMED),
                 [NKEY, user("named", "pass")], [{}, OTHER_NKEY, {**NKEY, "seed": OTHER_NKEY["seed"]}]),
    "no_auth_user": Kind(users(NAMED, "{user: guest}") + "no_auth_user: guest\n",
                         users(NAMED, NEW, "{user: guest}") + "no_auth_user: guest\n",
                         users(NEW, "{user: guest}") + "no_auth_user: guest\n",
                         [user("named", "pass"), {}], [user("named", "Pass"), user("other", "")]),
    "accounts": Kind(f"accounts {{ A {{ users: [{NAMED}] }}\n B {{ users: [{{user: b, password: b}}] }} }}\n",
                     f"accounts {{ A {{ users: [{NAMED}, {NEW}] }}\n B {{ users: [{{user: b, password: b}}] }} }}\n",
                     "accounts { A {}\n B { users: [{user: b, password: b}] } }\n",
                     [user("named", "pass"), user("b", "b")], [{}, user("named", "b"), user("A", "pass")]),
    # the client's certificate says who it is; what CONNECT says beside it is passed over
    "certificate": Kind(users("{user: 'alice@example.com'}"), users("{user: 'alice@example.com'}", NEW), users(NEW),
                        [{"cert": "client.pem", "key": "client.key"}],
                        [{"cert": "other.pem", "key": "other.key"}]),
}


class Client:
    """The program that drives the client."""

    def __init__(self):
        self.process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        cwd=os.path.join(HERE, "..", "node"))

    def ask(self, *words):
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        if not answer:
            raise AssertionError(f"the client ended with {self.process.wait()} when asked to {words}")
        return answer

    def join(self, number, port, tls, credentials, reconnect=False):
        keys = {"url": f"nats://localhost:{port}", **tls, **credentials, **({"reconnect": "1"} if reconnect else {})}
        for key in ("ca", "cert", "key"):
            if key in keys:
                keys[key] = os.path.join(CERTS, keys[key])
        return self.ask("join", number, *(f"{key}={value}" for key, value in keys.items()))

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(broker.WAIT_SECONDS)
        self.process.stdout.close()
        return code


def programs():
    """The servers. nats-server is the same whatever tern is built with: once is enough."""
    return [TERN] + ([broker.reference()] if broker.reference() and broker.SCALE == 1 else [])


def is_one_of_each(mode, kind):
    """Some pairs, with every mode and every kind in them."""
    return mode is MODES["upgrade"] or kind in (KINDS["users"], KINDS["certificate"])


def is_tried(path, mode, kind):
    """Tern in every pair; nats-server in some, if it is new enough for handshake_first (2.10)."""
    if path == TERN:
        return True
    if mode.is_first and "v2.9." in subprocess.run([path, "-v"], capture_output=True, text=True, check=True).stdout:
        return False
    return is_one_of_each(mode, kind)


@functools.lru_cache
def pin(name):
    """The hash of a certificate's public key."""
    public = subprocess.run(["openssl", "x509", "-in", os.path.join(CERTS, name), "-pubkey", "-noout"], check=True,
                            capture_output=True).stdout
    return hashlib.sha256(subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True,
                                         capture_output=True).stdout).hexdigest()


class Pair:
    """A broker for one mode and one kind, and what is done with it."""

    def __init__(self, test, client, path, mode, kind):
        self.test, self.client, self.path, self.mode, self.kind = test, client, path, mode, kind
        self.by_certificate = kind is KINDS["certificate"]
        self.server = broker.Broker(path, text=self.text(kind.text))

    def text(self, kind, block=None):
        """A configuration with this about who may come in."""
        block = block or self.mode.block
        if block is None:
            return kind or "max_payload: 600000\n"
        if self.by_certificate:
            block += (", " if block else "") + ("" if "verify" in block else "ca_file: '{certs}/ca.pem', ")
            block += "verify_and_map: true"
        block = block.format(certs=CERTS, pin=pin("client.pem"), other_pin=pin("other.pem"))
        pair = f"cert_file: '{CERTS}/server.pem', key_file: '{CERTS}/server.key', timeout: 30\n"
        return f"tls {{ {pair}{block} }}\n{self.mode.more}\n{kind}"

    def join(self, tls, credentials, number="0", reconnect=False):
        return self.client.join(number, self.server.port, tls, credentials, reconnect)

    def comes_in(self, tls, credentials):
        with self.test.subTest(tls=tls, credentials=credentials):
            self.test.assertEqual(self.join(tls, credentials), "ok", self.server.output())
            self.test.assertEqual(self.client.ask("works", "0"), "ok", self.server.output())
            self.client.ask("leave", "0")

    def is_refused(self, tls, credentials, why):
        with self.test.subTest(tls=tls, credentials=credentials, refused=why):
            said = self.join(tls, credentials)
            self.test.assertRegex(said, rf"^refused\t({REFUSALS[CLIENT][why]})$")
            self.test.assertIsNone(self.server.process.poll())

    def joins(self):
        """libnats 3.4 asks for TLS only where the broker insists on it."""
        joins = [join for join in self.mode.joins if join or not self.by_certificate]
        return joins[:1] if CLIENT == "libnats" else joins

    def verdicts(self):
        for tls in self.joins():
            for credentials in self.kind.right:
                self.comes_in(tls, credentials)
        for tls, why in self.mode.wrong:
            if self.mode is MODES["both"] and CLIENT == "libnats":
                why = "wants TLS"
            self.is_refused(tls, {} if self.by_certificate and why == "certificate" else self.kind.right[0], why)
        for credentials in self.kind.wrong:
            is_pinned_out = "cert" in credentials and self.mode is MODES["pinned"]
            self.is_refused(self.joins()[0], credentials, "certificate" if is_pinned_out else "authorization")

    def reload(self, text):
        with open(os.path.join(self.server.dir, "config"), "w", encoding="utf-8") as file:
            file.write(text)
        before = self.server.output().count("Reloaded server configuration")
        self.server.process.send_signal(signal.SIGHUP)
        broker.wait_for("a reload",
                        lambda: self.server.output().count("Reloaded server configuration") > before)

    def restart(self, text):
        port = self.server.port
        self.server.stop(signal.SIGINT)
        self.server.__exit__()
        self.server = broker.Broker(self.path, text=text, port=port)

    def life(self):
        """What becomes of one that is in."""
        test, tls, first = self.test, self.joins()[-1], self.kind.right[0]
        with test.subTest(tls=tls, credentials=first, life=True):
            test.assertEqual(self.join(tls, first, reconnect=True), "ok")
            self.reload(self.text(self.kind.kept))
            back = 0
            if self.path != TERN and self.kind is KINDS["user"]:
                back = 1  # nats-server sends a single user away at every reload, to come back
                test.assertEqual(self.client.ask("wait", "0", "back", "1"), "ok")
            test.assertEqual(self.client.ask("works", "0"), "ok")
            test.assertEqual(self.client.ask("told", "0"), f"ok\t{back}\t{back}\t0")
            self.restart(self.text(self.kind.kept))
            test.assertEqual(self.client.ask("wait", "0", "back", str(back + 1)), "ok")
            test.assertEqual(self.client.ask("works", "0"), "ok")
            test.assertEqual(self.client.ask("told", "0"), f"ok\t{back + 1}\t{back + 1}\t0")
            self.reload(self.text(self.kind.cut))
            test.assertEqual(self.client.ask("wait", "0", "closed", "1"), "ok")
            self.client.ask("leave", "0")
            self.is_refused(tls, first, "authorization")

    def pins(self):
        """Other certificates are pinned: who is in stays in, and would be refused now."""
        if self.mode.cut is None:
            return
        tls, first = self.joins()[-1], self.kind.right[0]
        with self.test.subTest(pins=True):
            self.reload(self.text(self.kind.text))
            self.test.assertEqual(self.join(tls, first), "ok")
            self.reload(self.text(self.kind.text, self.mode.cut))
            self.test.assertEqual(self.client.ask("works", "0"), "ok")
            self.client.ask("leave", "0")
            self.is_refused(tls, first, "certificate")


class Pairs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = Client()

    @classmethod
    def tearDownClass(cls):
        code = cls.client.end()
        if code:
            raise AssertionError(f"the client ended with {code}")

    def try_pair(self, mode, kind):
        if CLIENT == "libnats" and any("first" in join for join in mode.joins):
            self.skipTest("libnats 3.4 cannot begin with the handshake")
        if CLIENT == "libnats" and mode is MODES["both"] and kind is KINDS["certificate"]:
            self.skipTest("libnats 3.4 asks for TLS only where the broker insists on it")
        for path in programs():
            if not is_tried(path, mode, kind):
                continue
            with self.subTest(program=os.path.basename(path)):
                pair = Pair(self, self.client, path, mode, kind)
                try:
                    pair.verdicts()
                    if is_one_of_each(mode, kind):
                        pair.life()
                        pair.pins()
                finally:
                    pair.server.__exit__()


class Signatures(unittest.TestCase):
    #: NKEY's signature of the first begins with a zero byte (libnats/driven.c says what libnats makes of it).
    NONCES = ["nonce000236", "nonce000000"]

    def serve(self, server):
        """Lets in who signs; who does not is sent away and may come again."""
        for nonce in self.NONCES:
            with server.accept()[0] as peer:
                info = {"server_id": "N", "version": "2.12.0", "max_payload": 1048576, "headers": True,
                        "auth_required": True, "nonce": nonce}
                peer.sendall(f"INFO {json.dumps(info)}\r\n".encode())
                said = b""
                while b"PING\r\n" not in said:
                    said += peer.recv(65536)
                is_in = b'"sig":' in said
                peer.sendall(b"PONG\r\n" if is_in else b"-ERR 'Authorization Violation'\r\n")
                if is_in:
                    while peer.recv(65536):
                        pass
                    return

    def test_every_signature_lets_its_client_in(self):
        client = Client()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(broker.WAIT_SECONDS)
            thread = threading.Thread(target=self.serve, args=(server,), daemon=True)
            thread.start()
            self.assertEqual(client.join("0", server.getsockname()[1], PLAIN, NKEY), "ok")
            self.assertEqual(client.end(), 0)
            thread.join()


for mode_name, mode_ in MODES.items():
    for kind_name, kind_ in KINDS.items():
        if kind_name != "certificate" or mode_.block is not None:
            setattr(Pairs, f"test_{mode_name}_{kind_name}", lambda self, m=mode_, k=kind_: self.try_pair(m, k))


if __name__ == "__main__":
    TERN, CLIENT = os.path.abspath(sys.argv[1]), sys.argv[2]
    rest = sys.argv[3:]
    end = rest.index("--") if "--" in rest else len(rest)
    COMMAND = rest[:end]
    if CLIENT == "node":
        COMMAND = [run.prepare(), *COMMAND]
    if not shutil.which("openssl"):
        broker.skip("openssl(1), which makes the certificates, is not installed")
    with tempfile.TemporaryDirectory(prefix="tern-certs-") as CERTS:
        subprocess.run(["sh", os.path.join(HERE, "..", "..", "support", "certs.sh"), CERTS], check=True)
        result = unittest.main(argv=sys.argv[:1] + rest[end + 1:], exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if not broker.reference():
        broker.skip("there is no nats-server to compare with")
