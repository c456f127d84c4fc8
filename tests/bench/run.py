#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/run with programs that are built already, for moments: `run.py TERN_BENCH TERN`.

The files it promises are there and are about what was measured. Figures are not judged.
"""
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import unittest

WAIT_S = 120
RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "run")
BENCH, TERN = "", ""


def run(*arguments):
    command = [RUN, "--no-install", "--bench", BENCH, "--tern", TERN, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False, stdin=subprocess.DEVNULL)


class Run(unittest.TestCase):
    def test_it_writes_what_it_says(self):
        with tempfile.TemporaryDirectory() as directory:
            done = run("--quick", "--seconds", "0.02", "--scenarios", "pubsub nosuch", "--servers", "tern",
                       "--output", f"{directory}/sub/out")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            files = {name: os.path.join(directory, "sub", name) for name in os.listdir(f"{directory}/sub")}
            self.assertEqual(sorted(files), ["out.csv", "out.html", "out.md", "out.rows"])
            texts = {}
            for name, path in files.items():
                with open(path, encoding="utf-8", newline="") as file:
                    texts[name] = file.read()
        self.assertIn(texts["out.md"], done.stdout)
        self.assertRegex(texts["out.md"], r"(?m)^\| P1 +\| 1:1, 16 B +\| +[\d.]+ . msg/s \| .* x forwarder +\| (yes|no)")
        self.assertRegex(texts["out.md"], r"(?m)^\| P11 +\| start to ready +\| +[\d.]+ ms \|")
        self.assertRegex(texts["out.md"], r"(?m)^\| P11 +\| stripped binary +\| +[\d.]+ .?B \|")
        self.assertRegex(texts["out.md"], r"(?m)^\| pubsub --size 16 +\| forwarder +\| +[\d.]+ .")
        self.assertIn("tern 0.", texts["out.md"])
        # four sizes, two servers, twice, and the size of the program
        self.assertEqual([len(texts[f"out.{kind}"].splitlines()) for kind in ("rows", "csv")], [17, 18])
        self.assertIn("</html>", texts["out.html"])
        self.assertIn("[16/16] round 1", done.stderr)
        self.assertNotIn("fitted into", done.stderr)

    def test_twice_says_whether_the_runs_agree(self):
        with tempfile.TemporaryDirectory() as directory:
            done = run("--quick", "--twice", "--seconds", "0.02", "--scenarios", "fanin", "--servers", "tern",
                       "--output", f"{directory}/out")
            with open(f"{directory}/out.md", encoding="utf-8") as file:
                text = file.read()
            agreement = subprocess.run([BENCH, "agree", f"{directory}/out.rows"], capture_output=True, text=True,
                                       timeout=WAIT_S, check=False)
        self.assertIn(done.returncode, (0, 1, 2), done.stdout + done.stderr)  # figures are not judged
        self.assertEqual(done.returncode, agreement.returncode)
        self.assertEqual("the two runs do not agree" in done.stderr, done.returncode == 1)
        self.assertEqual("not all of the two runs could be compared" in done.stderr, done.returncode == 2)
        self.assertIn("in 4 round(s) by", text)
        self.assertRegex(text, r"(?m)^Two runs whose rounds took turns: (the 95 %|nothing can)")
        self.assertTrue(text.endswith("## Two runs\n\n" + agreement.stdout), text)

    def test_rounds_are_those_that_every_case_has_and_what_was_cut_off_is_said(self):
        for scenario, minutes, fitted, enough in (("fanin", "0.001", 1, 1), ("pubsub", "0.0001", 0, 1)):
            with tempfile.TemporaryDirectory() as directory:
                done = run("--seconds", "0.1", "--rounds", "9", "--minutes", minutes, "--scenarios", scenario, "--servers", "tern",
                           "--output", f"{directory}/out")
                with open(f"{directory}/out.md", encoding="utf-8") as file:
                    text = file.read()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn(f"{fitted} of 9 rounds fitted into {minutes} minutes; try --minutes {enough}", done.stderr)
            self.assertIn(f" in {fitted} round(s) by ", text)

    def test_between_the_marks_is_what_the_tool_writes(self):
        with open(os.path.join(os.path.dirname(RUN), "README.md"), encoding="utf-8") as file:
            inside = file.read().split("<!-- goals -->\n")[1].split("<!-- /goals -->")[0]
        self.assertRegex(inside, r"\A(\|.*\|\n)+(\nNoise, [^\n]*\n)?\n"
                                 r"Measured on [\d-]+ in \d+ round\(s\) by `./bench/run[^`\n]*`: .* at the end\.\n"
                                 r"[^\n]*tern [^\n]*\.\n(\nTwo runs whose rounds took turns: [^\n]*\n)?\Z")

    def test_interrupted_it_stops_what_runs_and_reports_what_it_has(self):
        with tempfile.TemporaryDirectory() as directory:
            command = [RUN, "--no-install", "--bench", BENCH, "--tern", TERN, "--servers", "tern", "--scenarios", "pubsub",
                       "--seconds", "0.2", "--rounds", "500", "--output", f"{directory}/out"]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       text=True)
            ready, _, _ = select.select([process.stderr], [], [], WAIT_S)  # the first measurement is over
            self.assertTrue(ready)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=WAIT_S)
            self.assertEqual(process.returncode, 2)
            self.assertIn("bench/run: interrupted", errors)
            with open(f"{directory}/out.rows", encoding="utf-8") as file:
                rows = [json.loads(line) for line in file]
            self.assertTrue(os.path.exists(f"{directory}/out.html"))
        brokers = [row["broker"]["pid"] for row in rows if row.get("broker")]
        self.assertTrue(brokers)
        for broker in brokers:
            self.assertRaises(ProcessLookupError, os.kill, broker, 0)

    def test_what_an_earlier_run_left_is_not_told_again(self):
        with tempfile.TemporaryDirectory() as directory:
            with open(f"{directory}/out.rows", "w", encoding="utf-8") as file:
                file.write('{"scenario":"pub","label":"earlier","rate":1}\n')
            done = run("--scenarios", "fanin", "--servers", "tern", "--rounds", "9999", "--output", f"{directory}/out")
            self.assertEqual((done.returncode, os.listdir(directory)), (2, []), done.stderr)
        self.assertIn("'9999' is not a possible value of --rounds", done.stderr)

    def test_errors(self):
        for wrong, message in ((["--nosuch"], "usage: ./bench/run"), (["--rounds"], "--rounds needs a value"),
                               (["--twice", "--rounds", "many"], "--rounds needs a number"),
                               (["--seconds", "x"], "--seconds needs a number above 0"),
                               (["--minutes", "0.0"], "--minutes needs a number above 0"),
                               (["--scenarios", "nosuch"], "none of these scenarios belongs to a goal: nosuch"),
                               (["--servers", "nosuch"], "there is no server 'nosuch'"),
                               (["--tern", "/nonexistent"], "there is no program /nonexistent")):
            done = run(*wrong)
            self.assertEqual(done.returncode, 2, wrong)
            self.assertIn(message, done.stderr)
        self.assertEqual(run("--help").returncode, 0)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    BENCH, TERN = (os.path.abspath(path) for path in sys.argv[1:])
    unittest.main(argv=[sys.argv[0], "--verbose"])
