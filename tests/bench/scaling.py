#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench/scaling: `scaling.py TERN_BENCH TERN`.

What the model makes of given costs, and the whole with a broker for moments. Figures are not judged.
"""
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

WAIT_S = 240
SCALING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "scaling")
BENCH, TERN = "", ""


def load():
    """The script as a module."""
    loader = importlib.machinery.SourceFileLoader("scaling", SCALING)
    spec = importlib.util.spec_from_loader("scaling", loader)
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


scaling = load()


def costs(*values):
    """Rounds of (same, cross, receiver)."""
    return [dict(zip(("same", "cross", "receiver"), each)) for each in values]


GIVEN = {
    scaling.ONE: costs((20, 27, 15), (19, 20, 10), (21, 34, 20)),
    scaling.LARGER: costs((92, 104, 60), (75, 75, 40), (136, 193, 90)),
    scaling.CHANGING: costs((83, 160, 80), (81, 144, 70), (88, 180, 90)),
    scaling.OUT: costs((81, 64, 60), (74, 60, 55), (118, 68, 65)),
    scaling.IN: costs((19, 29, 16), (15, 21, 14), (25, 35, 23)),
}


class Model(unittest.TestCase):
    def rounded(self, name):
        return [tuple(round(value) for value in spread.each()) for spread in scaling.predict(GIVEN)[name]]

    def test_differences_are_taken_within_a_round(self):
        of = scaling.spreads(GIVEN)
        self.assertEqual(of[scaling.ONE]["R"].each(), (1, 7, 13))
        self.assertEqual(of[scaling.CHANGING]["R"].each(), (63, 77, 92))

    def test_pairs(self):
        # X(4) = 4 / (20 + 3/4 7) = 158 M/s in the first round, 4 / (19 + 3/4 1) and 4 / (21 + 3/4 13) in the others
        self.assertEqual(self.rounded("pairs, one subject, 16 B"),
                         [(48, 50, 53), (130, 158, 203), (247, 306, 403), (482, 602, 803)])
        self.assertEqual(self.rounded("pairs, changing subjects, 16 B")[1], (25, 28, 31))

    def test_each_round_predicts_by_itself(self):
        # Who was slow at one was quick at the other: X(4) is 4 / (10 + 3/4 20), 4 / (30 + 3/4 -10), and nothing beyond
        spread = scaling.pairs(costs((10, 30, 1), (30, 20, 1)))[1]
        self.assertEqual((round(spread.low), round(spread.high)), (160, 178))
        self.assertEqual(scaling.efficiency(costs((10, 20, 1), (30, 20, 1))).each(), (0.5, 1, 1.5))

    def test_fan_out(self):
        # X(16) = 100 / (83 + 15 12 + 72.5 100/16) in the first round; no record costs less than nothing
        self.assertEqual([tuple(part.values()) for part in scaling.parts_of_fan_out(GIVEN)],
                         [(83, 12, 72.5), (81, 0, 67), (88, 57, 93)])
        self.assertEqual(self.rounded("fan-out 1:100, 128 B")[3], (66, 140, 200))
        given = {**GIVEN, scaling.LARGER: costs((92, 80, 60))}
        self.assertEqual(scaling.parts_of_fan_out(given)[0]["S"], 0)

    def test_fan_in_ends_at_the_subscribers_worker(self):
        self.assertEqual(self.rounded("fan-in 4:1, one subject, 16 B"), [(40, 53, 67)] + [(43, 62, 71)] * 3)

    def test_tables(self):
        text = scaling.report(GIVEN, "Measured.")
        self.assertIn("| one subject, 16 B | 20.0 ns (19.0-21.0) | 27.0 ns (20.0-34.0) | 7.0 ns (1.0-13.0) |\n", text)
        self.assertIn("| fan-out 1:100, 128 B, each delivery | 81 ns (74-118) | 64 ns (60-68) | |\n", text)
        self.assertIn("29.0 ns (21.0-35.0), of it the subscriber's worker 16.0 ns (14.0-23.0) | 10.0 ns (6.0-10.0) |\n", text)
        self.assertIn("| pairs, one subject, 16 B | 50 (48-53) | 158 (130-203) | 306 (247-403) | 602 (482-803) |\n", text)
        self.assertIn("Of fan-out: I 83 ns (81-88), S 12 ns (0-57), D 72 ns (67-93). Efficiency", text)
        self.assertIn("to 0.74 (0.62-0.95) for one subject,\n0.52 (0.49-0.56) for changing ones.", text)


class Script(unittest.TestCase):
    def run_it(self, *arguments):
        return subprocess.run([SCALING, "--bench", BENCH, "--tern", TERN, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=WAIT_S, check=False)

    def program(self, script):
        """The path of a shell script."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = os.path.join(directory.name, "program")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o700)
        return path

    def test_who_takes_long_is_waited_for(self):
        for seconds in (0.05, 1000):
            with unittest.mock.patch.object(subprocess, "run", wraps=subprocess.run) as run:
                self.assertRaises(scaling.Trouble, scaling.measure, "/bin/true", "nats://x", 1, "pubsub", "same", seconds)
            self.assertGreater(run.call_args.kwargs["timeout"], seconds + 60)

    def test_there_and_back_on_one_broker(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "rows")
            done = self.run_it("--rounds", "1", "--seconds", "0.05", "--rows", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(path, encoding="utf-8") as file:
                rows = [json.loads(line) for line in file]
        self.assertEqual([row["case"].split()[-1] for row in rows], ["same", "cross", "cross", "same"] * 5)
        self.assertEqual(len({row["broker"]["pid"] for row in rows}), 1)
        self.assertRaises(ProcessLookupError, os.kill, rows[0]["broker"]["pid"], 0)
        self.assertRegex(done.stdout, r"(?m)^\| 1000 subjects in turn, 16 B \| [\d.]+ ns \([\d.]+-[\d.]+\) \| ")
        self.assertRegex(done.stdout, r"(?m)^\| pairs, changing subjects, 16 B( \| \d+ \(\d+-\d+\)){4} \|$")
        self.assertRegex(done.stdout, r"in 1 round\(s\) of 0.05 s by `./bench/scaling`: tern 0\.\S+,\n")

    def test_what_cannot_be_measured(self):
        done = self.run_it("--tern", "/nonexistent")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("/nonexistent cannot be run", done.stderr)
        done = self.run_it("--tern", "/bin/true")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("/bin/true did not start", done.stderr)
        done = self.run_it("--bench", "/bin/false")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("'pubsub --size 16 --placement same': exit code 1, and no CPU time of the broker's threads", done.stderr)
        done = self.run_it("--rows", "/nonexistent/rows")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, "^bench/scaling: .*'/nonexistent/rows'\n$")
        found = {"found": {"lost": 0, "altered": 3}, "error": None}
        none = {"figures": {"threads_ns_per_message": 0, "subscribers_worker_ns_per_message": 0}}
        for printed, code, reason in (("no JSON", 0, "same': exit code 0, and no CPU time"), ("[1]", 3, "same': exit code 3"),
                                      (json.dumps(found), 1, "same': faults: {'altered': 3}"),
                                      (json.dumps(none), 0, "same: the broker's threads took no time that shows")):
            done = self.run_it("--bench", self.program(f"printf %s '{printed}'; exit {code}"))
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(reason, done.stderr)
        for wrong in (["--rounds", "0"], ["--seconds", "x"], ["--nosuch"]):
            self.assertEqual(self.run_it(*wrong).returncode, 2)
        self.assertEqual(self.run_it("--help").returncode, 0)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    BENCH, TERN = (os.path.abspath(path) for path in sys.argv[1:])
    unittest.main(argv=[sys.argv[0], "--verbose"])
