#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Monitoring over HTTP: the same requests to tern and to nats-server must give the same status, the same keys and the
same JSON types, but for the differences in ONLY_TERN, which are wanted.

    monitor.py TERN [TEST...]

Exit code 77: all is well, but there was no nats-server to compare with.
"""
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402
import shapes  # noqa: E402

TERN = ""
METRICS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "broker", "monitor", "METRICS.md")
#: Keys that a nats-server of the version tern behaves as has, and the one of the distribution may not have; and tern's own.
ONLY_TERN = {"/varz": {"tern", "config_digest", "stale_connections", "slow_consumer_stats", "stale_connection_stats",
                       "stalled_clients"},
             "/routez": {"server_name"}, "/jsz": {"api.level"}, "/accstatz": {"account_statz[].name", "account_statz[].num_subscriptions"},
             "/subsz": {"server_id", "now", "total", "offset", "limit"}}  # these with subs=1 in both
#: A list without elements, which old nats-servers give as null.
NULL_LISTS = {"leafs"}
#: What makes a connection end, and so the reasons.
ENDINGS = [b"PUB foo\r\n", b"PUB\r\n", b"CONNECT foo\r\n", b'CONNECT {"protocol":2}\r\n', b'CONNECT {"no_responders":true}\r\n',
           b"PUB f 999999999\r\n", b"PUB f 9999999999\r\n", b"SUB " + b"a" * 5000 + b" 1\r\n", b"-ERR x\r\n",
           b"HPUB f 0 5\r\n", b'CONNECT {"account":"A"}\r\n', b"INFO x\r\n", b"BOGUS\r\n"]
#: Stages of a message's way.
STAGES = ["waiting", "routing", "crossing", "flushing"]
HISTOGRAMS = ("tern_worker_tick_seconds", "tern_stage_seconds")
#: Maps whose keys are data.
OPEN_MAPS = {"http_req_stats"}
#: Accounts that have something of one another, and mappings of every kind.
SHARING = """
accounts {
  A { users: [ {user: a, password: pa} ]
      exports: [ {stream: "ev.>"}, {service: "svc.time", accounts: [B], response_type: stream}, {stream: "pr.*.x", accounts: [C]}
                 {service: "tok.*.q", account_token_position: 2}, {service: "chunk.*", response: chunked, threshold: "3s"}
                 {service: "one.>", response: singleton} ]
      mappings: { "old": "new", "w.*.*": "m.$2.$1", "part.*": "q.{{partition(3,1)}}.{{wildcard(1)}}", "ident.>": "x.>"
                  "p.*": [ {destination: "p1.$1", weight: 40%}, {destination: "p2.$1", weight: 20%} ]
                  "u.*.a*.*.>": [ {destination: "q.$2.$1.>", weight: 0} ], "dup": [ {destination: "z", weight: 80} ]
                  "cl": [ {destination: "cl", weight: 10%}, {destination: "c1", weight: 0%} ]
                  "one": {destination: "c0", weight: 20} } }
  B { users: [ {user: b, password: pb} ]
      exports: [ {stream: "b.out"}, {service: "b.svc.*"} ]
      imports: [ {stream: {account: A, subject: "ev.>"}, prefix: "a"}, {stream: {account: A, subject: "ev.one"}, to: "mine.one"}
                 {stream: {account: A, subject: "ev.*.*"}, to: "y.$2.$1"}, {stream: {account: A, subject: "ev.plain"}, share: true}
                 {service: {account: A, subject: "svc.time"}, to: "time"}, {service: {account: A, subject: "tok.B.q"}}
                 {service: {account: A, subject: "chunk.*"}, to: "mych.*"}
                 {service: {account: A, subject: "one.two"}, share: true} ]
      mappings: { "time": "time2" } }
  C { imports: [ {service: {account: B, subject: "b.svc.q"}}, {stream: {account: A, subject: "pr.*.x"}} ] }
}
mappings: { "g": "h" }
"""

PAGES = ["/varz", "/routez", "/leafz", "/gatewayz", "/jsz", "/healthz", "/routez?subs=1", "/routez?subs=detail",
         "/jsz?accounts=1&streams=true",
         "/accountz", "/accountz?acc=$G", "/accountz?acc=", "/accstatz", "/accstatz?unused=1", "/healthz?js-enabled-only=0"]
REFUSED = ["/accountz?acc=X", "/accstatz?unused=q", "/routez?subs=z", "/leafz?subs=yes", "/gatewayz?accs=2", "/jsz?accounts=x", "/healthz?js-enabled-only=q",
           "/connz?auth=x", "/connz?subs=x", "/connz?offset=1x", "/connz?cid=-1", "/connz?cid=x", "/connz?limit=x",
           "/connz?limit=99999999999999999999", "/connz?state=1", "/connz?sort=x", "/connz?sort=stop", "/connz?sort=reason",
           "/connz?state=all&sort=stop", "/connz?state=closed&sort=rtt", "/connz?limit=x&sort=bad", "/connz?sort=CID",
           "/connz?cid=5&sort=stop", "/subsz?test=a.*", "/subsz?test=a..b", "/subsz?subs=y", "/subsz?limit=x",
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


def shape(value):
    return shapes.shape(value, OPEN_MAPS, NULL_LISTS)


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
        extra = ONLY_TERN.get(base, set()) if "/subsz?subs=1" not in path else set()
        self.assertEqual(without(ours, extra), theirs, path)

    def test_pages_have_the_keys_and_types_of_nats_server(self):
        for path in PAGES:
            with self.subTest(path):
                self.compare(path)

    def client(self, server, script):
        """A connection that has said this, and been answered."""
        peer = socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS)
        self.addCleanup(peer.close)
        peer.sendall(script + b"PING\r\n")
        got = b""
        while b"PONG\r\n" not in got:
            got += peer.recv(65536)
        return peer

    def test_connections_have_the_keys_and_types_of_nats_server(self):
        script = (b'CONNECT {"verbose":false,"name":"n","lang":"c","version":"1"}\r\nSUB a.* q 5\r\nSUB b.> 6\r\nUNSUB 6 9\r\n'
                  b"PUB b.x 2\r\nhi\r\n")
        peers = []
        for server in filter(None, (self.tern, self.reference)):
            peers.append(self.client(server, script))
            self.client(server, b"").close()
            broker.wait_for("it in the figures", lambda url=server.monitoring: get_json(url, "/connz?state=closed")["total"] == 1)
        for path in ("/connz", "/connz?subs=1", "/connz?subs=detail&auth=1", "/connz?state=closed", "/connz?state=all",
                     "/connz?cid=999", "/connz?sort=idle&limit=1", "/connz?acc=$G", "/connz?state=closed&sort=reason"):
            with self.subTest(path):
                self.compare(path)
        only = get_json(self.url, "/connz?subs=detail")["connections"][0]
        self.assertEqual([only[key] for key in ("in_msgs", "in_bytes", "out_msgs", "out_bytes", "subscriptions")],
                         [1, 2, 1, 2, 2])
        self.assertEqual(sorted((sub["subject"], sub["sid"], sub["msgs"]) for sub in only["subscriptions_list_detail"]),
                         [("a.*", "5", 0), ("b.>", "6", 1)])
        for server in filter(None, (self.tern, self.reference)):
            total = get_json(server.monitoring, "/connz?state=all&limit=1")
            self.assertEqual((total["num_connections"], total["total"], total["limit"]), (1, 2, 1))

    def test_subscriptions_have_the_keys_and_types_of_nats_server(self):
        for server in filter(None, (self.tern, self.reference)):
            self.client(server, b"SUB a.* q 5\r\nUNSUB 5 9\r\nSUB b 6\r\nPUB b 0\r\n\r\n")
        for path in ("/subsz", "/subsz?subs=1&acc=$G&test=a.b", "/subsz?acc=$G"):
            with self.subTest(path):
                self.compare(path)
        found = get_json(self.url, "/subscriptionsz?subs=1&test=a.b")
        self.assertEqual((found["total"], [sub["subject"] for sub in found["subscriptions_list"]]), (1, ["a.*"]))

    def test_connections_end_for_the_same_reasons(self):
        def reasons(server):
            found = {}
            for said in ENDINGS:
                broker.talk(server.port, said, b"never said")
                broker.wait_for("it in the figures", lambda: get_json(server.monitoring, "/connz?state=closed")["total"] == len(found) + 1)
                last = get_json(server.monitoring, "/connz?state=closed&sort=stop&limit=1")["connections"][0]
                found[said] = last["reason"]
            return found
        ours = reasons(self.tern)
        if self.reference:
            self.assertEqual(ours, reasons(self.reference))

    def test_connections_that_come_and_go(self):
        """Those that stay are each listed exactly once, whatever the others do."""
        stay = [self.client(self.tern, b"") for _ in range(200)]
        cids = {each["cid"] for each in get_json(self.url, "/connz")["connections"]}
        self.assertEqual(len(cids), len(stay))
        stop = threading.Event()

        def churn():
            while not stop.is_set():
                some = [socket.create_connection(("127.0.0.1", self.tern.port)) for _ in range(20)]
                for each in some:
                    each.close()
        thread = threading.Thread(target=churn)
        thread.start()
        try:
            for n in range(30):
                found = get_json(self.url, f"/connz?state={('open', 'all')[n % 2]}&limit=100000&sort={('cid', 'idle')[n // 2 % 2]}")
                listed = [each["cid"] for each in found["connections"]]
                self.assertEqual(len(listed), len(set(listed)))
                self.assertLessEqual(cids, set(listed))
        finally:
            stop.set()
            thread.join()

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

    def test_busiest_subjects(self):
        broker.talk(self.tern.port, b'CONNECT {"verbose":false}\r\n' + b"PUB often 1\r\nx\r\n" * 200 + b"PUB large 9000\r\n" +
                    b"x" * 9000 + b"\r\nPING\r\n")
        found = get_json(self.url, "/topz")
        self.assertEqual([(one["account"], one["subject"], one["msgs"], one["bytes"], one["low"], one["high"])
                          for one in found["subjects"]], [("$G", "often", 200, 200, 200, 200), ("$G", "large", 1, 9000, 1, 1)])
        self.assertEqual((found["sort"], found["total"], found["sampling"]), ("msgs", 201, 1))
        self.assertEqual([one["subject"] for one in get_json(self.url, "/topz?sort=bytes&n=1&acc=$G")["subjects"]], ["large"])
        self.assertEqual(get(self.url, "/topz?n=1000")[0], 400)

    def test_stages(self):
        host = ("127.0.0.1", self.tern.port)
        with socket.create_connection(host, timeout=broker.WAIT_SECONDS) as peer:
            peer.sendall(b'CONNECT {"verbose":false}\r\n')
            for _ in range(200):  # one tick of several is measured
                peer.sendall(b"PING\r\n")
                self.assertTrue(peer.recv(65536))
        found = get_json(self.url, "/stagez")
        self.assertEqual([one["stage"] for one in found["stages"]], STAGES)
        for one in found["stages"]:
            self.assertEqual(sum(one["buckets"]), one["count"])
            self.assertEqual(len(one["buckets"]), len(found["le"]) + 1)
            if one["stage"] != "crossing":
                self.assertGreater(one["count"], 0)
                self.assertGreaterEqual(one["seconds"], 0)

    def test_interest(self):
        broker.talk(self.tern.port, b'CONNECT {"verbose":false}\r\nPING\r\n')
        with socket.create_connection(("127.0.0.1", self.tern.port), timeout=broker.WAIT_SECONDS) as peer:
            peer.sendall(b'CONNECT {"verbose":false}\r\nSUB a.* 1\r\nSUB a.b q 2\r\nSUB > q 3\r\nPING\r\n')
            got = b""
            while b"PONG\r\n" not in got:
                got += peer.recv(65536)
            found = get_json(self.url, "/interestz?subject=a.b")
        self.assertEqual({key: found[key] for key in ("subject", "account", "receivers", "subscriptions", "queue_members",
                                                      "num_queue_groups", "handlers", "workers")},
                         {"subject": "a.b", "account": "$G", "receivers": 2, "subscriptions": 1, "queue_members": 2,
                          "num_queue_groups": 1, "handlers": 0, "workers": 1})
        self.assertEqual(found["queue_groups"], [{"name": "q", "members": 2, "workers": 1}])
        self.assertEqual(get(self.url, "/interestz")[0], 400)
        self.assertEqual(get(self.url, "/interestz?subject=a&acc=nobody")[0], 400)

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


class Metrics(Side):
    SAMPLE = re.compile(r'^([a-z][a-z0-9_]*)(?:\{(.*)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|\+Inf)$')
    LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')

    def read(self):
        """{name: (type, help)} and [(name, {label: value}, number)] as Prometheus reads them; every rule it has is checked."""
        status, headers, text = get(self.url, "/metrics")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertTrue(text.endswith("\n"))
        about, samples, family, seen = {}, [], None, set()
        for line in text.splitlines():
            if line.startswith("# HELP "):
                family, help_text = line[7:].split(" ", 1)
                self.assertNotIn(family, about, "described twice")
                about[family] = [None, help_text]
            elif line.startswith("# TYPE "):
                name, type_ = line[7:].split(" ")
                self.assertEqual(name, family)
                self.assertIn(type_, ("counter", "gauge", "histogram"))
                about[name][0] = type_
            else:
                found = self.SAMPLE.match(line)
                self.assertIsNotNone(found, line)
                name, labels = found.group(1), dict(self.LABEL.findall(found.group(2) or ""))
                self.assertEqual(self.LABEL.sub("", found.group(2) or ""), "", line)
                self.assertEqual(re.sub("_(bucket|sum|count)$", "", name) if about[family][0] == "histogram" else name, family)
                self.assertNotIn((name, tuple(labels.items())), seen, "told twice")
                seen.add((name, tuple(labels.items())))
                samples.append((name, labels, float(found.group(3))))
        return about, samples

    def test_it_is_what_prometheus_reads(self):
        about, samples = self.read()
        for name, (type_, _) in about.items():
            self.assertEqual(name.endswith("_total"), type_ == "counter", name)
        counts = {}
        for name, labels, number in samples:
            histogram = (name.rsplit("_", 1)[0], labels.get("worker"), labels.get("stage"))
            if name.endswith("_bucket"):
                limits, numbers = counts.setdefault(histogram, ([], []))
                limits.append(float(labels["le"]))
                numbers.append(number)
            if name.endswith("_count"):
                self.assertEqual(number, counts[histogram][1][-1])
        self.assertEqual({(name, stage) for name, _, stage in counts},
                         {("tern_worker_tick_seconds", None)} | {("tern_stage_seconds", stage) for stage in STAGES})
        for limits, numbers in counts.values():
            self.assertEqual((limits, numbers), (sorted(limits), sorted(numbers)))
            self.assertEqual(limits[-1], float("inf"))

    def test_prometheus_own_tool_agrees(self):
        tool = shutil.which("promtool")
        if not tool:
            self.skipTest("no promtool here")
        done = subprocess.run([tool, "check", "metrics"], input=get(self.url, "/metrics")[2], text=True, capture_output=True,
                              timeout=broker.WAIT_SECONDS)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_the_documentation_is_complete(self):
        about, samples = self.read()
        with open(METRICS, encoding="utf-8") as file:
            rows = re.findall(r"^\| `([a-z_]+)`(?: \{([a-z,]+)\})? \| (\w+) \| (.*) \|$", file.read(), re.M)
        self.assertEqual({name: [type_, help_text] for name, _, type_, help_text in rows}, about)
        labels = {re.sub("_(bucket|sum|count)$", "", name) if name.startswith(HISTOGRAMS) else name: list(labels)
                  for name, labels, _ in samples if "le" not in labels}
        self.assertEqual({name: names.split(",") if names else [] for name, names, _, _ in rows if name != "tern_info"},
                         {name: names for name, names in labels.items() if name != "tern_info"})

    def test_traffic_shows(self):
        broker.talk(self.tern.port, b'CONNECT {"verbose":false}\r\nSUB a 1\r\nPUB a 5\r\nhello\r\nPING\r\n')
        _, samples = self.read()
        sums = {}
        for name, _, number in samples:
            sums[name] = sums.get(name, 0) + number
        for name, value in (("tern_connections_total", 1), ("tern_messages_in_total", 1), ("tern_messages_in_bytes_total", 5),
                            ("tern_messages_out_total", 1), ("tern_messages_out_bytes_total", 5)):
            self.assertEqual(sums[name], value, name)
        self.assertGreater(sums["tern_worker_tick_seconds_count"], 0)
        self.assertGreater(sums["process_resident_memory_bytes"], 1e6)
        self.assertGreater(sums["process_open_fds"], 5)

    def test_memory_is_told_by_subsystem(self):
        _, samples = self.read()
        found = {labels["subsystem"]: number for name, labels, number in samples if name == "tern_memory_bytes"}
        self.assertEqual(set(found), {"pools", "registry", "retired", "rings", "closed_connections", "busiest_subjects"})
        self.assertGreater(found["busiest_subjects"], 100000)
        with socket.create_connection(("127.0.0.1", self.tern.port), timeout=broker.WAIT_SECONDS) as peer:
            self.assertTrue(peer.recv(4096))  # INFO
            self.assertTrue(any(number > 0 for _, labels, number in self.read()[1] if labels.get("subsystem") == "pools"))
        broker.wait_for("it in the figures", lambda: any(
            labels["subsystem"] == "closed_connections" and number > 0 for name, labels, number in self.read()[1]
            if name == "tern_memory_bytes"))

    def test_violations_are_counted(self):
        broker.talk(self.tern.port, b'CONNECT {"verbose":false}\r\nPUB _GR_.x 0\r\n\r\nPING\r\n')
        self.assertEqual(sum(number for name, _, number in self.read()[1] if name == "tern_permission_violations_total"), 1)

    def test_names_cannot_break_it(self):
        with broker.Broker(TERN, flags=("-m", "-1", "-n", 'a"b\\c}{')) as server:
            self.url = server.monitoring
            _, samples = self.read()
            self.assertEqual([labels["server_name"] for name, labels, _ in samples if name == "tern_info"], ['a\\"b\\\\c}{'])


class Settings(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tern-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_a_base_path(self):
        for base in ("/mon", "mon/", "/mon/"):
            with broker.Broker(TERN, flags=("-m", "-1", "-c", self.config(f'http_base_path: "{base}"\n'))) as server:
                self.assertEqual(get(server.monitoring, "/mon/healthz")[0], 200)
                for path in ("/healthz", "/monhealthz", "/mo", "/mon/mon/healthz", "/", "/mon//"):
                    self.assertEqual(get(server.monitoring, path)[0], 404, path)

    def test_the_base_path_itself_is_the_first_page(self):
        for name in filter(None, (TERN, broker.reference())):
            with broker.Broker(name, flags=("-m", "-1"), text='http_base_path: "/a/mon"\n') as server:
                address = urllib.parse.urlsplit(server.monitoring).netloc
                for method, path in (("GET", "/a/mon"), ("GET", "/a/mon?x=1"), ("HEAD", "/a/mon"), ("POST", "/a/mon")):
                    connection = http.client.HTTPConnection(address, timeout=broker.WAIT_SECONDS)  # follows nothing
                    connection.request(method, path)
                    answer = connection.getresponse()
                    self.assertEqual((answer.status, answer.headers["Location"], answer.headers["Content-Type"],
                                      b"<html" in answer.read()), (200, None, "text/html; charset=utf-8", method != "HEAD"), path)
                    connection.close()

    def config(self, text):
        path = os.path.join(self.folder, "conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    @staticmethod
    def tls_figures(connection):
        """Of all workers; connections by version, those without any left out."""
        connection.request("GET", "/metrics")
        figures = {}
        for name, version, number in re.findall(r'^(tern_tls_\w+)\{worker="\d+"(?:,version="([0-9.]+)")?\} (\d+)$',
                                                connection.getresponse().read().decode(), re.M):
            if version == "" or number != "0":
                key = f"{name}{{{version}}}" if version else name
                figures[key] = figures.get(key, 0) + int(number)
        return figures

    @unittest.skipUnless(shutil.which("openssl"), "openssl(1), which makes the certificates, is not installed")
    def test_https(self):
        subprocess.run(["sh", os.path.join(os.path.dirname(METRICS), "..", "..", "tests", "support", "certs.sh"), self.folder],
                       check=True)
        path = self.config(f'https: "127.0.0.1:-1"\ntls {{ cert_file: "{self.folder}/server.pem", key_file: '
                           f'"{self.folder}/server.key" }}\n')
        client = ssl.create_default_context(cafile=os.path.join(self.folder, "ca.pem"))
        with broker.Broker(TERN, flags=("-c", path)) as server:
            self.assertTrue(server.monitoring.startswith("https://127.0.0.1:"))
            port = int(server.monitoring.rsplit(":", 1)[1])
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=broker.WAIT_SECONDS, context=client)
            with socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS) as peer:
                peer.recv(4096)  # INFO
                with client.wrap_socket(peer, server_hostname="127.0.0.1") as secured:
                    secured.sendall(b"PING\r\n")
                    secured.recv(100)
                    connection.request("GET", "/connz")
                    found = json.loads(connection.getresponse().read())["connections"][0]
                    self.assertEqual((found["tls_version"], found["tls_cipher_suite"]),
                                     (secured.version()[4:], secured.cipher()[0]))
                    self.assertEqual(self.tls_figures(connection), {
                        "tern_tls_handshakes_total": 1, "tern_tls_resumed_total": 0, "tern_tls_failed_total": 0,
                        "tern_tls_throttled_total": 0, "tern_tls_handshakes_pending": 0,
                        f'tern_tls_connections{{{secured.version()[4:]}}}': 1})
            connection.request("GET", "/varz")
            varz = json.loads(connection.getresponse().read())
            self.assertEqual((varz["tls_required"], varz["https_port"], varz["http_port"]), (True, -1, 0))
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            old.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
            with socket.create_connection(("127.0.0.1", port)) as peer, self.assertRaises(OSError):
                old.wrap_socket(peer)
            with socket.create_connection(("127.0.0.1", port)) as peer:  # HTTP without TLS
                peer.sendall(b"GET /varz HTTP/1.0\r\n\r\n")
                self.assertNotIn(b"server_id", peer.recv(65536))
            self.assertEqual(server.stop(), 0)
            self.assertNotIn("PRIVATE", server.output())

    def secured(self, server, certificate, first=False):
        """What monitoring tells of a client with this certificate; first: that begins with the handshake."""
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        if certificate:
            client.load_cert_chain(os.path.join(self.folder, certificate + ".pem"), os.path.join(self.folder, certificate + ".key"))
        with socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS) as peer:
            if not first:
                peer.recv(4096)  # INFO
            with client.wrap_socket(peer) as secured:
                secured.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
                got = b""
                while b"PONG\r\n" not in got:
                    got += secured.recv(65536)
                pages = [get_json(server.monitoring, path)["connections"][0] for path in ("/connz?auth=1", "/connz")]
        broker.wait_for("the end", lambda: get_json(server.monitoring, "/connz")["total"] == 0)
        pages.append(get_json(server.monitoring, "/connz?state=closed&auth=1&sort=stop&limit=1")["connections"][0])
        return [[(key, page[key]) for key in page if key.startswith("tls_")] for page in pages]

    @unittest.skipUnless(shutil.which("openssl"), "openssl(1), which makes the certificates, is not installed")
    def test_certificates_of_clients_are_told_as_by_nats_server(self):
        subprocess.run(["sh", os.path.join(os.path.dirname(METRICS), "..", "..", "tests", "support", "certs.sh"), self.folder],
                       check=True)
        text = (f'tls {{ cert_file: "{self.folder}/server.pem", key_file: "{self.folder}/server.key", '
                f'ca_file: "{self.folder}/ca.pem", verify: true }}\n')
        with broker.Broker(TERN, text=text, flags=("-m", "-1")) as server:
            ours = [self.secured(server, certificate) for certificate in ("client", "chain")]
        shown = [dict(pages[0])["tls_peer_certs"] for pages in ours]
        self.assertEqual([[one["subject"] for one in each] for each in shown],
                         [["CN=alice,O=Example"], ["CN=alice,O=Example", "CN=tern test authority"]])
        if broker.reference():
            with broker.Broker(broker.reference(), text=text, flags=("-m", "-1")) as server:
                self.assertEqual(ours, [self.secured(server, certificate) for certificate in ("client", "chain")])
        first = text.replace("verify: true", "handshake_first: auto")  # nats-servers before 2.10 do not have it
        with broker.Broker(TERN, text=first, flags=("-m", "-1")) as server:
            for begins in (True, False):
                for page in self.secured(server, None, begins):
                    self.assertEqual([key for key, _ in page], ["tls_version", "tls_cipher_suite"] + ["tls_first"] * begins)

    def test_accounts_and_users(self):
        path = self.config("accounts { A { users: [ {user: a, password: pa} ] }, B { users: [ {user: b, password: pb} ] } }\n")
        with broker.Broker(TERN, flags=("-c", path, "-m", "-1")) as server:
            peers = []
            for user, count in (("a", 2), ("b", 1)):
                for _ in range(count):
                    peers.append(socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS))
                    self.addCleanup(peers[-1].close)
                    peers[-1].sendall(b'CONNECT {"verbose":false,"user":"%s","pass":"p%s"}\r\nSUB x 1\r\nPING\r\n'
                                      % (user.encode(), user.encode()))
                    got = b""
                    while b"PONG\r\n" not in got:
                        got += peers[-1].recv(65536)
            peers[0].sendall(b"PUB x 3\r\nabc\r\nPING\r\n")
            broker.wait_for("it in the figures", lambda: get_json(server.monitoring, "/varz")["out_msgs"] == 2)

            def listed(query):
                found = get_json(server.monitoring, "/connz?auth=1&" + query)["connections"]
                return sorted((each["authorized_user"], each["account"]) for each in found)
            self.assertEqual(listed(""), [("a", "A"), ("a", "A"), ("b", "B")])
            self.assertEqual(listed("user=a"), [("a", "A"), ("a", "A")])
            self.assertEqual(listed("acc=B"), [("b", "B")])
            self.assertEqual(listed("acc=C"), [])
            self.assertEqual(listed("mqtt_client=a"), [])
            self.assertEqual(listed("mqtt_client=a&state=all"), [])
            self.assertEqual(len(listed("mqtt_client=")), 3)
            self.assertNotIn("authorized_user", get_json(server.monitoring, "/connz")["connections"][0])
            found = get_json(server.monitoring, "/accountz")
            self.assertEqual((sorted(found["accounts"]), found["system_account"]), (["$G", "$SYS", "A", "B"], "$SYS"))
            self.assertEqual(get_json(server.monitoring, "/accountz?acc=A")["account_detail"]["subscriptions"], 2)
            self.assertEqual(get_json(server.monitoring, "/accountz?acc=$SYS")["account_detail"]["subscriptions"], 0)
            figures = {each["acc"]: each for each in get_json(server.monitoring, "/accstatz")["account_statz"]}
            self.assertEqual((figures["A"]["conns"], figures["A"]["sent"]["msgs"], figures["B"]["sent"]["msgs"]), (2, 2, 0))
            self.assertEqual(get_json(server.monitoring, "/subsz?acc=B")["num_subscriptions"], 1)
            self.assertEqual([get_json(server.monitoring, "/interestz?subject=x&acc=" + acc)["subscriptions"]
                              for acc in ("A", "B", "$G", "$SYS")], [2, 1, 0, 0])
            self.assertEqual([(one["account"], one["subject"]) for one in get_json(server.monitoring, "/topz")["subjects"]],
                             [("A", "x")])
            self.assertEqual(get_json(server.monitoring, "/topz?acc=B")["subjects"], [])
            varz = get_json(server.monitoring, "/varz")
            self.assertEqual((varz["auth_required"], varz["auth_timeout"], varz["system_account"]), (True, 2, "$SYS"))
            for page in ("/varz", "/connz?auth=1&subs=detail", "/metrics", "/accountz?acc=A"):
                for secret in ("pa", "pb"):
                    self.assertNotRegex(get(server.monitoring, page)[2], rf'"{secret}"')

    @staticmethod
    def shared(server, account):
        """Of an account's page, in the order of the page, what it shares; lists that nats-server has in no order are sorted."""
        found = get_json(server.monitoring, "/accountz?acc=" + account)["account_detail"]
        lists = {key: [json.dumps(each) for each in found.get(key, ()) if not each["subject"].startswith("$SYS.")]
                 for key in ("exports", "imports")}
        kinds = [json.loads(each)["type"] for each in lists["exports"] + lists["imports"]]
        keys = [key for key in found if key not in lists or lists[key]]
        return keys, kinds, json.dumps(found.get("mappings")), {key: sorted(each) for key, each in lists.items()}

    def test_what_accounts_share_is_told_as_by_nats_server(self):
        with broker.Broker(TERN, text=SHARING, flags=("-m", "-1")) as server:
            ours = [self.shared(server, account) for account in ("A", "B", "C", "$G")]
        self.assertEqual([len(lists["exports"]) for _, _, _, lists in ours], [6, 2, 0, 0])
        self.assertEqual([len(lists["imports"]) for _, _, _, lists in ours], [0, 8, 2, 0])
        self.assertEqual(ours[3][2], '{"g": [{"subject": "h", "weight": 100}]}')
        if broker.reference():
            with broker.Broker(broker.reference(), text=SHARING, flags=("-m", "-1")) as server:
                self.assertEqual(ours, [self.shared(server, account) for account in ("A", "B", "C", "$G")])

    def test_what_accounts_may_ask_the_system_account_is_told_as_by_nats_server(self):
        text = "accounts { S { users: [{user: s, password: p}] }, A { users: [{user: a, password: p}] } }\nsystem_account: S\n"
        want = [("$SYS.REQ.ACCOUNT.PING.CONNZ", "CONNZ"), ("$SYS.REQ.ACCOUNT.PING.STATZ", "STATZ"),
                ("$SYS.REQ.SERVER.PING.CONNZ", "CONNZ")]
        for name in filter(None, (TERN, broker.reference())):
            with broker.Broker(name, text=text, flags=("-m", "-1")) as server:
                for account in ("A", "$G"):
                    imports = get_json(server.monitoring, "/accountz?acc=" + account)["account_detail"]["imports"]
                    self.assertEqual([each for each in sorted(imports, key=lambda each: each["subject"])
                                      if each["subject"] != "$SYS.REQ.USER.INFO"],  # newer ones than 2.9 have it
                                     [{"subject": subject, "account": "S", "to": f"$SYS.REQ.ACCOUNT.{account}.{kind}",
                                       "type": "service", "invalid": False, "share": False, "tracking": False}
                                      for subject, kind in want], name)
                self.assertNotIn("imports", get_json(server.monitoring, "/accountz?acc=S")["account_detail"])
        with broker.Broker(TERN, text="no_sys_acc: true\n", flags=("-m", "-1")) as server:
            self.assertNotIn("imports", get_json(server.monitoring, "/accountz?acc=$G")["account_detail"])

    def test_a_token_is_not_told(self):
        with broker.Broker(TERN, flags=("--auth", "the-token", "-m", "-1")) as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS) as peer:
                peer.sendall(b'CONNECT {"verbose":false,"auth_token":"the-token"}\r\nPING\r\n')
                got = b""
                while b"PONG\r\n" not in got:
                    got += peer.recv(65536)
                found = get_json(server.monitoring, "/connz?auth=1")["connections"]
                self.assertEqual([one["authorized_user"] for one in found], ["[REDACTED]"])

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
