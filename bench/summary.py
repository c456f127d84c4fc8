#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the table of ./bench/run out of its rows: `summary.py ROWS`, Markdown to standard output.

Of the two measurements a round makes of each server the mean counts, so that a machine that becomes slower or faster
during a round does so for everybody alike. Ratios are taken within a round and then their median and spread over the
rounds; medians are never divided by one another.
"""
import collections
import json
import statistics
import sys

NAMES = {"forward": "byte forwarder", "tern": "tern", "nats": "nats-server"}
STOLEN_MAX = 0.01
UNREST_MAX = 0.2  # how far the forwarder's figure may move between rounds


def read(path):
    """{size: {server: {round: [result, ...]}}}, and the highest share of stolen time."""
    rows = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(list)))
    stolen = 0.0
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            stolen = max(stolen, row["stolen"])
            rows[row["result"]["size"]][row["server"]][row["round"]].append(row["result"])
    return rows, stolen


def mean_of(results, key):
    return statistics.fmean(value(result, key) for result in results)


def value(result, key):
    """A field, or one inside an object for "object.field"; 0 where there is none."""
    for name in key.split("."):
        result = (result or {}).get(name, 0)
    return result


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def ratios(servers, over, under):
    """One per round."""
    key = "rate"
    shared = sorted(set(servers[over]) & set(servers[under]))
    return [mean_of(servers[over][n], key) / mean_of(servers[under][n], key) for n in shared]


def table(servers):
    print("| server | msg/s, median | MB/s | broker CPU per message | client's busiest thread |")
    print("|---|---:|---:|---:|---:|")
    for server, rounds in servers.items():
        def median(key, rounds=rounds):
            return statistics.median(mean_of(results, key) for results in rounds.values())
        print(f"| {NAMES[server]} | {median('rate'):,.0f} | {median('payload_mb_per_second'):.1f} "
              f"| {median('broker.cpu_ns_per_message'):.0f} ns "
              f"| {median('client.busiest_thread') * 100:.0f} % |")
    print()
    for over, under in (("tern", "nats"), ("tern", "forward"), ("nats", "forward")):
        if over in servers and under in servers:
            print(f"- {NAMES[over]} / {NAMES[under]}, msg/s, per round: {spread(ratios(servers, over, under))}")
    print()


def unrest(servers):
    """How far the forwarder's figure moved between rounds, as a share of its median; 0 without a forwarder."""
    figures = [mean_of(results, "rate") for results in servers.get("forward", {}).values()]
    return (max(figures) - min(figures)) / statistics.median(figures) if figures else 0


def main():
    rows, stolen = read(sys.argv[1])
    for size in sorted(rows):
        servers = rows[size]
        rounds = max(len(rounds) for rounds in servers.values())
        print(f"## 1 publisher, 1 subscriber, {size} B, rounds: {rounds}\n")
        table(servers)
    print("Ratios: median over the rounds, lowest and highest in brackets. Every message was checked.")
    moved = max(unrest(servers) for servers in rows.values())
    if moved > UNREST_MAX:
        print(f"\nThe forwarder's own figure moved by {moved * 100:.0f} % between rounds: the machine was not quiet,"
              " and only the ratios mean something.")
    if stolen > STOLEN_MAX:
        print(f"\nUp to {stolen * 100:.1f} % of the processors' time was taken by other machines on the same host:"
              " these figures are not to be trusted.")


if __name__ == "__main__":
    main()
