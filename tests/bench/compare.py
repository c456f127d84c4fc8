#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tern-bench compare with real servers, for moments: `compare.py TERN_BENCH TERN`.

The order, the rows, the table, what is told about failures, and that nothing is left running. Figures are not judged.
What needs nats-server is left out where there is none.
"""
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

WAIT_S = 60
BENCH, TERN = "", ""
NATS = shutil.which("nats-server")


def start_tern(label="tern"):
    return f"--start={label}=nats://127.0.0.1:{{port}} {TERN} -a 127.0.0.1 -p {{port}}"


class Lossy:
    """Takes the byte forwarder's place and loses one message of each run."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"raw://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                subscribers, publisher = [], None
                while publisher is None:
                    connection, _ = self.listener.accept()
                    connection.settimeout(WAIT_S)
                    role = connection.recv(2, socket.MSG_WAITALL)
                    connection.sendall(b"+")
                    if role == b"P\n":
                        publisher = connection
                    else:
                        subscribers.append(connection)
                data = b""
                while chunk := publisher.recv(1 << 16):
                    data += chunk
                for subscriber in subscribers:
                    subscriber.sendall(data[data.index(b"MSG ", 1):])
                    subscriber.close()
                publisher.close()
        except OSError:
            pass  # closed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(WAIT_S)


class Compare(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.rows_path = os.path.join(self.directory, "rows")

    def compare(self, *arguments):
        command = [BENCH, *arguments, "--rows", self.rows_path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        with open(self.rows_path, encoding="utf-8") as file:
            return done, [json.loads(line) for line in file]

    def assert_gone(self, rows):
        for row in rows:
            if row.get("broker"):
                self.assertRaises(ProcessLookupError, os.kill, row["broker"]["pid"], 0)

    def test_alternating_order_rounds_and_the_limit(self):
        done, rows = self.compare("compare", "pubsub", "--msgs", "20k", "--rounds", "2", start_tern("a"), start_tern("b"))
        self.assertEqual(done.returncode, 0, done.stderr)
        turn = ["a", "b", "forwarder", "forwarder", "b", "a"]
        self.assertEqual([row["label"] for row in rows], turn * 2)
        self.assertEqual([row["round"] for row in rows], [1] * 6 + [2] * 6)
        self.assertEqual({row["case"] for row in rows}, {"pubsub --msgs 20k"})
        self.assertEqual({(row["received"], row["error"]) for row in rows}, {(20000, None)})
        for row in rows:
            self.assertGreater(row["started"]["ready_ms"], 0)
            self.assertGreater(row["started"]["rss"], 100000)
        self.assertEqual(len({row["broker"]["pid"] for row in rows}), 12)  # a new process each
        self.assert_gone(rows)
        self.assertRegex(done.stdout, r"\| pubsub --msgs 20k \| b +\|.* msg/s \| [\d.]+ \([\d.]+-[\d.]+\) \| [\d.]+ \(")
        self.assertRegex(done.stderr, r"(?m)^\[1/12\] round 1  pubsub --msgs 20k +a .* msg/s  about \d+ s left$")

    def test_output_is_of_the_whole_comparison(self):
        page, table, again = (os.path.join(self.directory, name) for name in ("page.html", "table.csv", "again.json"))
        done, rows = self.compare("pubsub", "--msgs", "20k", "--html", page, f"--csv={table}", "--json-file", again, "--json",
                                  "--rounds", "1", start_tern("a"), start_tern("b"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({row["case"] for row in rows}, {"pubsub --msgs 20k"})
        labels = ["a", "b", "forwarder", "forwarder", "b", "a"]
        self.assertEqual([json.loads(line)["label"] for line in done.stdout.splitlines()], labels)
        with open(again, encoding="utf-8") as file:
            self.assertEqual([json.loads(line)["label"] for line in file], labels)
        with open(table, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), 1 + len(rows))
        with open(page, encoding="utf-8") as file:
            text = file.read()
        for label in ("a", "b", "forwarder"):
            self.assertIn(f">{label}<", text)

    def test_a_page_that_cannot_be_written_is_said(self):
        done, _ = self.compare("pubsub", "--msgs", "20k", "--rounds", "1", start_tern("a"), "--html", "/nowhere/page.html")
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot write /nowhere/page.html", done.stderr)

    def test_servers_that_run_already(self):
        server = subprocess.Popen([TERN, "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", self.directory],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            for line in server.stderr:
                if "ready" in line.lower():
                    break
            name = next(name for name in os.listdir(self.directory) if name.endswith(".ports"))
            with open(os.path.join(self.directory, name), encoding="utf-8") as file:
                url = json.load(file)["nats"][0]
            servers = ["--compare", url, f"--compare=again={url}"]
            done, rows = self.compare("pubsub", "--msgs", "10k", *servers, "--rounds", "1", "--no-limit", "--quiet")
            self.assertIsNone(server.poll())
        finally:
            server.terminate()
            server.wait(WAIT_S)
            server.stderr.close()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([row["label"] for row in rows], ["tern", "again", "again", "tern"])
        self.assertEqual({row["case"] for row in rows}, {"pubsub --msgs 10k"})
        self.assertNotIn("started", rows[0])

    @unittest.skipUnless(NATS, "nats-server is not installed")
    def test_two_brokers_and_a_plan(self):
        plan = os.path.join(self.directory, "plan")
        with open(plan, "w", encoding="utf-8") as file:
            file.write("# two sizes\npubsub --size 16\n\npubsub --size 128 --msgs 3k\n")
        nats = f"--start=nats-server=nats://127.0.0.1:{{port}} {NATS} -a 127.0.0.1 -p {{port}}"
        done, rows = self.compare("compare", "--plan", plan, "--msgs", "5k", nats, start_tern(), "--rounds=1")
        self.assertEqual(done.returncode, 0, done.stderr)
        turn = ["nats-server", "tern", "forwarder"]
        self.assertEqual([row["label"] for row in rows], (turn + turn[::-1]) * 2)
        self.assertEqual([row["case"] for row in rows], ["pubsub --size 16"] * 6 + ["pubsub --size 128 --msgs 3k"] * 6)
        self.assertEqual([row["received"] for row in rows], [5000] * 6 + [3000] * 6)
        self.assertEqual({row["server"]["name"] for row in rows}, set(turn))
        self.assertIn("| to nats-server |", done.stdout.replace("  ", ""))
        self.assert_gone(rows)

    def test_the_suite_becomes_its_scenarios(self):
        nobody = "--compare=down=nats://127.0.0.1:1"
        done, rows = self.compare("suite", "--seconds", "0.05", "--rounds", "1", "--no-limit", nobody)
        plan = subprocess.run([BENCH, "suite", "--plan"], capture_output=True, text=True, timeout=WAIT_S, check=True).stdout
        names = [line.split()[0] for line in plan.splitlines()]
        self.assertEqual(done.returncode, 2)
        self.assertEqual([row["scenario"] for row in rows], [name for name in names for _ in range(2)])
        self.assertIn("cannot connect to 127.0.0.1:1", rows[-1]["error"])
        self.assertEqual({row["case"] for row in rows if row["scenario"] in ("pub", "idle")},
                         {"pub --seconds 0.05", "idle --connections 1000 --seconds 0.05"})
        done = subprocess.run([BENCH, "suite", "--nosuch", nobody], capture_output=True, timeout=WAIT_S, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"--nosuch: no such option", done.stderr)

    def test_what_fails_is_shown_kept_and_does_not_count(self):
        refusing = "--compare=down=nats://127.0.0.1:1"
        broken = "--start=broken=nats://127.0.0.1:{port} sh -c 'echo no such luck >&2; exit 3'"
        done, rows = self.compare("compare", "pubsub", "--msgs", "5k", "--rounds", "1", start_tern(), refusing, broken)
        self.assertEqual(done.returncode, 2)
        down = [row for row in rows if row["label"] == "down"]
        self.assertEqual(len(down), 2)
        self.assertIn("cannot connect to 127.0.0.1:1", down[0]["error"])
        self.assertRegex(done.stdout, r"\| down +\| +- \| +- \| .* 2 of 2 FAILED: .*cannot connect to 127.0.0.1:1")
        self.assertRegex(done.stdout, r"\| broken +\|.* 2 of 2 FAILED: broken did not start: no such luck")
        self.assertRegex(done.stdout, r"\| tern +\|.* msg/s \|")
        self.assertRegex(done.stderr, r"down +FAILED: ")

    def test_a_server_that_is_not_there_has_its_url_for_a_name(self):
        done, rows = self.compare("pubsub", "--msgs", "1k", "--rounds", "1", "--no-limit", "--compare=nats://anna:secret@127.0.0.1:1")
        self.assertEqual((done.returncode, {row["label"] for row in rows}), (2, {"127.0.0.1:1"}))
        self.assertRegex(done.stdout, r"\| 127.0.0.1:1 +\| +- \|")
        self.assertNotIn("secret", done.stdout + done.stderr)
        done, _ = self.compare("pubsub", "--rounds", "1", "--no-limit", "--compare=nats://anna:secret@127.0.0.1:65536")
        self.assertIn("127.0.0.1:65536: a server is", done.stdout)
        self.assertNotIn("secret", done.stdout + done.stderr)

    def test_faults_are_told_from_failures(self):
        with Lossy() as lossy:
            done, rows = self.compare("compare", "pubsub", "--msgs", "2k", "--rounds", "1", f"--compare=lossy={lossy.url}",
                                      start_tern(), "--no-limit")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual([row["found"]["lost"] for row in rows], [1, 0, 0, 1])
        self.assertRegex(done.stdout, r"\| lossy +\| +- \|.* 2 of 2 FAILED: messages lost")

    def test_interrupted_keeps_what_it_has_and_stops_what_runs(self):
        process = subprocess.Popen([BENCH, "compare", "pubsub", "--seconds", "0.2", "--rounds", "500", start_tern(),
                                    "--rows", self.rows_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ready, _, _ = select.select([process.stderr], [], [], WAIT_S)
        self.assertTrue(ready)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=WAIT_S)
        self.assertEqual(process.returncode, 2)
        self.assertIn("interrupted; what was measured until then is above", errors)
        self.assertRegex(output, r"\| tern +\|.* msg/s \|")
        with open(self.rows_path, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        self.assertEqual([row["error"] for row in rows], [None] * (len(rows) - 1) + ["interrupted"])
        self.assertIs(rows[-1]["partial"], True)
        self.assertRegex(output, r" 1 of \d+ FAILED: interrupted")
        self.assert_gone(rows)

    def test_rows_that_cannot_be_kept_are_said(self):
        command = [BENCH, "compare", "pubsub", "--msgs", "20k", "--rounds", "1", "--no-limit", start_tern("a")]
        done = subprocess.run([*command, "--rows", "/dev/full"], capture_output=True, text=True, timeout=WAIT_S, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count("cannot write /dev/full: No space left on device"), 1)
        self.assertRegex(done.stdout, r"\| a +\|.* msg/s \|")

    def test_minutes_bound_it(self):
        done, rows = self.compare("compare", "pubsub", "--msgs", "1k", "--rounds", "900", "--minutes", "0.01", start_tern(),
                                  "--no-limit")
        self.assertEqual(done.returncode, 0)
        self.assertGreaterEqual(len(rows), 2)
        self.assertLess(len(rows), 1800)
        self.assertEqual(len(rows) % 2, 0)

    def test_what_takes_too_long_is_cut_off_and_not_tried_again(self):
        done, rows = self.compare("compare", "pubsub", "--seconds", "60", "--rounds", "2", "--patience", "0.3", start_tern(),
                                  "--no-limit")
        self.assertEqual(done.returncode, 2)
        self.assertEqual([(row["error"], row["partial"]) for row in rows], [("cut off after 0.3 s", True)])
        self.assertRegex(done.stdout, r"\| tern +\| +- \|.* 1 of 1 FAILED: cut off after 0.3 s")
        self.assert_gone(rows)

    def test_wrong_options(self):
        for wrong in ([], ["pubsub"], ["pubsub", "--compare", "nonsense"], [start_tern()], ["pubsub", "--start", "nats://x:1"],
                      ["pubsub", "--start", "nats://127.0.0.1:1 tern"], ["pubsub", start_tern(), "--rounds", "0"],
                      ["pubsub", start_tern(), "--minutes", "x"], ["--plan", "/nonexistent", start_tern()], ["pubsub", start_tern(), "--patience", "0"],
                      ["pubsub", start_tern(), "--rows", "/nonexistent/x"]):
            done = subprocess.run([BENCH, "compare", *wrong], capture_output=True, timeout=WAIT_S, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, b""), wrong)
            self.assertIn(b"usage: tern-bench compare", done.stderr)
        many = [option for i in range(3) for option in ("--html", f"{i}.html", "--csv", f"{i}.csv", "--json-file", f"{i}.json")]
        for options, said in ((many, "tern-bench: --html, --csv and --json-file can be given 8 times in all, '2.json' is one more"),
                              (["--html="], "tern-bench: '' is not a possible value of --html"),
                              (["--rounds", "x"], "tern-bench: 'x' is not a possible value of --rounds"),
                              (["--start", "nothing"], "tern-bench: 'nothing' is not [LABEL=]URL COMMAND with {port} in it")):
            done = subprocess.run([BENCH, "compare", "pubsub", *options], capture_output=True, text=True, timeout=WAIT_S, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stderr.split("usage:")[0], said + "\n")
        self.assertEqual(subprocess.run([BENCH, "compare", "--help"], capture_output=True, check=False).returncode, 0)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    BENCH, TERN = (os.path.abspath(path) for path in sys.argv[1:])
    unittest.main(argv=[sys.argv[0], "--verbose"])
