#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A handler that blocks its worker: what others remove has to wait for it, and that is bounded (guarantee B1).

    blocked.py BROKER MODULES

One client unsubscribes on another worker as fast as it can. It is held back, its neighbours are not, the log says who is
to blame, and when the handler has returned everything goes on by itself.
"""
import os
import re
import select
import socket
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402
import handlers  # noqa: E402

BROKER = ""
MODULES = ""
BOUND = 64 * 1024 * 1024
#: A filter of many tokens: each is a node that waits when the filter is removed, about 100 KiB together.
LONG = b".".join([b"*"] * 1000)
#: Adds and removes far more than the bound, and more than the system's buffers between client and broker hold.
PAIRS = 6000


def resident(process):
    """Bytes of memory the process has."""
    with open(f"/proc/{process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024


class Blocked(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="tern-blocked-")
        self.addCleanup(self.dir.cleanup)
        self.fifo = os.path.join(self.dir.name, "fifo")
        os.mkfifo(self.fifo)
        module = os.path.join(MODULES, "blocks.so")
        self.server = broker.Broker(BROKER, workers=2, flags=("--handler", f"block={module}"))
        self.addCleanup(self.server.__exit__)

    def client(self):
        client = handlers.Client(self.server.port)
        self.addCleanup(client.socket.close)
        return client

    def block_a_worker(self):
        """Blocks one; returns the descriptor whose closing ends that, and clients of the other worker."""
        clients = [self.client() for _ in range(9)]
        path = self.fifo.encode()
        clients[0].say(b"PUB block %d\r\n%s\r\n" % (len(path), path))
        end = os.open(self.fifo, os.O_WRONLY)  # returns when the handler has opened it, too
        for client in clients[1:]:
            client.say(b"PING\r\n")
        free, waiting = [], clients[1:]
        deadline = time.monotonic() + broker.WAIT_SECONDS
        while len(free) < 3:
            ready, _, _ = select.select([c.socket for c in waiting], [], [], max(0, deadline - time.monotonic()))
            self.assertTrue(ready, "the worker that is not blocked answers")
            for client in [c for c in waiting if c.socket in ready]:
                self.assertEqual(client.line(), b"PONG")
                free.append(client)
                waiting.remove(client)
        return end, free[:3]

    def push(self, client, data):
        """Sends what the broker takes; returns the rest."""
        while data:
            _, ready, _ = select.select([], [client.socket], [], 0)
            if not ready:
                break
            data = data[client.socket.send(data[:65536]):]
        return data

    def test_what_waits_for_it_is_bounded(self):
        end, (churner, publisher, subscriber) = self.block_a_worker()
        self.addCleanup(lambda: end is None or os.close(end))
        churner.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)  # else it grows to megabytes
        subscriber.say(b"SUB news 1\r\n")
        subscriber.sync()
        before = resident(self.server.process)
        rest = memoryview((b"SUB %s 5\r\nUNSUB 5\r\n" % LONG) * PAIRS + b"PING\r\n")
        deadline = time.monotonic() + broker.WAIT_SECONDS
        quiet = 0
        while quiet < 200 or "A grace period has not ended" not in self.server.output():
            self.assertTrue(time.monotonic() < deadline, "held back, and reported")
            left = self.push(churner, rest)
            self.assertTrue(left, "the broker took everything: nobody was held back")
            quiet = quiet + 1 if len(left) == len(rest) else 0
            rest = left
            publisher.say(b"PUB news 2\r\nhi\r\nPING\r\n")
            self.assertEqual(publisher.line(), b"PONG")
            self.assertEqual(subscriber.message()[1], b"hi")
        # Sanitizers keep freed memory and have a memory of their own.
        if broker.SCALE == 1:
            self.assertLess(resident(self.server.process) - before, 2 * BOUND)
        self.assertRegex(self.server.output(), r"\[WRN\] A grace period has not ended .* on worker [01]\n")
        os.close(end)
        end = None
        churner.socket.settimeout(10 * broker.WAIT_SECONDS)
        churner.say(rest)
        self.assertEqual(churner.line(), b"PONG")
        self.assertEqual(self.server.stop(), 0, self.server.output())
        self.assertRegex(self.server.output(), r"SUB and UNSUB held back [1-9]")
        self.assertEqual(self.server.output().count("A grace period has not ended"), 1)


if __name__ == "__main__":
    BROKER, MODULES = sys.argv[1], sys.argv[2]
    del sys.argv[1:3]
    unittest.main(argv=["blocked.py", *sys.argv[1:]])
