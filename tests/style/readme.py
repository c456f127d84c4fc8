#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""README.md names every public header, and every path it names in `code` or as a link exists."""
import os
import re
import sys

import source

PATH = re.compile(r"`((?:lib|broker|bench|include|tests|cmake)/[\w./-]*)`|\]\((?!https?:|#|mailto:)([^)#\s]+)")


def main():
    root = source.root_argument()
    if not os.path.exists(os.path.join(root, "README.md")):
        print("skipped: there is no README.md")
        sys.exit(77)
    text = source.read(root, "README.md")
    findings = []
    for header in source.files(root, (".h",), ("include",)):
        name = os.path.basename(header)
        if not re.search(rf"(?<![\w]){re.escape(name)}\b", text):
            findings.append(f"README.md:1: {header} is not mentioned")
    for match in PATH.finditer(text):
        path = match.group(1) or match.group(2)
        if not os.path.exists(os.path.join(root, path)):
            findings.append(f"README.md:{source.line_of(text, match.start())}: {path} does not exist")
    source.report(findings, 1)


if __name__ == "__main__":
    main()
