#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Length tripwires: a function above 70 lines needs a comment `long: why` right before it and none may exceed 150; a
file above 700 lines needs `long file: why` in its head comment and none may exceed 1200.
"""
import re

import source

FUNCTION_ASK, FUNCTION_MAX = 70, 150
FILE_ASK, FILE_MAX = 700, 1200
NOT_FUNCTIONS = re.compile(r"^\s*(typedef|struct\s+\w+\s*$|union\s+\w+\s*$|enum\b[^()]*$)")


def is_function(head):
    """head: the code between the last declaration and a brace outside of everything. True for a function's head."""
    if "(" not in head or NOT_FUNCTIONS.match(head):
        return False
    depth = 0
    for character in head:
        depth += (character == "(") - (character == ")")
        if character == "=" and depth == 0:
            return False  # an initialised object
    return depth == 0


def functions(code):
    """Yields (name, start, end, before): offsets of the head's first character and the last brace; and where what
    came before ended. code must be free of comments and directives."""
    depth, ended, head_start, function_start = 0, 0, 0, None
    for offset, character in enumerate(code):
        if character == "{":
            if depth == 0:
                head = code[ended:offset]
                function_start = None
                if is_function(head):
                    function_start = ended + len(head) - len(head.lstrip())
                    head_start = ended
            depth += 1
        elif character == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                if function_start is not None:
                    name = re.search(r"(\w+)\s*\(", code[function_start:])
                    yield name.group(1), function_start, offset, head_start
                    function_start = None
                ended = offset + 1
        elif character == ";" and depth == 0:
            ended = offset + 1


def head_comment(text):
    """Everything before the first line that is neither comment nor blank."""
    code, _ = source.split_comments(text)
    first = re.search(r"\S", code)
    return text[:first.start()] if first else text


def check(root, path):
    text = source.read(root, path)
    lines = text.count("\n")
    if lines > FILE_MAX:
        yield f"{path}:1: {lines} lines, more than {FILE_MAX}"
    elif lines > FILE_ASK and not re.search(r"long file: *\w", head_comment(text)):
        yield f"{path}:1: {lines} lines, more than {FILE_ASK}, and no `long file: why` in the head comment"
    code, comments = source.split_comments(text)
    for name, start, end, before in functions(source.without_preprocessor(code)):
        length = source.line_of(text, end) - source.line_of(text, start) + 1
        where = f"{path}:{source.line_of(text, start)}: {name}: {length} lines"
        if length > FUNCTION_MAX:
            yield f"{where}, more than {FUNCTION_MAX}"
        elif length > FUNCTION_ASK and not re.search(r"\blong: *\w", comments[before:start]):
            yield f"{where}, more than {FUNCTION_ASK}, and no comment `long: why` before it"


def main():
    root = source.root_argument()
    paths = source.files(root, (".c", ".h"))
    source.report([finding for path in paths for finding in check(root, path)], len(paths))


if __name__ == "__main__":
    main()
