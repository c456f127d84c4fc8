#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The memory of very many subscriptions goes back to the system when they end.

    memory.py BROKER
"""
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

SUBSCRIPTIONS = 300000
STEP = 5000


def resident(server):
    """KiB of memory the broker has."""
    with open(f"/proc/{server.process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1))


def sync(connection, data=b""):
    """Sends; returns when everything sent has been carried out."""
    connection.sendall(data + b"PING\r\n")
    got = b""
    while not got.endswith(b"PONG\r\n"):
        part = connection.recv(65536)
        assert part, "the broker closed the connection"
        got += part


def main():
    if broker.SCALE > 1:
        broker.skip("sanitizers keep freed memory")
    with broker.Broker(sys.argv[1], workers=2) as server:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS)
        sync(connection, b'CONNECT {"verbose":false}\r\n')
        before = resident(server)
        for first in range(0, SUBSCRIPTIONS, STEP):
            numbers = range(first, first + STEP)
            sync(connection, b"".join(b"SUB of.its.own.%d %d\r\n" % (n, n) for n in numbers))
        most = resident(server) - before
        for first in range(0, SUBSCRIPTIONS, STEP):
            sync(connection, b"".join(b"UNSUB %d\r\n" % n for n in range(first, first + STEP)))
        deadline = time.monotonic() + broker.WAIT_SECONDS
        while (left := resident(server) - before) > most / 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        print(f"{SUBSCRIPTIONS} subscriptions: {most} KiB; afterwards {left} KiB")
        assert left <= most / 3, "the memory stays with the process"
        assert server.stop() == 0, server.output()


main()
