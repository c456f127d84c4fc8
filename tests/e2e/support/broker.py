# SPDX-License-Identifier: Apache-2.0
"""Starts and stops a broker for a test: tern, or nats-server as the reference.

A broker listens on 127.0.0.1 on a port of its own choice, announced in a ports file, so that any number of
tests may run side by side. Options are given as nats-server's configuration keys; nats-server gets them in a
configuration file, tern as long flags; `wrapper` is a program that
becomes the broker it is given as arguments; `text` is for the configuration file of both. Everything a broker writes goes into a temporary directory that is
removed with it. Standard library only.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SKIP = 77
#: How much slower than a plain build this one may be (sanitizers); counts shrink and waits grow by it.
SCALE = max(1.0, float(os.environ.get("TERN_TEST_SCALE", "1")))
WAIT_SECONDS = 20 * SCALE


def reference():
    """The path of the real nats-server, or None."""
    return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")


class Broker:
    """One running broker; use it in a with statement."""

    def __init__(self, path, options=None, workers=None, port=-1, flags=(), wait=True, text="", wrapper=()):
        self.path = path
        self.is_reference = os.path.basename(path).startswith("nats-server")
        self.dir = tempfile.mkdtemp(prefix="tern-e2e-")
        self.log = os.path.join(self.dir, "stderr")
        command = [*wrapper, path, "-a", "127.0.0.1", "-p", str(port), "--ports_file_dir", self.dir]
        config = os.path.join(self.dir, "config")
        if self.is_reference or text:
            with open(config, "w") as file:
                for key, value in (options or {}).items() if self.is_reference else ():
                    file.write(f"{key}: {value}\n")
                file.write(text)
            command += ["-c", config]
        if not self.is_reference:
            for key, value in (options or {}).items():
                command += [f"--{key}", value]
            if workers:
                command += ["--workers", str(workers)]
        command += list(flags)
        self.stderr = open(self.log, "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr)
        self.port = None
        self.monitoring = None  # the URL of its pages, when it has them
        if wait:
            self.wait_ready()

    def wait_ready(self):
        """Waits for the ports file; raises when the broker ended or stays silent."""
        name = os.path.join(self.dir, f"{os.path.basename(self.path)}_{self.process.pid}.ports")
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.path} ended with {self.process.returncode}:\n{self.output()}")
            try:
                with open(name) as file:
                    ports = json.load(file)
                self.port = int(ports["nats"][0].rsplit(":", 1)[1])
                self.monitoring = ports.get("monitoring", [None])[0]
                return
            except (OSError, ValueError):
                time.sleep(0.01)
        raise RuntimeError(f"{self.path} wrote no ports file:\n{self.output()}")

    def output(self):
        """What the broker wrote to its standard output and error so far."""
        with open(self.log, errors="replace") as file:
            return file.read()

    def stop(self, how=signal.SIGTERM):
        """Stops the broker and returns its exit code (negative: the signal that ended it)."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"{self.path} does not stop on signal {int(how)}:\n{self.output()}") from None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        try:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        finally:
            self.stderr.close()
            shutil.rmtree(self.dir, ignore_errors=True)


def talk(port, data, until=b"PONG\r\n"):
    """Connects, sends, reads until the text (or the end) came; returns everything."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS) as peer:
        peer.sendall(data)
        got = b""
        while until not in got:
            part = peer.recv(65536)
            if not part:
                break
            got += part
        return got


def wait_for(what, condition):
    """Waits until the condition gives something true; returns it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def skip(reason):
    """Ends the program as skipped."""
    print(f"SKIP: {reason}")
    sys.exit(SKIP)
