#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Banned calls, words that mark unfinished work, paths of somebody's machine, and head comments that are missing.
"""
import re

import source

CALLS = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atoll|atof|gets|alloca)\s*\(")
FENCE = re.compile(r"\b(atomic_thread_fence|atomic_signal_fence|__sync_synchronize)\s*\(")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b|\bfor now\b", re.I)
MACHINE = re.compile(r"(?<![\w.:/~-])/(home|root|Users|work|workspace|builds)/[\w.]+")
SPDX = "SPDX-License-Identifier: Apache-2.0"
HEAD_MIN, HEAD_MAX = 3, 40  # lines of the comment that explains a .c of the product
OWN = ("tests/style/banned.py", "tests/style/selftest.py")  # they name what they look for


def check_head(path, text):
    """The licence, and in C a comment that says what the file is."""
    if SPDX not in "".join(text.splitlines(keepends=True)[:3]):
        yield f"{path}:1: the first lines lack `{SPDX}`"
    if not path.endswith((".c", ".h")):
        return
    head = re.match(r"/\*.*?\*/\s*(/\*.*?\*/)", text, re.S)
    if not head:
        yield f"{path}:1: no comment after the licence line that says what the file is"
        return
    lines = head.group(1).count("\n") + 1
    if path.endswith(".c") and not path.startswith("tests/") and not HEAD_MIN <= lines <= HEAD_MAX:
        yield f"{path}:1: the head comment has {lines} lines; {HEAD_MIN} to {HEAD_MAX} are the rule"


def check(root, path):
    text = source.read(root, path)
    if path.endswith((".c", ".h")):
        code, _ = source.split_comments(text)
        for match in CALLS.finditer(code):
            yield f"{path}:{source.line_of(text, match.start())}: {match.group(1)} is banned"
        for match in FENCE.finditer(code):
            yield f"{path}:{source.line_of(text, match.start())}: fences of their own are banned: order the accesses"
    for match in UNFINISHED.finditer(text):
        yield f"{path}:{source.line_of(text, match.start())}: unfinished: {match.group()}"
    for match in MACHINE.finditer(text):
        yield f"{path}:{source.line_of(text, match.start())}: a path of somebody's machine: {match.group()}"
    yield from check_head(path, text)


def main():
    root = source.root_argument()
    suffixes = (".c", ".h", ".py", ".sh", ".js", ".mjs", ".pml", "CMakeLists.txt", ".cmake", "/run")
    folders = source.TOP_FOLDERS + (".ci", "cmake")
    paths = [path for path in source.files(root, suffixes, folders) if path not in OWN]
    source.report([finding for path in paths for finding in check(root, path)], len(paths))


if __name__ == "__main__":
    main()
