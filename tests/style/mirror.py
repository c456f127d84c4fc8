#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every source file of the library and the broker has a unit test of its own, which has its name:

    lib/ROOM/FILE.c    tests/unit/ROOM/FILE.c
    broker/FILE.c      tests/unit/broker/FILE.c
    broker/ROOM/FILE.c tests/unit/broker/ROOM_FILE.c

ELSEWHERE lists the others, with what tests them and why; an entry that is not needed any more is a finding, too.
"""
import os

import source

ELSEWHERE = {
    "lib/loop/rcu.c": "tests/torture/grace_period.c: it shows with threads only",
    "lib/loop/sim.c": "tests/unit/loop/inbox.c: the simulation is what the tests of workers stand on",
    "lib/net/tls_engine.c": "tests/unit/net/tls.c: contexts and the loading of the module are what connections begin with",
    "lib/net/transport.c": "tests/support/transport_battery.c: what all transports promise, run for each of them",
    "broker/main.c": "tests/e2e: a program is tested as a process",
    "broker/server.c": "tests/e2e: starts threads and opens sockets, in order",
    "broker/conf/conf_scan.c": "tests/unit/broker/conf_conf.c: the words of the language are tested with the language",
    "broker/ops/options_table.c": "tests/unit/broker/ops_options.c: a table, tested by what uses it",
    "broker/monitor/absent.c": "tests/unit/broker/monitor_monitor.c: pages are made by the monitor",
    "broker/monitor/accounts.c": "tests/unit/broker/monitor_monitor.c: pages are made by the monitor",
    "broker/monitor/connz.c": "tests/unit/broker/monitor_monitor.c: pages are made by the monitor",
    "broker/monitor/interestz.c": "tests/unit/broker/monitor_monitor.c: pages are made by the monitor",
    "broker/monitor/metrics.c": "tests/e2e/monitor: what the page says is compared with METRICS.md and read as Prometheus does",
    "broker/monitor/stagez.c": "tests/unit/broker/monitor_monitor.c: pages are made by the monitor",
    "broker/monitor/subsz.c": "tests/unit/broker/monitor_monitor.c: pages are made by the monitor",
    "broker/monitor/topz.c": "tests/unit/broker/monitor_monitor.c: pages are made by the monitor",
    "broker/monitor/varz.c": "tests/unit/broker/monitor_monitor.c: pages are made by the monitor",
    "broker/monitor/web.c": "tests/e2e/monitor: a program that is spoken to over HTTP",
    "broker/packaging/manual.c": "tests/packaging/manual.sh: what it writes is looked at",
    "broker/handlers/handlers.c": "tests/unit/broker/handlers.c: the room has no other file",
}
EXAMPLES = ("lib/examples/", "broker/handlers/modules/")  # programs and modules that show how; tested from outside


def test_of(path):
    """Where the unit test of a source file belongs."""
    top, *rest = path.split("/")
    return "tests/unit/" + ("/".join(rest) if top == "lib" else "broker/" + "_".join(rest))


def check(root, path):
    has_test = os.path.exists(os.path.join(root, test_of(path)))
    if path not in ELSEWHERE:
        if not has_test:
            yield f"{path}:1: has no unit test {test_of(path)}; if it is tested elsewhere, ELSEWHERE in mirror.py says where and why"
        return
    if has_test:
        yield f"{path}:1: has the unit test {test_of(path)}; take it out of ELSEWHERE in mirror.py"
    where = ELSEWHERE[path].split(":")[0]
    if not os.path.exists(os.path.join(root, where)):
        yield f"{path}:1: is tested by {where} according to ELSEWHERE in mirror.py, but that is not there"


def main():
    root = source.root_argument()
    paths = [path for path in source.files(root, (".c",), ("lib", "broker")) if not path.startswith(EXAMPLES)]
    source.report([finding for path in paths for finding in check(root, path)], len(paths))


if __name__ == "__main__":
    main()
