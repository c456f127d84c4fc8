#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the JavaScript tests against a broker: run.py BROKER [WORKERS]

Installs the client from the lock file first when it is not there; without node, npm or the package the test is
skipped (exit code 77) and says so.
"""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import broker  # noqa: E402


def prepare():
    """The path of node, with the client installed; or skips the test."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node:
        broker.skip("node is not installed")
    if not os.path.isdir(os.path.join(HERE, "node_modules", "nats")):
        if not npm or subprocess.run([npm, "ci", "--silent"], cwd=HERE, timeout=300, check=False).returncode:
            broker.skip("the npm package nats is not installed and cannot be")
    return node


def main():
    node = prepare()
    path = os.path.abspath(sys.argv[1])
    with broker.Broker(path, workers=int(sys.argv[2]) if len(sys.argv) > 2 else 3) as server:
        environment = dict(os.environ, TERN_TEST_PORT=str(server.port), TERN_TEST_BROKER=path)
        code = subprocess.run([node, "--test", "--test-reporter=spec", "nats.test.mjs"], cwd=HERE, env=environment,
                              check=False).returncode
        stopped = server.stop()
        if stopped and not server.is_reference:
            print(f"the broker ended with {stopped}:\n{server.output()}")
            return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
