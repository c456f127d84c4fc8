#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Subscribers that read nothing for a while, one under each overflow policy, while a healthy one reads along.

    overflow.py BROKER

The publisher is held up by nobody, the healthy subscriber gets everything, and what each of the others gets afterwards is
what its policy promises: the first messages, the last ones, or the newest of each subject.
"""
import json
import os
import re
import socket
import sys
import tempfile
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

CONFIG = """
write_deadline: "10m"  # until they read; a slow machine takes its time
tern { overflow {
  bytes: 100KB
  subjects { "new.>": drop_new, "old.>": drop_old }
} }
"""
MESSAGES = int(20000 / broker.SCALE)
SUBJECTS = 50
BODY = 1000
SYNC = b"PING\r\n"


class Client:
    def __init__(self, server, subject, extension=""):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS)
        self.left = b""
        self.say(f'CONNECT {{"verbose":false,"pedantic":false{extension}}}\r\n'.encode())
        if subject:
            self.say(f"SUB {subject} 1\r\n".encode())
        self.sync()

    def say(self, data):
        self.socket.sendall(data)

    def sync(self):
        """Numbers and subjects of the messages up to the next PONG."""
        self.say(SYNC)
        got = []
        at = 0
        while True:
            end = self.left.find(b"\r\n", at)
            line = self.left[at:end] if end >= 0 else b""
            if line == b"PONG":
                self.left = self.left[end + 2:]
                return got
            after = end + 2 + (BODY + 2 if line.startswith(b"MSG ") else 0)
            if end >= 0 and len(self.left) >= after:
                if line.startswith(b"MSG "):
                    got.append((int(self.left[end + 2:after]), line.split()[1].decode()))
                at = after  # other lines: INFO comes a second time, after the first PONG
                continue
            part = self.socket.recv(1 << 20)
            assert part, "the broker closed the connection"
            self.left = self.left[at:] + part
            at = 0


def check(server):
    stuck = {
        "new": Client(server, "new.>"),
        "old": Client(server, "old.>"),
        "latest": Client(server, "latest.>", ',"tern_overflow":{"latest.>":"latest"}'),
    }
    healthy = Client(server, ">")
    publisher = Client(server, None)
    seen = []
    for first in range(0, MESSAGES, 500):
        batch = b""
        for number in range(first, min(first + 500, MESSAGES)):
            kind = ("new", "old", "latest")[number % 3]
            batch += b"PUB %s.%d %d\r\n%-*d\r\n" % (kind.encode(), number % SUBJECTS, BODY, BODY, number)
        publisher.say(batch)
        publisher.sync()
        seen += healthy.sync()
    numbers = [number for number, _ in seen]
    assert numbers == list(range(MESSAGES)), f"the healthy one got {len(numbers)}, from {numbers[:1]} on"

    sent = {kind: [(n, s) for n, s in seen if s.startswith(kind + ".")] for kind in stuck}
    got = {kind: client.sync() for kind, client in stuck.items()}
    for kind in stuck:
        assert 0 < len(got[kind]) < len(sent[kind]), f"{kind}: {len(got[kind])} of {len(sent[kind])}"
        print(f"{kind}: {len(got[kind])} of {len(sent[kind])} messages")
    assert got["new"] == sent["new"][:len(got["new"])], "drop_new: not the first ones"
    numbers = [number for number, _ in got["old"]]
    assert numbers == sorted(numbers), "drop_old: out of order"
    tail = sent["old"][-50:]
    assert got["old"][-50:] == tail, "drop_old: not the last ones"
    missing = MESSAGES - sum(len(messages) for messages in got.values())
    newest = {subject: number for number, subject in sent["latest"]}
    arrived = {}
    for number, subject in got["latest"]:
        assert arrived.get(subject, -1) < number, "latest: out of order within a subject"
        arrived[subject] = number
    assert arrived == newest, "latest: not the newest of each subject"

    check_pages(server, {kind: len(sent[kind]) - len(got[kind]) for kind in stuck})

    for client in stuck.values():  # they are as before
        publisher.say(b"PUB old.0 1\r\nx\r\nPUB new.0 1\r\nx\r\nPUB latest.0 1\r\nx\r\n")
        publisher.sync()
        client.say(SYNC)
        got = b""
        while not got.endswith(b"PONG\r\n"):
            got += client.socket.recv(65536)
        assert b" 1 1\r\nx\r\n" in got, got
    assert server.stop() == 0
    dropped = int(re.search(r"dropped by overflow policies (\d+)", server.output()).group(1))
    assert dropped == missing, f"dropped {dropped}, missing {missing}"


def check_pages(server, missing):
    """What each connection and its one subscription have lost stands in /connz, if it is anything."""
    url = server.monitoring + "/connz?subs=detail"
    with urllib.request.urlopen(url, timeout=broker.WAIT_SECONDS) as answer:
        connections = json.load(answer)["connections"]
    told = {}
    for connection in connections:
        dropped = connection.get("dropped_msgs")
        for subscription in connection.get("subscriptions_list_detail", []):
            assert subscription.get("dropped_msgs") == dropped, connection
            told[subscription["subject"].split(".")[0]] = dropped
    assert told == {**missing, ">": None}, (told, missing)


def main():
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(CONFIG)
        file.flush()
        with broker.Broker(sys.argv[1], workers=2, flags=["-c", file.name, "-m", "-1"]) as server:
            check(server)


if __name__ == "__main__":
    main()
