#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Monitoring over HTTP: the same requests to tern and to nats-server must give the same status, the same keys and the
same JSON types, but for the differences in ONLY_TERN and ONLY_REFERENCE, which are wanted.

    monitor.py TERN [TEST...]

Exit code 77: all is well, but there was no nats-server to compare with.
"""
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

TERN = ""
#: Keys that a nats-server of the version tern behaves as has, and the one of the distribution may not have; and tern's own.
ONLY_TERN = {"/varz": {"tern", "stale_connections", "slow_consumer_stats", "stale_connection_stats"},
             "/routez": {"server_name"}, "/jsz": {"api.level"}}
#: Keys that tern does not have, and why.
ONLY_REFERENCE = {"/varz": {"system_account"}}  # tern has no system account
#: A list without elements, which old nats-servers give as null.
NULL_LISTS = {"leafs"}
#: Maps whose keys are data.
OPEN_MAPS = {"http_req_stats"}

PAGES = ["/varz", "/routez", "/leafz", "/gatewayz", "/jsz", "/healthz", "/routez?subs=1", "/routez?subs=detail",
         "/jsz?accounts=1&streams=true", "/healthz?js-enabled-only=0"]
REFUSED = ["/routez?subs=z", "/leafz?subs=yes", "/gatewayz?accs=2", "/jsz?accounts=x", "/healthz?js-enabled-only=q",
           "/nope", "/VARZ", "/varz/", "/routez/x"]


def get(url, path, headers=None, method="GET"):
    """Status, headers and body."""
    request = urllib.request.Request(url + path, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=broker.WAIT_SECONDS) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def get_json(url, path):
    status, headers, body = get(url, path)
    assert (status, headers["Content-Type"]) == (200, "application/json"), (path, status, body)
    return json.loads(body)


def kind(value):
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def shape(value, name=""):
    """{key: type} of everything in a JSON value; elements of lists are one entry, `[]`."""
    found = {name: kind(value)} if name else {}
    if isinstance(value, dict) and name.rsplit(".", 1)[-1] not in OPEN_MAPS:
        for key, inner in value.items():
            found.update(shape(inner, f"{name}.{key}" if name else key))
    if isinstance(value, list):
        for inner in value:
            found.update(shape(inner, name + "[]"))
    if value is None and name in NULL_LISTS:
        found[name] = "list"
    return found


def without(found, keys):
    """A shape without these keys and what is inside of them."""
    return {key: type_ for key, type_ in found.items()
            if not any(key == each or key.startswith(each + ".") for each in keys)}


class Side(unittest.TestCase):
    """Both servers, if both are there."""

    def setUp(self):
        self.tern = broker.Broker(TERN, flags=("-m", "-1"))
        self.addCleanup(self.tern.__exit__)
        self.url = self.tern.monitoring
        self.reference = None
        if broker.reference():
            self.reference = broker.Broker(broker.reference(), flags=("-m", "-1"))
            self.addCleanup(self.reference.__exit__)


class Pages(Side):
    def compare(self, path):
        base = path.split("?")[0]
        ours = shape(get_json(self.url, path))
        if not self.reference:
            return
        theirs = shape(get_json(self.reference.monitoring, path))
        self.assertEqual(without(ours, ONLY_TERN.get(base, ())), without(theirs, ONLY_REFERENCE.get(base, ())), path)

    def test_pages_have_the_keys_and_types_of_nats_server(self):
        for path in PAGES:
            with self.subTest(path):
                self.compare(path)

    def test_what_is_refused_is_refused_in_the_same_words(self):
        for path in REFUSED:
            with self.subTest(path):
                status, headers, body = get(self.url, path)
                self.assertIn(status, (400, 404))
                self.assertTrue(headers["Content-Type"].startswith("text/plain"))
                if self.reference:
                    their_status, _, their_body = get(self.reference.monitoring, path)
                    self.assertEqual((status, body), (their_status, their_body))

    def test_the_text_is_indented_as_by_nats_server(self):
        sides = [self.url] + ([self.reference.monitoring] if self.reference else [])
        for url in sides:
            text = get(url, "/routez")[2]
            self.assertRegex(text, r'\A\{\n  "server_id": "N\w{55}",\n(.*\n)+  "routes": \[\]\n\}\Z')
            self.assertEqual(get(url, "/healthz")[2], '{"status":"ok"}')

    def test_scripts_of_other_sites_may_ask(self):
        status, headers, body = get(self.url, "/healthz?callback=a.b_1")
        self.assertEqual((status, body), (200, 'a.b_1({"status":"ok"})'))
        self.assertEqual(headers["Content-Type"], "application/javascript")
        self.assertEqual(get(self.url, "/varz")[1]["Access-Control-Allow-Origin"], "*")
        for bad in ("a(b)", "<script>", "a;b", "x" * 200):
            self.assertEqual(get(self.url, f"/healthz?callback={urllib.request.quote(bad)}")[2], '{"status":"ok"}')

    def test_requests_are_counted(self):
        for _ in range(3):
            get(self.url, "/routez")
        get(self.url, "/nope")
        self.assertEqual(get_json(self.url, "/varz")["http_req_stats"], {"/routez": 3, "/varz": 1})

    def test_traffic_shows(self):
        broker.talk(self.tern.port, b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 5\r\nhello\r\nPING\r\n")
        varz = get_json(self.url, "/varz")
        self.assertEqual([varz[key] for key in ("total_connections", "in_msgs", "in_bytes", "out_msgs", "out_bytes")],
                         [1, 1, 5, 1, 5])

    def test_any_method_and_a_connection_that_goes_on(self):
        host = self.url.split("//")[1]
        connection = http.client.HTTPConnection(host, timeout=broker.WAIT_SECONDS)
        for _ in range(3):
            connection.request("GET", "/healthz")
            self.assertEqual(connection.getresponse().read(), b'{"status":"ok"}')
        sock = connection.sock
        connection.request("HEAD", "/healthz")
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b""))
        self.assertIs(connection.sock, sock)
        connection.request("POST", "/healthz", body=b"x" * 100)
        self.assertEqual(connection.getresponse().read(), b'{"status":"ok"}')
        connection.close()


class Settings(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tern-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_a_base_path(self):
        for base in ("/mon", "mon/", "/mon/"):
            with broker.Broker(TERN, flags=("-m", "-1", "-c", self.config(f'http_base_path: "{base}"\n'))) as server:
                self.assertEqual(get(server.monitoring, "/mon/healthz")[0], 200)
                for path in ("/healthz", "/monhealthz", "/mon", "/mon/mon/healthz"):
                    self.assertEqual(get(server.monitoring, path)[0], 404, path)

    def config(self, text):
        path = os.path.join(self.folder, "conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_a_port_in_use_is_said(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = subprocess.run([TERN, "-a", "127.0.0.1", "-p", "-1", "-m", str(port)], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=broker.WAIT_SECONDS)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"\[FTL\] cannot listen for monitoring on 127.0.0.1 port {port}: .*; "
                                      "stop the other server or choose another port with -m")

    def test_without_it_the_library_is_not_loaded(self):
        for flags, loaded in (((), False), (("-m", "-1"), True)):
            with broker.Broker(TERN, flags=flags) as server:
                with open(f"/proc/{server.process.pid}/maps", encoding="utf-8") as file:
                    self.assertEqual("libmicrohttpd" in file.read(), loaded)
                self.assertEqual(server.monitoring is not None, loaded)
                self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    TERN = os.path.abspath(sys.argv.pop(1))
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if not broker.reference():
        broker.skip("no nats-server here: nothing was compared with it")
