#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py ROOT BUILD: clang-tidy with the checks of .clang-tidy over lib/, broker/ and bench/, two files at a time."""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys

FOLDERS = ("lib", "broker", "bench")
PARALLEL = 2
# Options of gcc that clang does not know are no finding.
ARGUMENTS = ["--quiet", "--warnings-as-errors=*", "--extra-arg=-Wno-unknown-warning-option",
             "--extra-arg=-Wno-ignored-optimization-argument"]


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def sources(root, build):
    """The files the build compiles that belong to the product, once each."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as database:
        paths = {os.path.realpath(entry["file"]) for entry in json.load(database)}
    roots = tuple(os.path.join(os.path.realpath(root), folder) + os.sep for folder in FOLDERS)
    return sorted(path for path in paths if path.startswith(roots))


def tidy(build, path):
    done = subprocess.run(["clang-tidy", "-p", build, *ARGUMENTS, path], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def main():
    root, build = sys.argv[1], sys.argv[2]
    if not shutil.which("clang-tidy"):
        skip("clang-tidy is not installed")
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, text=True, check=True).stdout
    if not re.search(r"version 14\.", version):
        skip("the checks are those of clang-tidy 14; this is " + " ".join(version.split()))
    paths = sources(root, build)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        for path, (code, output) in zip(paths, pool.map(lambda path: tidy(build, path), paths)):
            if code != 0:
                failed += 1
                print(f"{os.path.relpath(path, root)}:\n{output}", flush=True)
    print(f"{failed} of {len(paths)} files with findings")
    sys.exit(1 if failed or not paths else 0)


if __name__ == "__main__":
    main()
