# SPDX-License-Identifier: Apache-2.0
"""A client of the system account, or another one, for the tests beside: requests, their answers, and what comes unasked."""
import json
import re
import socket
import time

import broker


class Client:
    """A connection of a user whose password is its name, with an inbox."""

    def __init__(self, port, user, fields=""):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS)
        self.buffer = b""
        self.passed = b""  # what came before the last thing waited for
        self.say(f'CONNECT {{"verbose":false,"user":"{user}","pass":"{user}","headers":true,"no_responders":true,'
                 f'"name":"a name","lang":"python","version":"3"{fields}}}\r\nSUB in.* 1\r\n')
        info = json.loads(self.until(rb"INFO (.*)\r\n")[1])
        self.id, self.cid = info["server_id"], info["client_id"]
        self.sync()

    def say(self, text):
        self.socket.sendall(text.encode())

    def receive(self):
        part = self.socket.recv(65536)
        if b"PING\r\n" in part:  # in whatever it is
            self.say("PONG\r\n")
        self.buffer += part
        return part

    def until(self, pattern):
        deadline = time.monotonic() + broker.WAIT_SECONDS
        while not (match := re.search(pattern, self.buffer)):
            part = self.receive() if time.monotonic() < deadline else b""
            if not part:
                raise AssertionError(f"no {pattern!r} in {self.buffer!r}")
        self.passed, self.buffer = self.buffer[:match.start()], self.buffer[match.end():]
        return match

    def sync(self):
        self.say("PING\r\n")
        self.until(rb"PONG\r\n")

    def payload(self, length):
        while len(self.buffer) < length + 2:
            if not self.receive():
                raise AssertionError(f"the end, in {self.buffer!r}")
        payload, self.buffer = self.buffer[:length], self.buffer[length + 2:]
        return payload

    def event(self, subject):
        """The next message on a subject (ID is the server's), as JSON; others are passed over."""
        return self.event_of(subject)[1]

    def event_of(self, *subjects):
        """As event, the next on any of these: its subject and its JSON."""
        names = "|".join(re.escape(subject.replace(".ID.", f".{self.id}.")) for subject in subjects)
        match = self.until(rb"MSG (" + names.encode() + rb") \d+ +(\d+)\r\n")
        return match[1].decode(), json.loads(self.payload(int(match[2])))

    def ask(self, subject, body=""):
        """The answer, or None: there is nobody to ask. A subject without answer makes the wait fail."""
        self.say(f"PUB $SYS.REQ.{subject.replace('.ID.', f'.{self.id}.')} in.one {len(body.encode())}\r\n{body}\r\n")
        match = self.until(rb"(MSG|HMSG) in\.one 1 +(?:\d+ )?(\d+)\r\n")
        payload = self.payload(int(match[2]))
        return None if payload.startswith(b"NATS/1.0 503") else json.loads(payload.split(b"\r\n\r\n")[-1])

    def ended(self):
        """True once the server has closed the connection; waits for it."""
        while self.receive():
            pass
        return True
