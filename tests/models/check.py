#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks a Promela model, and that its seeded bugs are found.

    check.py MODEL.pml [BUG_n]

Without a bug the whole state space must be explored and hold no error; with one, an error must be found: a
model that cannot fail proves nothing. Exit code 77 when spin is not installed.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

DEPTH = 1000000
SECONDS = 250


def run(command, directory):
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=SECONDS)
    return done.returncode, done.stdout + done.stderr


def main():
    model, bug = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
    if not shutil.which("spin"):
        print("SKIP: spin is not installed")
        return 77
    with open(model) as file:
        if bug and not re.search(rf"#.*\b{bug}\b", file.read()):
            print(f"{model} knows no {bug}")
            return 1
    with tempfile.TemporaryDirectory(prefix="tern-model-") as directory:
        shutil.copy(model, directory)
        define = [f"-D{bug}"] if bug else []
        code, text = run(["spin", *define, "-a", os.path.basename(model)], directory)
        if code:
            print(text)
            return 1
        code, text = run([os.environ.get("CC", "gcc"), "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"], directory)
        if code:
            print(text)
            return 1
        code, text = run(["./pan", f"-m{DEPTH}"], directory)
    errors = re.search(r"errors: (\d+)", text)
    complete = "max search depth too small" not in text and "out of memory" not in text
    if code or not errors or not complete:
        print(text)
        return 1
    found = int(errors.group(1)) > 0
    print(text if found != bool(bug) else re.search(r"State-vector.*", text).group(0) + "\n"
          + "\n".join(re.findall(r".*(?:states, stored|pan:1:.*)", text)))
    if bug:
        print(f"{bug} {'found' if found else 'NOT found'}")
    return 0 if found == bool(bug) else 1


if __name__ == "__main__":
    sys.exit(main())
