#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The console in a headless Chromium, with a broker and clients behind it: `console.py TERN [TEST...]`.

Exit code 77: there is no chromium.
"""
import base64
import hashlib
import html.parser
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

TERN = ""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = '<img src=x onerror="document.title=\'ran\'"><script>document.title=\'ran\'</script>&amp;"\''
MESSAGES = 700


class Parser(html.parser.HTMLParser):
    """What a page shows: the texts of elements by id, the rows of tables by the id of their body, attributes."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.rows, self.tags, self.attributes = {}, {}, [], []
        self.ids, self.body = [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.attributes.append((tag, attrs))
        if tag in ("meta", "link", "img"):
            return
        self.ids.append(attrs.get("id"))
        if tag == "tbody":
            self.body = self.rows.setdefault(attrs["id"], [])
        elif tag == "tr" and self.body is not None:
            self.body.append([])
        elif tag in ("td", "th") and self.body is not None:
            self.body[-1].append("")

    def handle_endtag(self, tag):
        self.ids.pop()
        if tag == "tbody":
            self.body = None

    def handle_data(self, data):
        for name in filter(None, self.ids):
            self.texts[name] = self.texts.get(name, "") + data
        if self.body and self.body[-1]:
            self.body[-1][-1] += data


def browse(url):
    """What the page shows after some rounds of asking (by the browser's clock, which runs ahead while it waits for
    nothing), and what the browser's console says."""
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={home}", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
             "--virtual-time-budget=20000", "--enable-logging=stderr", "--dump-dom", url],
            capture_output=True, text=True, timeout=3 * broker.WAIT_SECONDS, check=False, env={**os.environ, "HOME": home})
    return Parser(done.stdout), re.findall(r".*CONSOLE.*", done.stderr)


class Page(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tern-e2e-")
        self.addCleanup(self.folder.cleanup)

    def serve(self, text=""):
        server = broker.Broker(TERN, flags=("-m", "-1"), text=text)
        self.addCleanup(server.__exit__)
        return server

    def client(self, server, name, script=b""):
        peer = socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS)
        self.addCleanup(peer.close)
        peer.sendall(b"CONNECT " + json.dumps({"verbose": False, "name": name, "lang": "python"}).encode() + b"\r\n" +
                     script + b"PING\r\n")
        got = b""
        while b"PONG\r\n" not in got:
            part = peer.recv(65536)
            self.assertTrue(part)
            got += part

    def test_figures_and_connections(self):
        server = self.serve()
        self.client(server, "reader", b"SUB a.* 1\r\nSUB b 2\r\n")
        self.client(server, HOSTILE)
        self.client(server, "writer", b"PUB a.b 10\r\n0123456789\r\n" * MESSAGES)
        broker.talk(server.port, b'CONNECT {"name":"gone","verbose":false}\r\nBOGUS\r\n', b"nothing that comes")
        page, complaints = browse(server.monitoring + "/")
        self.assertEqual(complaints, [])
        self.assertEqual((page.texts["trouble"] if "trouble" in page.texts else "", page.texts["state"]), ("", "Live"))
        rows = {row[1]: row for row in page.rows["open"]}
        self.assertEqual(set(rows), {"reader", "writer", HOSTILE})
        self.assertEqual((rows["reader"][4], rows["reader"][5]), ("$G", "2"))
        self.assertEqual((rows["writer"][7], rows["writer"][9]), (str(MESSAGES), "6.84 KiB"))
        self.assertEqual([(row[1], row[4]) for row in page.rows["closed"]], [("gone", "Protocol Violation")])
        self.assertEqual(page.rows["accounts"][0][:3], ["$G", "3", "2"])
        totals, settings = dict(page.rows["totals"]), dict(page.rows["settings"])
        self.assertEqual((totals["Messages in"], totals["Messages out"]), (str(MESSAGES), str(MESSAGES)))
        self.assertEqual((settings["max_payload"], settings["Clients connect to"]), ("1.00 MiB", f"127.0.0.1:{server.port}"))
        self.assertRegex(page.texts["conns"], r"Connections\s*at most 3\s*3\b")
        self.assertRegex(page.texts["mem"], r"\d MiB")
        lines = [attrs["d"] for tag, attrs in page.attributes if tag == "path" and attrs.get("d")]
        self.assertEqual(len(lines), 8)
        self.assertTrue(all(re.fullmatch(r"M[\d.]+ [\d.]+([LM][\d.]+ [\d.]+)*", one) for one in lines), lines)

    def test_busiest_subjects_who_is_behind_and_where_time_goes(self):
        server = self.serve('write_deadline: "600s"\n')
        self.client(server, "awake", b"SUB other 1\r\n")
        self.client(server, "asleep", b"SUB big 1\r\n")  # and reads no more
        self.client(server, "large", (b"PUB big 500000\r\n" + b"x" * 500000 + b"\r\n") * 40)
        self.client(server, "small", b"PUB often 10\r\n0123456789\r\n" * 250 + b"PUB " + b"l" * 200 + b" 0\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS) as peer:
            peer.sendall(b'CONNECT {"verbose":false}\r\n')
            for _ in range(200):  # one tick of several is measured
                peer.sendall(b"PING\r\n")
                self.assertTrue(peer.recv(65536))
        page, complaints = browse(server.monitoring + "/")
        self.assertEqual(complaints, [])
        self.assertEqual([(row[0], row[4], row[2]) for row in page.rows["top"]],
                         [("often", "$G", "85.9 %"), ("big", "$G", "13.7 %"), ("l" * 128 + "\u2026", "$G", "0.3 %")])
        for row in page.rows["top"]:
            self.assertRegex(row[1], r"^[\d.]+( k)?$")
            self.assertRegex(row[3], r"^[\d.]+ (B|KiB|MiB)$")
        self.assertRegex(page.texts["top-caption"], r"^Of the last (\d+ seconds|second)$")
        bars = [attrs["style"] for tag, attrs in page.attributes if attrs.get("class") == "bar"]
        self.assertTrue(bars[0].startswith("--part: 0.859"), bars)
        self.assertEqual([row[1] for row in page.rows["behind"]], ["asleep"])
        self.assertRegex(page.rows["behind"][0][2], r"^[\d.]+ MiB$")
        self.assertRegex(page.rows["behind"][0][3], r"^[1-9][\d.]* %$")
        self.assertEqual([row[0] for row in page.rows["stages"]], ["waiting", "routing", "crossing", "flushing"])
        self.assertRegex(page.texts["stages-caption"], r"^(Of the last (\d+ seconds|second)|Since the start), by [\d,]+ samples$")
        for row in page.rows["stages"]:
            for text in row[1:]:
                self.assertRegex(text, "^([\\d.]+ (\u00b5s|ms|s)|\u2013)$")

    def test_a_name_stays_a_text(self):
        server = self.serve()
        self.client(server, HOSTILE, b"PUB <img/src=x/onerror=document.title='ran'> 0\r\n\r\n")
        page, complaints = browse(server.monitoring + "/")
        self.assertEqual([row[1] for row in page.rows["open"]], [HOSTILE])
        self.assertEqual([row[0] for row in page.rows["top"]], ["<img/src=x/onerror=document.title='ran'>"])
        self.assertEqual((page.tags.count("script"), page.tags.count("img"), complaints), (1, 0, []))
        self.assertNotEqual(page.texts.get("title"), "ran")

    def test_sorting(self):
        server = self.serve()
        self.client(server, "one", b"SUB a 1\r\n")
        self.client(server, "three", b"SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n")
        self.client(server, "two", b"SUB a 1\r\nSUB b 2\r\n")
        for sort, order, names in (("", "ascending", ["one", "three", "two"]), ("#subs", "descending", ["three", "two", "one"]),
                                   ("#nonsense", "ascending", ["one", "three", "two"])):
            page, _ = browse(server.monitoring + "/" + sort)
            self.assertEqual([row[1] for row in page.rows["open"]], names, sort)
            self.assertEqual([attrs["aria-sort"] for _, attrs in page.attributes if attrs.get("aria-sort", "none") != "none"],
                             [order])

    def test_below_a_base_path(self):
        server = self.serve('http_base_path: "/a/b"\n')
        self.client(server, "reader")
        for path in ("/a/b/", "/a/b"):
            page, complaints = browse(server.monitoring + path)
            self.assertEqual(([row[1] for row in page.rows["open"]], complaints), (["reader"], []), path)
            self.assertIn("/a/b/varz", [attrs["href"] for tag, attrs in page.attributes if tag == "a"], path)

    def test_links_lead_somewhere(self):
        server = self.serve()
        with urllib.request.urlopen(server.monitoring + "/", timeout=broker.WAIT_SECONDS) as answer:
            page = Parser(answer.read().decode())
        links = [attrs["href"] for tag, attrs in page.attributes if tag == "a" and not attrs["href"].startswith("#")]
        self.assertGreater(len(links), 10)
        for link in links:
            with urllib.request.urlopen(f"{server.monitoring}/{link}", timeout=broker.WAIT_SECONDS) as answer:
                self.assertEqual(answer.status, 200)

    def test_headers(self):
        server = self.serve()
        with urllib.request.urlopen(server.monitoring + "/?callback=x", timeout=broker.WAIT_SECONDS) as answer:
            headers, text = answer.headers, answer.read().decode()
        self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")
        self.assertTrue(text.startswith("<!DOCTYPE html>"))
        for element in ("style", "script"):
            inside = re.search(f"<{element}>(.*?)</{element}>", text, re.S)[1]
            digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
            self.assertIn(f"{element}-src 'sha256-{digest}';", headers["Content-Security-Policy"])

    def test_a_server_that_does_not_answer(self):
        server = self.serve()
        with urllib.request.urlopen(server.monitoring + "/", timeout=broker.WAIT_SECONDS) as answer:
            text = answer.read()

        class Silent(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path != "/":
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):  # the base class's name and signature
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as silent:
            thread = threading.Thread(target=silent.serve_forever)
            thread.start()
            try:
                page, _ = browse(f"http://127.0.0.1:{silent.server_address[1]}/")
            finally:
                silent.shutdown()
                thread.join(broker.WAIT_SECONDS)
        self.assertRegex(page.texts["trouble"], r"The server does not answer \(\w+: status 503\)\. Asking again every 2 seconds")
        self.assertEqual((page.texts["state"], page.rows["open"]), ("No connection", []))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    TERN = os.path.abspath(sys.argv.pop(1))
    if CHROMIUM is None:
        broker.skip("chromium is not installed")
    unittest.main(verbosity=2)
