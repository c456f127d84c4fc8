# SPDX-License-Identifier: Apache-2.0
"""What the style checks share: finding the project's files, and taking C apart just far enough.

Every check is a program `check.py ROOT` that prints one line per finding, `path:line: what`, and exits 1 when there is
one. ROOT is a parameter so that selftest.py can show each check a tree with faults in it.
"""
import os
import re
import sys

TOP_FOLDERS = ("lib", "broker", "bench", "include", "tests")
SKIPPED_FOLDERS = {"node_modules", "build", "__pycache__", "corpus"}
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(root, suffixes, folders=TOP_FOLDERS):
    """Paths below ROOT's folders that end in one of the suffixes, relative to ROOT and sorted."""
    found = []
    for folder in folders:
        for where, names, plain in os.walk(os.path.join(root, folder)):
            names[:] = sorted(name for name in names if name not in SKIPPED_FOLDERS)
            found += [os.path.relpath(os.path.join(where, name), root) for name in plain]
    return sorted(path for path in found if path.endswith(suffixes))


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as source:
        return source.read()


def blank(text):
    """Spaces of the same shape: line numbers and columns stay."""
    return re.sub(r"[^\n]", " ", text)


def split_comments(text):
    """Returns (code, comments): each is the text with the other half blanked; literals are emptied in the code."""
    code, comments, end = [], [], 0
    for token in TOKEN.finditer(text):
        between = text[end:token.start()]
        code.append(between)
        comments.append(blank(between))
        word = token.group()
        if word.startswith("/"):
            code.append(blank(word))
            comments.append(word)
        else:
            code.append(word[0] + blank(word[1:-1]) + word[-1])
            comments.append(blank(word))
        end = token.end()
    code.append(text[end:])
    comments.append(blank(text[end:]))
    return "".join(code), "".join(comments)


def without_preprocessor(code):
    """Blanks directives, continued lines included."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda match: blank(match.group()), code, flags=re.M)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def root_argument():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} ROOT")
    return sys.argv[1]


def report(findings, looked_at):
    """Ends the check. Looking at nothing is a failure of its own: a check must not pass because it found no files."""
    for finding in findings:
        print(finding)
    if not looked_at:
        print("no files to look at")
        sys.exit(1)
    print(f"{len(findings)} findings in {looked_at} files")
    sys.exit(1 if findings else 0)
