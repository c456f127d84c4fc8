#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays a transcript, a written-down conversation, against brokers and compares every byte.

    play.py TRANSCRIPT --tern PATH [--reference PATH|auto|none] [--workers 1,3] [--modes line,joined,bytes]

Each case of the file is played against tern (once per number of workers) and against the real nats-server,
in three ways of writing: `line` (one write per line), `joined` (neighbouring lines in one write) and `bytes`
(one byte per write). All must give what the transcript says, and the same as one another. Exit code 0: so;
1: not so; 77: so, but there was no nats-server to compare with, or no tern.

A transcript is a text file. Empty lines and lines starting with '#' mean nothing. A connection is one capital
letter. Texts have the escapes \\r \\n \\t \\\\ \\xHH and \\(x*N), the text x written N times.

    @server KEY=VALUE ...   options of the broker, before the first case; names as in nats-server's configuration
    @config LINE            a line of the brokers' configuration file, before the first case
    @modes MODE ...         only these ways of writing, before the first case, or in a case for that case
    @reference MODES: WHY   only these ways (or `none`) against nats-server, before the first case or for a case
    === NAME                a new case: all connections are closed and forgotten
    @open A                 A connects and reads its INFO, whose form is checked
    @hello A JSON           @open, CONNECT JSON, PING; checks +OK (if verbose), PONG and, since 2.12 and for
                            protocol 1, the INFO that follows
    A> TEXT                 A sends the text and CRLF
    A>> TEXT                A sends the text as it is
    A< TEXT                 A must receive the text and CRLF next
    A<< TEXT                A must receive the text as it is next
    A<~ TEXT                like A<, but neighbouring A<~ lines may come in any order
    A<? TEXT                exactly one of the neighbouring A<? lines must come
    A<= TEXT                like A<, and \\? in it stands for a reply subject (_R_...) of the broker's own making, which
                            \\! stands for in all texts that follow
    A< @since V TEXT        only from servers whose INFO has version V or later (also for << ~ ?)
    A< @before V TEXT       only from earlier servers
    A< @info                an INFO line, whose form is checked
    A! closed               A must see the end of its connection next, and no byte before it
    @info A KEY VALUE       the last INFO of A has this JSON value (VALUE `absent`: has no such key)
    @one AB TEXT            exactly one of these connections receives the text and CRLF next
    @sync A                 A sends PING and must receive PONG next
    @fin A                  A ends its sending side
    @reset A                A resets its connection
    @close A                A closes its connection
    @sleep SECONDS          waits

At the end of a case every open connection ends its sending side and must then see the end of the connection
and no byte before it: so nothing that came unexpected goes unnoticed. Only the PING that a server may send to any
connection that has lived for two seconds is passed over where it is not expected: slow builds live that long.
"""
import argparse
import json
import os
import re
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402

MODES = ("line", "joined", "bytes")
FIRST_PING_SECONDS = 1.9
REFERENCE_ATTEMPTS = 3  # nats-server may lose its last words to a reset
INFO_TYPES = {"server_id": str, "server_name": str, "version": str, "proto": int, "host": str, "port": int,
              "headers": bool, "max_payload": int, "client_id": int, "client_ip": str}


class Mismatch(Exception):
    """The broker said something else than the transcript."""


def unescape(text):
    """The bytes that an escaped text stands for."""
    out = bytearray()
    i = 0
    plain = {"r": 13, "n": 10, "t": 9, "\\": 92}
    while i < len(text):
        if text[i] != "\\":
            out += text[i].encode()
            i += 1
            continue
        kind = text[i + 1]
        if kind in plain:
            out.append(plain[kind])
            i += 2
        elif kind == "x":
            out.append(int(text[i + 2:i + 4], 16))
            i += 4
        elif kind == "(":
            match = re.compile(r"\\\((.*?)\*(\d+)\)").match(text, i)
            out += match.group(1).encode() * int(match.group(2))
            i = match.end()
        else:
            raise ValueError(f"unknown escape in {text!r}")
    return bytes(out)


class Step:
    """One line of a case."""

    def __init__(self, number, kind, who, text):
        self.number, self.kind, self.who, self.text = number, kind, who, text


class Case:
    """A named list of steps."""

    def __init__(self, name):
        self.name, self.steps, self.modes, self.reference_modes = name, [], None, MODES


class Transcript:
    """A parsed file."""

    def __init__(self, path):
        self.options, self.modes, self.reference_modes, self.cases = {}, MODES, MODES, []
        self.config = ""
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip("\n")
                if line and not line.startswith("#"):
                    try:
                        self.parse(number, line)
                    except (ValueError, IndexError, AttributeError) as error:
                        raise SystemExit(f"{path}:{number}: {error}: {line}") from error

    def parse(self, number, line):
        case = self.cases[-1] if self.cases else None
        if line.startswith("==="):
            self.cases.append(Case(line[3:].strip()))
        elif line.startswith("@server ") and not case:
            self.options.update(item.split("=", 1) for item in line.split()[1:])
        elif line.startswith("@config ") and not case:
            self.config += line.split(" ", 1)[1] + "\n"
        elif line.startswith("@modes "):
            (case or self).modes = line.split()[1:]
        elif line.startswith("@reference "):
            modes, _ = line.split(" ", 1)[1].split(":", 1)
            (case or self).reference_modes = [] if modes == "none" else modes.split()
        elif line.startswith("@"):
            kind, who, text = re.fullmatch(r"@(open|hello|info|one|sync|fin|reset|close|sleep) (\S+) ?(.*)", line).groups()
            case.steps.append(Step(number, "@" + kind, who, text))
        else:
            who, kind, text = re.fullmatch(r"([A-Z])(>>|>|<<|<~|<\?|<=|<|!) ?(.*)", line).groups()
            case.steps.append(Step(number, kind, who, text))


class Connection:
    """One client connection: bytes in a buffer, the last INFO."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=broker.WAIT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.ended, self.unsent, self.info = b"", False, b"", None
        self.start = time.monotonic()

    def is_server_ping(self, whole=True):
        """Does the buffer start with a PING (or, not whole, with what may become one) that needs no reason?"""
        ping = b"PING\r\n"
        here = self.buffer.startswith(ping) if whole else ping.startswith(self.buffer)
        return here and time.monotonic() - self.start > FIRST_PING_SECONDS

    def skip_server_ping(self):
        while self.is_server_ping():
            self.buffer = self.buffer[6:]

    def fill(self, deadline):
        """Reads some more; False at the end of the connection or when time is up."""
        if self.ended:
            return False
        ready, _, _ = select.select([self.socket], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        self.buffer += data
        self.ended = not data
        return not self.ended

    def flush(self, mode):
        """Writes what was gathered, in the given way. A broker that hangs up early is not our business here."""
        data, self.unsent = self.unsent, b""
        size = 1 if mode == "bytes" and len(data) < 20000 else max(1, len(data))
        try:
            for i in range(0, len(data), size):
                self.socket.sendall(data[i:i + size])
        except OSError:
            pass


class Player:
    """Plays one case against one broker."""

    def __init__(self, port, mode):
        self.port, self.mode = port, mode
        self.connections, self.version, self.heard = {}, (0,), []
        self.reply = ""  # the last that a <= line has met

    def deadline(self):
        return time.monotonic() + broker.WAIT_SECONDS

    def check_info(self, who, line):
        match = re.fullmatch(rb"INFO (\{.*\}) \r\n", line)
        if not match:
            raise Mismatch(f"{who} wanted an INFO line, got {line!r}")
        try:
            info = json.loads(match.group(1))
        except ValueError as error:
            raise Mismatch(f"{who} got an INFO that is not JSON ({error}): {line!r}") from error
        for key, kind in INFO_TYPES.items():
            if type(info.get(key)) is not kind:
                raise Mismatch(f"{who}: INFO has {key} = {info.get(key)!r}, wanted a {kind.__name__}: {line!r}")
        if not re.fullmatch(r"\d+\.\d+\.\d+\S*", info["version"]):
            raise Mismatch(f"{who}: INFO has version {info['version']!r}")
        if info["proto"] != 1 or any(c in info["server_id"] for c in " .*>"):
            raise Mismatch(f"{who}: INFO has a wrong proto or server_id: {line!r}")
        self.connections[who].info = info
        self.version = tuple(int(n) for n in re.findall(r"\d+", info["version"])[:3])

    def read_info(self, who):
        self.check_info(who, self.read_line(who))

    def read_line(self, who):
        connection, deadline = self.connections[who], self.deadline()
        while b"\n" not in connection.buffer:
            if not connection.fill(deadline):
                raise Mismatch(f"{who} wanted a line, got {connection.buffer!r} and {self.silence(connection)}")
        line, connection.buffer = connection.buffer.split(b"\n", 1)
        return line + b"\n"

    @staticmethod
    def silence(connection):
        return "then the connection ended" if connection.ended else "then nothing"

    def read_one_of(self, who, wanted):
        """Reads the next bytes, which must be one of the wanted; returns its index."""
        connection, deadline = self.connections[who], self.deadline()
        while True:
            for i, text in enumerate(wanted):
                if connection.buffer.startswith(text):
                    connection.buffer = connection.buffer[len(text):]
                    return i
            connection.skip_server_ping()
            possible = any(text.startswith(connection.buffer) for text in wanted)
            if not possible and not connection.is_server_ping(whole=False) or not connection.fill(deadline):
                raise Mismatch(f"{who} wanted {b' or '.join(wanted)[:2000]!r}\n      got    "
                               f"{connection.buffer[:2000]!r} and {self.silence(connection)}")

    def applies(self, text):
        """Splits @since and @before off a text; None when it is not for this server."""
        match = re.match(r"@(since|before) (\S+) ?", text)
        if not match:
            return text, False
        newer = self.version >= tuple(int(n) for n in match.group(2).split("."))
        return (text[match.end():] if newer == (match.group(1) == "since") else None), True

    def open(self, who):
        self.connections[who] = Connection(self.port)

    def hello(self, who, text):
        self.open(who)
        self.read_info(who)
        self.connections[who].unsent = b"CONNECT " + text.encode() + b"\r\nPING\r\n"
        self.connections[who].flush(self.mode)
        fields = json.loads(text)
        if fields.get("verbose", True):
            self.read_one_of(who, [b"+OK\r\n"])
        self.read_one_of(who, [b"PONG\r\n"])
        if fields.get("protocol") == 1 and self.version >= (2, 12):
            self.read_info(who)
            if self.connections[who].info.get("connect_info") is not True:
                raise Mismatch(f"{who}: the INFO after the first PONG has no connect_info")

    def play(self, case):
        try:
            steps = case.steps
            i = 0
            while i < len(steps):
                group = [steps[i]]
                while (steps[i].kind in ("<~", "<?") and i + len(group) < len(steps)
                       and (steps[i + len(group)].kind, steps[i + len(group)].who) == (steps[i].kind, steps[i].who)):
                    group.append(steps[i + len(group)])
                try:
                    self.step(group)
                except Mismatch as error:
                    raise Mismatch(f"line {steps[i].number}: {error}") from error
                i += len(group)
            for who in sorted(self.connections):
                try:
                    self.finish(who)
                except Mismatch as error:
                    raise Mismatch(f"at the end of the case: {error}") from error
        finally:
            for connection in self.connections.values():
                connection.socket.close()
        return self.heard

    def step(self, group):
        first = group[0]
        who, text = first.who, first.text.replace("\\!", self.reply)
        if first.kind in (">", ">>"):
            connection = self.connections[who]
            connection.unsent += unescape(text) + (b"\r\n" if first.kind == ">" else b"")
            if self.mode != "joined":
                connection.flush(self.mode)
            return
        for connection in self.connections.values():
            connection.flush(self.mode)
        if first.kind == "<=":
            self.expect_reply(who, text)
        elif first.kind.startswith("<"):
            self.expect(group)
        elif first.kind == "!":
            self.expect_end(who)
        else:
            getattr(self, "do_" + first.kind[1:])(who, text)

    def expect(self, group):
        who, wanted = group[0].who, []
        for step in group:
            text, versioned = self.applies(step.text.replace("\\!", self.reply))
            if text is None:
                self.heard.append((who, "by version"))
            elif text == "@info":
                self.read_info(who)
                self.heard.append((who, "by version" if versioned else "INFO"))
            else:
                wanted.append((unescape(text) + (b"" if step.kind == "<<" else b"\r\n"), versioned))
        if group[0].kind == "<?":
            self.read_one_of(who, [text for text, _ in wanted])
            self.heard.append((who, "one of"))
            return
        while wanted:
            i = self.read_one_of(who, [text for text, _ in wanted])
            text, versioned = wanted.pop(i)
            self.heard.append((who, "by version" if versioned else "any" if group[0].kind == "<~" else text))

    def expect_reply(self, who, text):
        connection, deadline = self.connections[who], self.deadline()
        parts = [re.escape(unescape(part)) for part in (text + "\\r\\n").split("\\?")]
        wanted = re.compile(rb"(_R_\.[^ \r\n]+)".join(parts))
        match = None
        while not match:
            connection.skip_server_ping()
            match = wanted.match(connection.buffer)
            if not match and not connection.fill(deadline):
                raise Mismatch(f"{who} wanted {text}, got {connection.buffer[:2000]!r} and {self.silence(connection)}")
        connection.buffer = connection.buffer[match.end():]
        self.reply = match.group(1).decode()
        self.heard.append((who, "a reply subject"))

    def expect_end(self, who):
        connection, deadline = self.connections[who], self.deadline()
        connection.skip_server_ping()
        while (not connection.buffer or connection.is_server_ping(whole=False)) and connection.fill(deadline):
            connection.skip_server_ping()
        if connection.buffer or not connection.ended:
            raise Mismatch(f"{who} wanted the end of the connection, got {connection.buffer[:2000]!r} and "
                           f"{self.silence(connection)}")
        self.heard.append((who, "closed"))

    def finish(self, who):
        if self.connections[who].socket.fileno() >= 0:
            self.do_fin(who, "")
            self.expect_end(who)

    def do_open(self, who, _):
        self.open(who)
        self.read_info(who)

    def do_hello(self, who, text):
        self.hello(who, text)

    def do_info(self, who, text):
        key, value = text.split(" ", 1)
        info = self.connections[who].info
        if value == "absent":
            if key in info:
                raise Mismatch(f"{who}: INFO has {key} = {info[key]!r}, wanted none")
        elif key not in info or json.dumps(info[key]) != json.dumps(json.loads(value)):
            raise Mismatch(f"{who}: INFO has {key} = {info.get(key)!r}, wanted {value}")

    def do_one(self, names, text):
        wanted, deadline = unescape(text) + b"\r\n", self.deadline()
        while time.monotonic() < deadline:
            for who in names:
                connection = self.connections[who]
                if connection.buffer.startswith(wanted):
                    connection.buffer = connection.buffer[len(wanted):]
                    self.heard.append((names, "one of"))
                    return
                if connection.buffer and not wanted.startswith(connection.buffer):
                    raise Mismatch(f"{who} wanted {wanted!r} or nothing, got {connection.buffer!r}")
            select.select([self.connections[who].socket for who in names if not self.connections[who].ended], [], [],
                          max(0, deadline - time.monotonic()))
            for who in names:
                self.connections[who].fill(time.monotonic())
        raise Mismatch(f"none of {names} got {wanted!r}")

    def do_sync(self, who, _):
        self.connections[who].unsent += b"PING\r\n"
        self.connections[who].flush(self.mode)
        self.read_one_of(who, [b"PONG\r\n"])

    def do_fin(self, who, _):
        self.connections[who].flush(self.mode)
        try:
            self.connections[who].socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def do_reset(self, who, _):
        self.connections[who].socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connections[who].socket.close()

    def do_close(self, who, _):
        self.connections[who].socket.close()

    def do_sleep(self, seconds, _):
        time.sleep(float(seconds))


def play_all(transcript, path, workers, only):
    """Plays every case in every mode against a fresh broker. Returns what was heard and what went wrong."""
    heard, wrong = {}, []
    name = os.path.basename(path) + (f" with {workers} worker{'s'[:workers > 1]}" if workers else "")
    with broker.Broker(path, transcript.options, workers, text=transcript.config) as server:
        for case in transcript.cases:
            if only and only != case.name:
                continue
            for mode in case.modes or transcript.modes:
                if server.is_reference and mode not in case.reference_modes:
                    continue
                attempts = REFERENCE_ATTEMPTS if server.is_reference else 1
                for attempt in range(1, attempts + 1):
                    try:
                        heard[case.name, mode] = Player(server.port, mode).play(case)
                        break
                    except (Mismatch, OSError) as error:
                        if attempt == attempts:
                            wrong.append(f"{name}: case '{case.name}' ({mode}): {error}")
                if server.process.poll() is not None:
                    wrong.append(f"{name}: ended during case '{case.name}' ({mode}):\n{server.output()}")
                    return heard, wrong
        code = server.stop()
        allowed = (0, 1) if server.is_reference else (0,)
        if code not in allowed:
            wrong.append(f"{name}: exit code {code}:\n{server.output()}")
    return heard, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("transcript")
    parser.add_argument("--tern")
    parser.add_argument("--reference", default="auto")
    parser.add_argument("--workers", default="1,3")
    parser.add_argument("--case", help="only this case")
    arguments = parser.parse_args()
    transcript = Transcript(arguments.transcript)
    found = {"auto": broker.reference(), "none": None}.get(arguments.reference, arguments.reference)
    reference = found if transcript.reference_modes else None
    runs = [(arguments.tern, int(n)) for n in arguments.workers.split(",")] if arguments.tern else []
    if reference:
        runs.append((reference, None))
    results, wrong = [], []
    for path, workers in runs:
        heard, problems = play_all(transcript, path, workers, arguments.case)
        results.append(heard)
        wrong += problems
    for other in results[1:]:
        for key in sorted(set(results[0]) & set(other)):
            if results[0][key] != other[key]:
                wrong.append(f"brokers differ in case '{key[0]}' ({key[1]}): {results[0][key]} and {other[key]}")
    for problem in wrong:
        print(problem)
    if wrong:
        return 1
    print(f"{len(transcript.cases)} cases, {sum(len(heard) for heard in results)} conversations as written")
    if not arguments.tern:
        broker.skip("no tern to play against")
    if not found and transcript.reference_modes:
        broker.skip("no nats-server to compare with; tern did as written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
