#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Limits against the hostile: connections of one address, new connections in a second, publishing, memory of the process,
and that those who exceed one are counted.

    limits.py BROKER

Whoever exceeds one is held or refused; a client that does nothing wrong goes on beside.
"""
import os
import re
import socket
import sys
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

PATH = sys.argv.pop(1) if len(sys.argv) > 1 else None
MIB = 1 << 20


class Client:
    def __init__(self, server, hello=True):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS)
        self.left = b""
        if hello:
            self.until(b"\r\n")
            self.socket.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\n')
            self.sync()

    def until(self, text):
        """Reads up to and with a text; returns it all; raises at the end of the connection."""
        while text not in self.left:
            part = self.socket.recv(1 << 20)
            if not part:
                raise ConnectionError(self.left)
            self.left += part
        at = self.left.index(text) + len(text)
        got, self.left = self.left[:at], self.left[at:]
        return got

    def sync(self, data=b""):
        self.socket.sendall(data + b"PING\r\n")
        return self.until(b"PONG\r\n")

    def close(self):
        self.socket.close()


def resident(server):
    with open(f"/proc/{server.process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024


def counted(server, name, label=""):
    """What /metrics says, of all workers together."""
    with urllib.request.urlopen(server.monitoring + "/metrics", timeout=broker.WAIT_SECONDS) as page:
        lines = re.findall(rf"^{name}(\{{.*\}})? (\d+)$", page.read().decode(), re.M)
    assert lines, name
    return sum(int(number) for labels, number in lines if label in labels)


ACCOUNT = """
accounts: {
  A: {
    users: [{user: a, password: p}]
    limits: {max_conn: 2, max_subs: 3, max_payload: 10}
  }
}
"""


class Limits(unittest.TestCase):
    def test_one_address(self):
        with broker.Broker(PATH, {"max_connections_per_address": "3"}, workers=2) as server:
            clients = [Client(server) for _ in range(3)]
            refused = Client(server, hello=False)
            self.assertIn(b"-ERR 'maximum connections exceeded'", refused.until(b"exceeded'\r\n"))
            self.assertRaises((ConnectionError, OSError), refused.until, b"never")
            clients.pop().close()
            deadline = time.monotonic() + broker.WAIT_SECONDS
            while True:  # the broker learns of the end a moment later
                try:
                    clients.append(Client(server))
                    break
                except (ConnectionError, OSError):
                    self.assertLess(time.monotonic(), deadline)
            for client in clients:
                client.sync()

    def test_new_connections_in_a_second(self):
        rate = 50
        with broker.Broker(PATH, {"connections_per_second": str(rate)}, workers=2, flags=("-m", "-1")) as server:
            Client(server).close()
            self.assertEqual(counted(server, "tern_connections_delayed_total"), 0)
            begun = time.monotonic()
            sockets = [Client(server, hello=False) for _ in range(2 * rate)]
            for done, client in enumerate(sockets):
                client.until(b"\r\n")
                allowed = rate * (time.monotonic() - begun) + rate / 10 + 2
                self.assertLessEqual(done, allowed)
            for client in sockets:
                client.sync(b'CONNECT {"verbose":false}\r\n')
            self.assertGreater(counted(server, "tern_connections_delayed_total"), 0)

    def test_the_whole_server(self):
        options = {"max_connections": "2", "max_subscriptions": "3"}
        with broker.Broker(PATH, options, workers=2, flags=("-m", "-1")) as server:
            clients = [Client(server) for _ in range(2)]
            for _ in range(3):
                Client(server, hello=False).until(b"-ERR 'maximum connections exceeded'\r\n")
            self.assertEqual(clients[0].sync(b"".join(b"SUB a %d\r\n" % i for i in range(7))).count(b"-ERR"), 4)
            self.assertEqual(counted(server, "tern_connections_refused_by_server_total"), 3)
            self.assertEqual(counted(server, "tern_subscriptions_refused_by_connection_total"), 4)
            self.assertEqual(counted(server, "tern_refused_by_account_total"), 0)
            self.assertEqual(counted(server, "tern_refused_by_memory_total"), 0)

    def test_an_account(self):
        with broker.Broker(PATH, workers=2, flags=("-m", "-1"), text=ACCOUNT) as server:
            clients = [Client(server, hello=False) for _ in range(5)]
            for client in clients[:2]:
                client.sync(b'CONNECT {"verbose":false,"user":"a","pass":"p"}\r\n')
            for client in clients[2:]:
                client.socket.sendall(b'CONNECT {"verbose":false,"user":"a","pass":"p"}\r\n')
                client.until(b"-ERR 'maximum account active connections exceeded'\r\n")
            self.assertEqual(clients[0].sync(b"".join(b"SUB a %d\r\n" % i for i in range(5))).count(b"-ERR"), 2)
            clients[1].socket.sendall(b"PUB a 11\r\n01234567890\r\n")
            clients[1].until(b"-ERR 'Maximum Payload Violation'\r\n")
            for limit, count in (("connections", 3), ("subscriptions", 2), ("payload", 1)):
                self.assertEqual(counted(server, "tern_refused_by_account_total", f'limit="{limit}"'), count, limit)
            for other in ("connections_refused_by_server", "subscriptions_refused_by_connection"):
                self.assertEqual(counted(server, f"tern_{other}_total"), 0)

    def test_publishing(self):
        with broker.Broker(PATH, {"publish_messages": "100"}, workers=2) as server:
            subscriber, fast, slow = Client(server), Client(server), Client(server)
            subscriber.sync(b"SUB > 1\r\n")
            begun = time.monotonic()
            fast.socket.sendall(b"PUB fast 1\r\nx\r\n" * 250)
            slow.sync(b"PUB slow 1\r\nx\r\n")  # is not held up
            got = b""
            while got.count(b"MSG fast") < 250:
                got += subscriber.until(b"\r\nx\r\n")
                allowed = 100 * (time.monotonic() - begun) + 100 + 2
                self.assertLessEqual(got.count(b"MSG fast"), allowed)
            self.assertEqual(got.count(b"MSG slow"), 1)
            fast.sync()

    @unittest.skipIf(broker.SCALE > 1, "sanitizers need more memory")
    def test_memory(self):
        ceiling = 96 * MIB
        options = {"max_memory": str(ceiling), "max_pending": "1GB", "write_deadline": "10m"}  # memory is what ends it
        with broker.Broker(PATH, options, workers=2) as server:
            stuck, healthy, publisher = Client(server), Client(server), Client(server)
            stuck.sync(b"SUB > 1\r\n")
            healthy.sync(b"SUB big 1\r\n")
            peak, body, messages = 0, b"x" * 100000, 4000
            received = [0]

            def read():
                while received[0] < messages * len(body) and (got := len(healthy.socket.recv(1 << 20))) > 0:
                    received[0] += got

            reader = threading.Thread(target=read)
            reader.start()
            for i in range(messages):
                if i * len(body) - received[0] > 8 * MIB:  # the one that reads is not to be the one with most waiting
                    broker.wait_for("the reader", lambda sent=i * len(body): sent - received[0] < 4 * MIB or not reader.is_alive())
                publisher.socket.sendall(b"PUB big %d\r\n%s\r\n" % (len(body), body))
                peak = max(peak, resident(server))
            reader.join(broker.WAIT_SECONDS)
            self.assertGreaterEqual(received[0], messages * len(body))
            publisher.sync()
            self.assertLess(peak, ceiling * 1.5)
            self.assertIn("max_memory", server.output())
            self.assertRaises((ConnectionError, OSError), stuck.sync, b"")

            # Subscriptions without end: at some point they are refused, and the connection lives.
            hoarder = Client(server)
            refused = b""
            for first in range(0, 1000000, 2000):
                batch = b"".join(b"SUB hoard.%d %d\r\n" % (i, i) for i in range(first, first + 2000))
                refused += hoarder.sync(batch)
                if b"-ERR 'maximum subscriptions exceeded'" in refused:
                    break
            self.assertIn(b"-ERR 'maximum subscriptions exceeded'", refused)
            self.assertLess(resident(server), ceiling * 1.1)
            publisher.sync(b"PUB a 1\r\nx\r\n")
            deadline = time.monotonic() + broker.WAIT_SECONDS
            late = Client(server, hello=False)
            self.assertIn(b"-ERR 'maximum connections exceeded'", late.until(b"exceeded'\r\n"))
            hoarder.close()
            while True:  # when it has gone there is room again
                try:
                    Client(server).close()
                    break
                except (ConnectionError, OSError):
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
