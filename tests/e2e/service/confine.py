#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Becomes a program that may use the system calls a systemd unit allows, and no others, as under systemd.

    confine.py UNIT PROGRAM [ARGUMENT...]

What SystemCallFilter says is read as systemd does: the first line makes a list, later ones add to it or (with ~) take from
it; sets are asked of systemd-analyze. Other calls fail as SystemCallErrorNumber says, or end the program.
"""
import ctypes
import ctypes.util
import errno
import os
import subprocess
import sys

KILL_PROCESS, ALLOW, NUMBER_UNKNOWN = 0x80000000, 0x7FFF0000, -1
#: by which systemd itself starts the program
ITSELF = {"execve"}


def error(number):
    return 0x00050000 | number


def expand(word):
    """The names of the system calls in a set, or the one named."""
    if not word.startswith("@"):
        return {word}
    shown = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True, capture_output=True, text=True).stdout
    names = set()
    for line in shown.splitlines()[1:]:
        line = line.strip()
        if line and not line.startswith("#"):
            names |= expand(line)
    return names


def settings(unit, key):
    with open(unit, encoding="utf-8") as file:
        return [line.strip().split("=", 1)[1] for line in file if line.startswith(key + "=")]


def allowed(unit):
    names = set()
    for value in settings(unit, "SystemCallFilter"):
        words = set().union(*(expand(word) for word in value.removeprefix("~").split()))
        names = names - words if value.startswith("~") else names | words
    return names | ITSELF


def confine(unit):
    library = ctypes.CDLL(ctypes.util.find_library("seccomp"), use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    numbers = settings(unit, "SystemCallErrorNumber")
    context = ctypes.c_void_p(library.seccomp_init(
        ctypes.c_uint32(error(getattr(errno, numbers[-1])) if numbers else KILL_PROCESS)))
    for name in sorted(allowed(unit)):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != NUMBER_UNKNOWN:
            library.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), number, 0)
    if library.seccomp_load(context) != 0:
        sys.exit("confine.py: the kernel takes no filter")


if __name__ == "__main__":
    confine(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])
