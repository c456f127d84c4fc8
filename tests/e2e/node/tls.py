#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the JavaScript tests of TLS against a broker, once for each way to secure connections: tls.py BROKER

Skipped (exit code 77) without node, the npm package, or openssl(1), and it says so.
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import broker  # noqa: E402
import run  # noqa: E402

#: How the broker is configured, beside its certificate: in the block tls, and outside.
MODES = {"required": ("", ""), "available": ("", "allow_non_tls: true"),
         "verify": ("ca_file: '{0}/ca.pem', verify: true", ""), "first": ("handshake_first: true", ""),
         "auto": ("handshake_first: '1s'", "")}


def main():
    node = run.prepare()
    if not shutil.which("openssl"):
        broker.skip("openssl(1), which makes the certificates, is not installed")
    path, code = os.path.abspath(sys.argv[1]), 0
    with tempfile.TemporaryDirectory(prefix="tern-certs-") as certs:
        subprocess.run(["sh", os.path.join(HERE, "..", "..", "support", "certs.sh"), certs], check=True)
        for mode, (block, more) in MODES.items():
            config = os.path.join(certs, mode + ".conf")
            with open(config, "w") as file:
                file.write(f"tls {{ cert_file: '{certs}/server.pem', key_file: '{certs}/server.key'\n"
                           f"{block.format(certs)} }}\n{more}\n")
            with broker.Broker(path, flags=["-c", config]) as server:
                environment = dict(os.environ, TERN_TEST_PORT=str(server.port), TERN_TEST_MODE=mode,
                                   TERN_TEST_CERTS=certs)
                print(f"{mode}:", flush=True)
                code |= subprocess.run([node, "--test", "--test-reporter=spec", "tls.test.mjs"], cwd=HERE,
                                       env=environment, check=False).returncode
    return code


if __name__ == "__main__":
    sys.exit(main())
