#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tern-bench report on fixed rows: `report.py TERN_BENCH CASE`.

goals    the table of goals likewise, and the file of the project's own goals
agree    two runs side by side, of rows that are known to agree or not to
files    tables and CSV, compared with what they are known to be (fixtures/); what goes wrong says so
page     the HTML page as text: well-formed, complete, escaped, nothing that would be fetched
browser  the page in a headless Chromium: it shows the same text, asks for nothing, complains about nothing (skipped
         where there is no chromium)

fixtures/comparison.rows is a comparison of four servers in three rounds, with a fault found in one measurement, a
scenario that one server does not have, and one that failed.
"""
import csv
import html.parser
import http.server
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

WAIT_S = 60
SKIP_CODE = 77
HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "fixtures")
ROWS = os.path.join(FIXTURES, "comparison.rows")
BENCH = ""
CHROMIUM = None


def report(*arguments):
    return subprocess.run([BENCH, "report", *arguments], capture_output=True, timeout=WAIT_S, check=False)


def read(name):
    with open(os.path.join(FIXTURES, name), "rb") as file:
        return file.read().decode()


def page_of(*files):
    done = report("--html", "-", *files)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


class Files(unittest.TestCase):
    def test_table(self):
        done = report(ROWS)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout.decode(), read("comparison.md"))

    def test_several_files_are_one_report(self):
        with tempfile.TemporaryDirectory() as directory:
            lines = read("comparison.rows").splitlines(keepends=True)
            parts = [os.path.join(directory, name) for name in ("a", "b")]
            for path, part in zip(parts, (lines[:11], lines[11:] + ["\n"])):
                with open(path, "w", encoding="utf-8") as file:
                    file.writelines(part)
            self.assertEqual(report("--table", *parts).stdout.decode(), read("comparison.md"))

    def test_every_scalar_is_in_the_csv(self):
        rows = [json.loads(line) for line in read("comparison.rows").splitlines()]
        table = list(csv.DictReader(io.StringIO(report("--csv", "-", ROWS).stdout.decode(), newline="")))
        self.assertEqual(len(table), len(rows))

        def scalars(value, name):
            if isinstance(value, dict):
                for key, inner in value.items():
                    yield from scalars(inner, f"{name}.{key}" if name else key)
            elif value is not None and not isinstance(value, list):
                yield name, value

        def same(text, value):
            if isinstance(value, bool):
                return text == str(value).lower()
            return abs(float(text) - value) <= abs(value) * 1e-6 if isinstance(value, (int, float)) else text == value
        for row, line in zip(rows, table):
            wanted = dict(scalars(row, ""))
            for name, value in wanted.items():
                self.assertTrue(same(line[name], value), (name, value, line[name]))
            self.assertEqual({name for name, text in line.items() if text} - wanted.keys(), set())

    def test_json_gives_the_rows_again(self):
        rows = [json.loads(line) for line in read("comparison.rows").splitlines()]
        again = [json.loads(line) for line in report("--json", "-", ROWS).stdout.splitlines()]
        self.assertEqual([row["case"] for row in again], [row["case"] for row in rows])
        self.assertEqual(again[0].keys(), rows[0].keys())

    def test_all_at_once(self):
        with tempfile.TemporaryDirectory() as directory:
            names = {kind: os.path.join(directory, kind) for kind in ("csv", "html", "json")}
            done = report(f"--table={directory}/table", *[f"--{k}={v}" for k, v in names.items()], ROWS)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
            self.assertEqual(sorted(os.listdir(directory)), ["csv", "html", "json", "table"])
            self.assertTrue(all(os.path.getsize(os.path.join(directory, name)) > 100 for name in os.listdir(directory)))

    def test_errors(self):
        with tempfile.NamedTemporaryFile("w", suffix=".rows") as bad:
            bad.write('{"scenario":"pub"}\n[]\n')
            bad.flush()
            cases = (([bad.name], f"{bad.name}:2 is not a row".encode()), (["/nonexistent"], b"cannot read /nonexistent"),
                     (["--html", "/nonexistent/x", ROWS], b"cannot write /nonexistent/x"), ([], b"usage: tern-bench report"),
                     (["--pdf", "x", ROWS], b"usage: tern-bench report"), (["/dev/null"], b"no measurement is in any of the files"))
            for arguments, message in cases:
                done = report(*arguments)
                self.assertEqual((done.returncode, done.stdout), (2, b""), arguments)
                self.assertIn(message, done.stderr)
        self.assertEqual(report("--help").returncode, 0)

    def test_rows_that_lack_almost_everything(self):
        with tempfile.NamedTemporaryFile("w", suffix=".rows") as bare:
            bare.write('{"scenario":"pub"}\n{}\n')
            bare.flush()
            self.assertEqual(report(bare.name).returncode, 0)
            self.assertIn("<h1>Load test</h1>", page_of(bare.name))


class Goals(unittest.TestCase):
    OWN = os.path.join(HERE, "..", "..", "bench", "goals.json")

    def goals(self, *arguments):
        return subprocess.run([BENCH, "goals", *arguments], capture_output=True, timeout=WAIT_S, check=False)

    def test_table(self):
        done = self.goals(os.path.join(FIXTURES, "goals.json"), ROWS)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout.decode(), read("goals.md"))

    def test_plan_has_each_case_once_and_no_other_measurements(self):
        done = self.goals("--plan", os.path.join(FIXTURES, "goals.json"))
        self.assertEqual(done.stdout.decode().splitlines(),
                         ["pubsub --size 16", "request --size 128", "idle --conns 10000", "churn", "storm"])

    def test_the_projects_goals(self):
        with open(self.OWN, encoding="utf-8") as file:
            goals = json.load(file)["goals"]
        self.assertEqual(list(dict.fromkeys(goal["goal"] for goal in goals)), [f"P{i}" for i in range(1, 13)])
        table = self.goals(self.OWN, ROWS).stdout.decode().splitlines()
        self.assertEqual(len(table), 2 + len(goals))
        for goal, line in zip(goals, table[2:]):
            self.assertRegex(line, rf"^\| {goal['goal']} +\| .* \| (yes|no|no \(client-limited\)|not measured here.*|see .*?|no \(\[AUDIT.md\]\(AUDIT.md\)\)) +\|$")

    def test_a_rate_with_a_note_does_not_count(self):
        goals = {"server": "a", "shown": ["b"], "goals": [
            {"goal": "G", "what": "memory", "case": "idle", "figure": "rate", "unit": "B", "at_most": 1500},
            {"goal": "G", "what": "ratio", "case": "idle", "figure": "rate", "unit": "B", "over": {"server": "b"},
             "at_most": 0.5},
            {"goal": "G", "what": "pace", "case": "idle", "figure": "figures/connections_per_second", "unit": "conn/s",
             "at_least": 1000}]}

        def reached(*rates):
            with tempfile.TemporaryDirectory() as directory:
                path, rows = (os.path.join(directory, name) for name in ("goals", "rows"))
                with open(path, "w", encoding="utf-8") as file:
                    json.dump(goals, file)
                with open(rows, "w", encoding="utf-8") as file:
                    for number, rate in enumerate(rates, 1):
                        for label, each in (("a", rate), ("b", 4000)):
                            row = {"scenario": "idle", "label": label, "server": {"name": label}, "round": number, "rate": each,
                                   "rate_unit": "B/conn", "note": None if each else "did not grow",
                                   "figures": {"connections_per_second": 3000}}
                            file.write(json.dumps(row) + "\n")
                table = self.goals(path, rows).stdout.decode().splitlines()[2:]
                return [[line.split("|")[i].strip() for i in (3, 5, 7)] for line in table]
        self.assertEqual(reached(0, 2000, 0), [["2.00 kB", "-", "no"], ["2.00 kB", "0.50", "yes"],
                                               ["3.00 k conn/s", "-", "yes"]])
        self.assertEqual(reached(0, 0)[:2], [["-", "-", "not measured here: did not grow"]] * 2)

    def test_errors(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as bad:
            for text, message in (("{", b"is no file of goals"), ("{}", b'"server" is missing'),
                                  ('{"server":"x"}', b'"goals" is missing'),
                                  ('{"server":"x","goals":[{}]}', b'lacks "goal"')):
                bad.seek(0)
                bad.truncate()
                bad.write(text)
                bad.flush()
                done = self.goals(bad.name, ROWS)
                self.assertEqual((done.returncode, done.stdout), (2, b""))
                self.assertIn(message, done.stderr)
        for wrong in ([], [self.OWN], [self.OWN, "/nonexistent"], ["--plan"]):
            self.assertEqual(self.goals(*wrong).returncode, 2)


class Agree(unittest.TestCase):
    """Rows of a server, one that is `factor` times as fast, and the forwarder; the ratio is off by a few percent each round."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def rows(self, name, factors, stolen=None, **more):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            for number, factor in enumerate(factors, 1):
                for label, rate in (("a", 100), ("b", 100 * factor), ("forwarder", 1000)):
                    row = {"scenario": "pubsub", "label": label, "server": {"name": label}, "round": number, "rate": rate,
                           "broker": {"cpu_ns_per_message": 1000 / rate}, **more,
                           "machine": {"ticks": 1000, "stolen": (stolen or {}).get(number, 0)}}
                    file.write(json.dumps(row) + "\n")
        return path

    def agree(self, *files):
        done = subprocess.run([BENCH, "agree", *files], capture_output=True, text=True, timeout=WAIT_S, check=False)
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if line[:1] == "|"]
        return done, {(line[1], line[2], line[3]): line for line in lines[2:]}

    def test_two_files_that_agree(self):
        done, lines = self.agree(self.rows("1", (2, 2.1, 2.2)), self.rows("2", (2.15, 2.25, 2.05)))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(set(lines), {("b", "rate", "a"), ("b", "CPU", "a"), ("b", "rate", "forwarder"),
                                      ("a", "rate", "forwarder")})
        self.assertEqual(lines["b", "rate", "a"][4:], ["2.10 (1.86-2.36)", "2.15 (1.91-2.41)", "3, 3", "2.4 %", "yes"])
        self.assertIn("overlap for 4 of 4 ratios", done.stdout)
        self.assertIn("by 2.4 % in the middle and 2.4 % at most", done.stdout)

    def test_two_files_that_do_not(self):
        done, lines = self.agree(self.rows("1", (2, 2.1, 2.2)), self.rows("2", (3.2, 3.25, 3.15)))
        self.assertEqual(done.returncode, 1)
        self.assertEqual([lines[key][8] for key in (("b", "rate", "a"), ("b", "CPU", "a"), ("a", "rate", "forwarder"))],
                         ["NO", "NO", "yes"])
        self.assertIn("overlap for 1 of 4 ratios", done.stdout)

    def test_one_percent_is_no_difference(self):
        for factor, code in ((2.018, 0), (2.022, 1)):
            done, lines = self.agree(self.rows("1", (2, 2, 2)), self.rows("2", (factor,) * 3))
            self.assertEqual((done.returncode, lines["b", "rate", "a"][8]), (code, "NO" if code else "yes"))

    def test_odd_rounds_against_even_ones(self):
        same = self.rows("1", [2 + 0.02 * (i % 5) for i in range(12)])
        done, lines = self.agree(same)
        self.assertEqual((done.returncode, lines["b", "rate", "a"][6]), (0, "6, 6"))
        done, lines = self.agree(self.rows("2", [2 + 0.02 * (i % 5) + i % 2 for i in range(12)]))
        self.assertEqual((done.returncode, lines["b", "rate", "a"][8]), (1, "NO"))
        self.assertEqual(lines["b", "rate", "a"][4:6], ["2.03 (2.00-2.08)", "3.03 (3.00-3.08)"])

    def test_open_loops_are_about_latency(self):
        more = {"asked_rate": 100, "latency": {"p99.9": 5}}
        done, lines = self.agree(self.rows("1", (2, 2.1), **more), self.rows("2", (2, 2.2), **more))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(("b", "p99.9", "a"), lines)
        self.assertNotIn(("b", "rate", "a"), lines)

    def test_noisy_rounds_do_not_count(self):
        noisy = self.rows("1", (2, 2.1, 2.2, 9), stolen={4: 20})
        done, lines = self.agree(noisy, self.rows("2", (2, 2.1, 2.2)))
        self.assertEqual((done.returncode, lines["b", "rate", "a"][6]), (0, "3, 3"))
        self.assertIn(f"{noisy}: Noise, in 4 rounds of a case: 1 do not count because the host gave", done.stdout)
        table = report(noisy).stdout.decode()
        self.assertRegex(table, r"\| b +\| +210 +\| +2.10 \(2.00-2.20\).* 1 of 4 rounds left out as noisy")
        self.assertIn("in 4 rounds of a case: 1 do not count", table)
        page = page_of(noisy)
        self.assertIn("noisy: steal 2.0 %", page)
        self.assertIn("in 4 rounds of a case: 1 do not count", page)
        self.assertNotIn("noisy", report(self.rows("2", (2, 2.1))).stdout.decode() + page_of(self.rows("2", (2, 2.1))))

    def test_too_few_rounds(self):
        done, lines = self.agree(self.rows("1", (2,)), self.rows("2", (2, 2.1)))
        self.assertEqual((done.returncode, lines["b", "rate", "a"][8]), (2, "too few rounds"))
        self.assertIn("Nothing can be compared", done.stdout)
        with open(alone := self.rows("4", (2, 2.1, 2.1, 2.05)), "a", encoding="utf-8") as file:  # of no round
            for label in "ab":
                file.write(json.dumps({"scenario": "binary", "label": label, "server": {"name": label}, "rate": 5}) + "\n")
        done, lines = self.agree(alone)
        self.assertEqual((done.returncode, {line[0] for line in lines.values()}), (0, {"pubsub"}))
        one_lacks = self.rows("3", (2, 2.1))
        with open(one_lacks, encoding="utf-8") as file:
            kept = [line for line in file if '"label": "b", ' not in line or '"round": 1,' not in line]
        with open(one_lacks, "w", encoding="utf-8") as file:
            file.writelines(kept)
        done, lines = self.agree(one_lacks, self.rows("2", (2, 2.1)))
        self.assertEqual((done.returncode, lines["a", "rate", "forwarder"][8]), (2, "yes"))
        self.assertIn("Of 3 ratios one run has fewer than two rounds.", done.stdout)

    def test_errors(self):
        for wrong, message in (([], "usage: tern-bench agree"), (["1", "2", "3"], "usage: tern-bench agree"),
                               (["/nonexistent"], "cannot read /nonexistent")):
            done, _ = self.agree(*wrong)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(message, done.stderr)
        self.assertEqual(self.agree("--help")[0].returncode, 0)


VOID = {"meta", "link", "rect", "path"}


class Parser(html.parser.HTMLParser):
    """Checks that what is opened is closed; collects text by element, and attributes that could fetch."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.fetched, self.counts = [], [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing, at {self.getpos()}")

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


# What a reader has to find on the page of the fixed rows.
SHOWN = ("nats-server 2.9.10", "redis 7.0.15", "24.0 M msg/s", "6.00 (5.61-6.50) of nats-server", "1.40 kB/conn",
         "(lower is better)", "1 of 6 FAILED: messages lost, doubled, reordered or altered", "the client was the limit",
         "redis has no request and reply", 'the server closed the connection: <stale> & "gone"', "99.9 %", "10 us",
         "an idle thread", "51.8 us", "connections_per_second 31.0 k", "tern-bench pubsub --size 16 --seconds 1 -s URL")


class Page(unittest.TestCase):
    def test_it_is_well_formed_and_shows_everything(self):
        parser = Parser(page_of(ROWS))
        self.assertEqual(parser.open, [])
        text = parser.text()
        for wanted in SHOWN:
            self.assertIn(wanted, text)
        # bars: 4 + 3 + 2 + 1 measured, 2 not, none of the open loop; curves of 3 and 3 servers and of one idle thread
        self.assertEqual((parser.counts["rect"], parser.counts["polyline"]), (12, 7))
        self.assertEqual(parser.counts["figure"], 7)

    def test_headings_have_something_below_them(self):
        paced = {"scenario": "open", "label": "a", "server": {"name": "a"}, "rate": 100, "asked_rate": 100, "error": None,
                 "latency": {"count": 10, "min": 1, "p50": 2, "p99.9": 3, "max": 4, "from": "intended send",
                             "curve": [[0, 1], [100, 4]]}}
        plain = {"scenario": "pub", "label": "a", "server": {"name": "a"}, "rate": 100, "error": None}
        for rows, headings in (([paced], ["Latencies"]), ([plain], ["Rates"]), ([paced, plain], ["Rates", "Latencies"]),
                               ([plain, paced, plain], ["Rates", "Latencies"])):
            with tempfile.NamedTemporaryFile("w", suffix=".rows") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
                file.flush()
                found = re.findall(r"<h2>(Rates|Latencies)</h2>", page_of(file.name))
            self.assertEqual(found, headings)

    def test_a_note_is_shown(self):
        row = {"scenario": "idle", "label": "a", "server": {"name": "a"}, "rate": 0, "rate_unit": "B/conn", "error": None,
               "note": "it did not <grow>"}
        with tempfile.NamedTemporaryFile("w", suffix=".rows") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            self.assertRegex(report(file.name).stdout.decode(), r"\| a +\| +- \|.* it did not <grow> +\|")
            self.assertEqual(page_of(file.name).count("it did not &lt;grow&gt;"), 2)  # by the bar, and in the table

    def test_every_picture_has_a_text(self):
        page = page_of(ROWS)
        for picture in re.findall(r"<svg[^>]*>", page):
            self.assertRegex(picture, r'role="img" aria-label="[^"]+"|aria-hidden="true"')
        self.assertEqual(len(re.findall(r"<rect", page)), len(re.findall(r"<title>[^<]+: median", page)))

    def test_nothing_is_fetched_and_nothing_runs(self):
        page = page_of(ROWS)
        self.assertEqual(Parser(page).fetched, ["data:,"])
        self.assertNotRegex(page, r"(?i)<script|@import|url\(| on\w+=|javascript:")

    def test_texts_of_servers_are_escaped(self):
        evil = '"><script>alert(1)</script>&amp;'
        row = {"scenario": evil, "label": evil, "server": {"name": evil, "version": evil}, "command": evil, "time": evil,
               "rate": 1, "rate_unit": evil, "error": None, "figures": {evil: 1},
               "latency": {"count": 10, "min": 1, "p50": 2, "p99.9": 3, "max": 4, "from": evil, "curve": [[0, 1], [100, 4]]}}
        with tempfile.NamedTemporaryFile("w", suffix=".rows") as file:
            for each in (row, {**row, "error": evil, "label": "b" + evil}):
                file.write(json.dumps(each) + "\n")
            file.flush()
            page = page_of(file.name)
        self.assertNotIn("<script", page)
        self.assertEqual(Parser(page).open, [])


class Proxy(http.server.BaseHTTPRequestHandler):
    """Has one page and writes down what else is asked for."""

    def do_GET(self):
        if self.path != "http://report.test/":
            self.server.asked.append(self.path)
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.server.page)

    def do_CONNECT(self):
        self.server.asked.append(self.path)
        self.send_error(404)

    do_POST = do_GET

    def log_message(self, *_):  # the base class's name and signature
        pass


class Browser(unittest.TestCase):
    def browse(self, page, *options):
        """The page's DOM, what was asked for beside it (but for the browser's own errands), and what the console says."""
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server, tempfile.TemporaryDirectory() as home:
            server.page, server.asked = page.encode(), []
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                done = subprocess.run(
                    [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={home}", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
                     f"--proxy-server=http://127.0.0.1:{server.server_address[1]}", "--proxy-bypass-list=<-loopback>",
                     "--enable-logging=stderr", *options, "--dump-dom", "http://report.test/"],
                    capture_output=True, text=True, timeout=WAIT_S, check=False, env={**os.environ, "HOME": home})
            finally:
                server.shutdown()
                thread.join(WAIT_S)
            asked = [url for url in server.asked if not re.search(r"\.(google|googleapis|gvt1)\.com[:/]", url)]
        return done.stdout, asked, re.findall(r".*CONSOLE.*", done.stderr)

    def test_it_shows_the_same_and_asks_for_nothing(self):
        page = page_of(ROWS)
        dom, asked, console = self.browse(page)
        self.assertEqual((asked, console), ([], []))
        seen, meant = Parser(re.sub(r"></(rect|path)>", "/>", dom)), Parser(page)
        self.assertEqual(seen.text().strip(), meant.text().strip())
        for tag in ("svg", "rect", "polyline", "tr", "figure"):
            self.assertEqual(seen.counts[tag], meant.counts[tag])

    def test_on_a_narrow_screen_pictures_scroll_and_the_page_does_not(self):
        measure = ("<script>document.body.title=[document.querySelector('figure>svg').getBoundingClientRect().width,"
                   "document.documentElement.scrollWidth-innerWidth].join(' ')</script></body>")
        dom, _, console = self.browse(page_of(ROWS).replace("</body>", measure), "--window-size=500,900")
        self.assertEqual(console, [])
        width, too_wide = map(float, re.search(r'<body title="([\d.-]+) ([\d.-]+)">', dom).groups())
        self.assertGreaterEqual(width, 640)
        self.assertLessEqual(too_wide, 0)

    def test_on_a_wide_screen_all_of_the_table_is_seen(self):
        measure = ("<script>const cell=document.querySelector('td.remarks'),room=cell.closest('.wide');"
                   "cell.textContent='a remark '.repeat(90);document.body.title=[room.clientWidth,room.scrollWidth,"
                   "document.documentElement.scrollWidth-innerWidth].join(' ')</script></body>")
        dom, _, console = self.browse(page_of(ROWS).replace("</body>", measure), "--window-size=1900,900")
        self.assertEqual(console, [])
        room, width, too_wide = map(float, re.search(r'<body title="([\d.-]+) ([\d.-]+) ([\d.-]+)">', dom).groups())
        self.assertGreater(room, 980)
        self.assertLessEqual(width, room)
        self.assertLessEqual(too_wide, 0)

    def test_a_page_that_does_not_would_be_found(self):
        fault = '<img src="http://elsewhere.test/x.png"><script>nothing.at.all</script></body>'
        _, asked, console = self.browse(page_of(ROWS).replace("</body>", fault))
        self.assertEqual(asked, ["http://elsewhere.test/x.png"])
        self.assertTrue(any("nothing is not defined" in line for line in console), console)


CASES = {"goals": Goals, "agree": Agree, "files": Files, "page": Page, "browser": Browser}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[2] not in CASES:
        sys.exit(__doc__)
    BENCH = os.path.abspath(sys.argv[1])
    CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
    if sys.argv[2] == "browser" and CHROMIUM is None:
        print("skipped: chromium is not installed")
        sys.exit(SKIP_CODE)
    unittest.main(argv=[sys.argv[0], CASES[sys.argv[2]].__name__, "--verbose"])
