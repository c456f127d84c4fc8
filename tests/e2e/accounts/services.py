#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What services of other accounts are told about who asks, and the reports of how long they take: as nats-server's, field by
field and in its order; and what else shows that a service is measured.

    services.py TERN [TEST...]

Exit code 77: all is well, but there was no nats-server to compare with.
"""
import json
import os
import sys
import unittest
from datetime import datetime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402
from accounts import Client  # noqa: E402

TERN = ""
CONFIG = """
server_name: "north<1>"
accounts {
  A { users: [ {user: a, password: a} ]
      exports: [ {service: told}, {service: silent}, {service: all, latency: lat.all}
                 {service: deep, latency: lat.deep}
                 {service: slow, latency: {subject: lat.slow, sampling: "100%"}, threshold: "200ms"}
                 {service: some, latency: {sampling: headers, subject: lat.some}} ] }
  B { users: [ {user: b, password: b} ], exports: [ {service: b, latency: lat.b} ]
      imports: [ {service: {account: A, subject: told}, share: true}, {service: {account: A, subject: silent}}
                 {service: {account: A, subject: all}, share: true}, {service: {account: A, subject: slow}}
                 {service: {account: A, subject: some}}, {service: {account: A, subject: deep}, to: b} ] }
  C { users: [ {user: c, password: c} ], imports: [ {service: {account: B, subject: b}} ] }
}
"""
#: Differs from server to server, and from one request to the next.
TIMES = {"start", "timestamp", "rtt", "service", "system", "total"}


def form(value, key=""):
    """The text with its order and values, but for what is different each time, of which the kind is left."""
    if isinstance(value, dict):
        return [(name, form(of, name)) for name, of in value.items()]
    if isinstance(value, list):
        return [form(of) for of in value]
    return type(value).__name__ if key in TIMES or key == "id" else value


def instant(text):
    """A time of day, which nats-server writes without zeros at the end."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole).timestamp() + float("0." + (rest or "0"))


class Services(unittest.TestCase):
    def setUp(self):
        self.servers = [self.start(program) for program in (TERN, broker.reference()) if program]

    def start(self, program):
        server = broker.Broker(program, text=CONFIG)
        self.addCleanup(server.__exit__)
        return server

    def join(self, server, user, *lines):
        client = Client(server.port, user)
        self.addCleanup(client.socket.close)
        client.say(*lines)
        client.sync()
        return client

    def compare(self, values, what):
        """Of tern, and of nats-server if it is there."""
        self.assertEqual(form(values[0]), form(values[-1]), what)
        return values[0]

    @staticmethod
    def info(client):
        _, match = client.until(r"Nats-Request-Info: (.*)\r\n\r\nq\r\n")
        return json.loads(match.group(1))

    @staticmethod
    def report(client, subject):
        _, match = client.until(rf"MSG {subject} 9 +\d+\r\n(.*)\r\n")
        return json.loads(match.group(1))

    def answer(self, client, subject):
        """Answers the request that comes next."""
        _, match = client.until(rf"HMSG {subject} \d (_R_\S+) (?s:.*?)\r\n\r\nq\r\n")
        client.say(f"PUB {match.group(1).decode()} 2", "ok")

    def test_services_are_told_who_asks(self):
        told, silent = [], []
        for server in self.servers:
            service = self.join(server, "a", "SUB told 2", "SUB silent 3")
            requester = self.join(server, "b", "PUB told 1", "q")
            told.append(self.info(service))
            requester.say("PUB silent 1", "q")
            silent.append(self.info(service))
            self.assertLessEqual(abs(instant(told[-1]["start"]) - datetime.utcnow().timestamp()), 600)
            self.assertGreater(told[-1]["rtt"], 0)
        self.assertEqual(self.compare(told, "share")["server"], "north<1>")
        self.assertEqual(list(self.compare(silent, "no share")), ["acc", "rtt"])

    def test_services_are_measured(self):
        for asks, subject, where in (("b", "all", "all"), ("b", "slow", "slow"), ("c", "b", "deep")):
            reports, others = [], []
            for server in self.servers:
                service = self.join(server, "a", "SUB all 2", "SUB slow 3", "SUB deep 4")
                listener = self.join(server, "a", "SUB lat.> 9")
                other = self.join(server, "b", "SUB lat.> 9")
                requester = self.join(server, asks, "SUB in 1", f"PUB {subject} in 1", "q")
                if subject != "slow":
                    self.answer(service, where)
                    requester.until(r"MSG in 1 2\r\nok\r\n")
                    others += [self.report(other, "lat.b")] if asks == "c" else []
                reports.append(self.report(listener, f"lat.{where}"))
                for client in (service, listener, other, requester):
                    client.socket.close()
            report = self.compare(reports, subject)
            self.assertEqual(report["type"], "io.nats.server.metric.v1.service_latency")
            self.assertEqual(report["status"], 504 if subject == "slow" else 200)
            if others:
                self.compare(others, "of the account in between")

    def test_failures_are_reported(self):
        for status, requests in ((400, ("PUB all 1", "q")), (503, ("PUB all in 1", "q")),
                                 (408, ("SUB in 1", "PUB all in 1", "q", "UNSUB 1"))):
            reports = []
            for server in self.servers:
                listener = self.join(server, "a", "SUB lat.> 9")
                service = self.join(server, "a", *([] if status == 503 else ["SUB all 2"]))
                requester = self.join(server, "b", *requests)
                reports.append(self.report(listener, "lat.all"))
                self.assertEqual(reports[-1]["status"], status)
                for client in (service, listener, requester):
                    client.socket.close()
            self.compare(reports, status)

    def test_requests_ask_for_it(self):
        trace = ("Foo: x", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Tracestate: s=t")
        b3 = ("X-B3-TraceId: 80f1", "X-B3-Sampled: 1", "X-B3-SpanId: e457")
        for lines in (trace, b3, ("b3: 80f1-e457-1",), ("Uber-Trace-Id: 4:5:4:1", "uberctx-b: 1", "Uberctx-a: 2")):
            headers = "NATS/1.0\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n"
            reports = []
            for server in self.servers:
                service = self.join(server, "a", "SUB some 2")
                listener = self.join(server, "a", "SUB lat.> 9")
                requester = self.join(server, "b", "SUB in 1", "PUB some in 1", "q")
                self.answer(service, "some")
                requester.until(r"MSG in 1 2\r\nok\r\n")
                requester.say(f"HPUB some in {len(headers)} {len(headers) + 1}", headers + "q")
                self.answer(service, "some")
                reports.append(self.report(listener, "lat.some"))
                self.assertIn("header", reports[-1])
                for client in (service, listener, requester):
                    client.socket.close()
            self.compare(reports, lines)


if __name__ == "__main__":
    TERN = os.path.abspath(sys.argv.pop(1))
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if not broker.reference():
        broker.skip("no nats-server here: nothing was compared with it")
