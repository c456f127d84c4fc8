#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every atomic operation has a comment on its line or within the three lines above that says what it pairs with, and
names its memory order: the short forms, such as atomic_load, are findings. Operators applied to an _Atomic object are
not seen by this check.
"""
import re

import source

OPERATION = re.compile(
    r"\b((?:atomic_(?:load|store|exchange|compare_exchange_strong|compare_exchange_weak|fetch_\w+?|flag_\w+?))"
    r"(_explicit)?|__atomic_\w+|__sync_\w+|uatomic_\w+)\s*\(")
ABOVE = 3


def check(root, path):
    text = source.read(root, path)
    code, comments = source.split_comments(text)
    lines = comments.splitlines()
    for match in OPERATION.finditer(code):
        name, line = match.group(1), source.line_of(code, match.start())
        if not any(each.strip() for each in lines[max(0, line - 1 - ABOVE):line]):
            yield f"{path}:{line}: {name} without a comment that names what it pairs with"
        if name.startswith("atomic_") and not match.group(2):
            yield f"{path}:{line}: {name} leaves its memory order unsaid; use {name}_explicit"


def main():
    root = source.root_argument()
    paths = source.files(root, (".c", ".h"), ("lib", "broker", "bench", "include"))
    source.report([finding for path in paths for finding in check(root, path)], len(paths))


if __name__ == "__main__":
    main()
