#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the system account is told without asking: tern's events must have the keys and the JSON types of nats-server's, but
for the differences below, which are wanted; and too many of them cost nobody anything.

    sys_events.py TERN [TEST...]

Exit code 77: all is well, but there was no nats-server to compare with.
"""
import os
import re
import signal
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import broker  # noqa: E402
import shapes  # noqa: E402
from sys_client import Client  # noqa: E402

TERN = ""
CONFIG = """
server_name: north-1
accounts {
  $SYS { users: [ {user: s, password: s} ] }
  A { users: [ {user: a, password: a} ] }
}
"""
TYPE = "io.nats.server.advisory.v1."
#: Keys that a nats-server of the version tern behaves as has, and the one of the distribution does not.
NEWER = {"server.flags", "flags", "name", "num_subscriptions"}


def shape(event, *without):
    found = shapes.shape(event, (), ())
    return {key: kind for key, kind in found.items() if key not in without}


class Events(unittest.TestCase):
    def setUp(self):
        self.servers = [self.start(program) for program in (TERN, broker.reference()) if program]

    def start(self, program, text=CONFIG):
        server = broker.Broker(program, text=text)
        self.addCleanup(server.__exit__)
        return server

    def join(self, server, user="s", subject=None):
        client = Client(server.port, user)
        self.addCleanup(client.socket.close)
        if subject:
            client.say(f"SUB {subject.replace('.ID.', f'.{client.id}.')} 9\r\n")
            client.sync()
        return client

    def compare(self, events):
        """Of tern, and of nats-server if it is there."""
        if len(events) > 1:
            self.assertEqual(shape(events[0], *NEWER), shape(events[1], *NEWER))
        return events[0]

    def test_connections_come_and_go(self):
        come, gone = [], []
        for server in self.servers:
            listener = self.join(server, subject="$SYS.ACCOUNT.A.>")
            client = self.join(server, "a")
            come.append(listener.event("$SYS.ACCOUNT.A.CONNECT"))
            self.assertEqual((come[-1]["client"]["id"], come[-1]["server"]["id"]), (client.cid, client.id))
            client.say("SUB x 2\r\nPUB x 3\r\nabc\r\n")
            client.until(rb"MSG x 2 3\r\nabc\r\n")
            client.socket.close()
            gone.append(listener.event("$SYS.ACCOUNT.A.DISCONNECT"))
            self.assertEqual(gone[-1]["client"]["id"], client.cid)
        for events, name in ((come, "client_connect"), (gone, "client_disconnect")):
            event = self.compare(events)
            self.assertEqual(event["type"], TYPE + name)
            self.assertEqual({key: event["client"][key] for key in ("acc", "user", "name", "lang", "ver", "host")},
                             {"acc": "A", "user": "a", "name": "a name", "lang": "python", "ver": "3",
                              "host": "127.0.0.1"})
        self.assertEqual((gone[0]["reason"], gone[0]["sent"], gone[0]["received"]),
                         ("Client Closed", {"msgs": 1, "bytes": 3}, {"msgs": 1, "bytes": 3}))

    def test_accounts_are_counted_when_they_change(self):
        """nats-servers of old also count $G, where a connection is until it has said CONNECT; tern and newer ones do not."""
        events = []
        for server in self.servers:
            listener = self.join(server, subject="$SYS.>")
            first = self.join(server, "a")
            for subject in ("$SYS.SERVER.ACCOUNT.A.CONNS", "$SYS.ACCOUNT.A.SERVER.CONNS"):
                event = listener.event(subject)
                self.assertEqual((event["acc"], event["conns"], event["total_conns"]), ("A", 1, 1))
            events.append(event)
            first.socket.close()
            event = listener.event("$SYS.ACCOUNT.A.SERVER.CONNS")
            self.assertEqual((event["acc"], event["conns"], event["total_conns"]), ("A", 0, 0))
        self.assertEqual(self.compare(events)["type"], TYPE + "account_connections")

    def test_who_is_refused_is_told_without_what_was_wrong(self):
        events = []
        for server in self.servers:
            listener = self.join(server, subject="$SYS.SERVER.ID.CLIENT.AUTH.ERR")
            with socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS) as peer:
                peer.sendall(b'CONNECT {"user":"a","pass":"hunter2","lang":"python","name":"n","version":"3"}\r\n')
                events.append(listener.event("$SYS.SERVER.ID.CLIENT.AUTH.ERR"))
        event = self.compare(events)
        self.assertEqual((event["reason"], event["client"]["user"], event["client"]["acc"]),
                         ("Authentication Failure", "a", "$G"))
        self.assertNotIn("hunter2", str(event))

    def test_connections_of_nobody_in_particular_are_no_events(self):
        text = "no_auth_user: g\nauthorization { users: [{user: g, password: g}] }\n" + CONFIG
        for server in [self.start(program, text) for program in (TERN, broker.reference()) if program]:
            listener = self.join(server, subject="$SYS.ACCOUNT.*.CONNECT")
            self.join(server, "g")
            self.join(server, "a")
            listener.event("$SYS.ACCOUNT.A.CONNECT")
            self.assertNotIn(b"$G.CONNECT", listener.passed)

    def test_the_servers_figures_come_by_themselves(self):
        events = []
        for server in self.servers:
            listener = self.join(server, subject="$SYS.SERVER.ID.STATSZ")
            events.append(listener.event("$SYS.SERVER.ID.STATSZ"))
        self.assertEqual(self.compare(events)["statsz"]["connections"], 1)

    def test_the_end_is_told(self):
        """nats-servers before 2.9.12 do not tell of lame duck mode."""
        events = []
        for server in self.servers:
            listener = self.join(server, subject="$SYS.SERVER.ID.*")
            if not server.is_reference:
                server.process.send_signal(signal.SIGUSR2)
                lame = listener.event("$SYS.SERVER.ID.LAMEDUCK")
            server.process.send_signal(signal.SIGINT)
            events.append(listener.event("$SYS.SERVER.ID.SHUTDOWN"))
            self.assertEqual(server.process.wait(broker.WAIT_SECONDS), 0)
        shut = self.compare(events)
        self.assertEqual((shape(lame), lame["name"]), (shape(shut), "north-1"))
        self.assertGreater(shut["seq"], lame["seq"])

    def test_whoever_is_in_another_account_hears_nothing(self):
        for server in self.servers:
            listener = self.join(server, "a", subject="$SYS.>")
            system = self.join(server, subject="$SYS.ACCOUNT.A.CONNECT")
            self.join(server, "a")
            system.event("$SYS.ACCOUNT.A.CONNECT")
            listener.sync()
            self.assertNotIn(b"MSG", listener.passed)

    def test_a_reload_changes_who_is_told(self):
        server = self.servers[0]
        listener = self.join(server, subject="$SYS.ACCOUNT.*.*")
        with open(os.path.join(server.dir, "config"), "w", encoding="utf-8") as file:
            file.write(CONFIG.replace("A {", "B { users: [{user: b, password: b}] }\n  A {"))
        self.assertEqual(set(listener.ask("SERVER.ID.RELOAD")), {"server"})
        self.join(server, "b")
        self.assertEqual(listener.event("$SYS.ACCOUNT.B.CONNECT")["client"]["user"], "b")
        with open(os.path.join(server.dir, "config"), "w", encoding="utf-8") as file:
            file.write("server_name: north-1\naccounts { A { users: [{user: a, password: a}] } }\n")
        server.process.send_signal(signal.SIGHUP)
        self.assertTrue(listener.ended())  # nobody is in the system account any more
        self.join(server, "a")
        self.assertEqual(server.stop(), 0)


class Storm(unittest.TestCase):
    """Connections that come and go by the hundred, while one who listens does not read."""

    def test_who_does_not_read_holds_nobody_up(self):
        text = CONFIG + "max_pending: 2MB\n"  # one who reads in the end only has less waiting
        with broker.Broker(TERN, text=text, workers=2) as server:
            stuck = Client(server.port, "s")
            stuck.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.say("".join(f"SUB $SYS.> {sid}\r\n" for sid in range(100, 140)))
            stuck.sync()
            reading = Client(server.port, "s")
            reading.say("SUB $SYS.ACCOUNT.A.> 9\r\n")
            reading.sync()
            other = Client(server.port, "a")
            other.say("SUB x 2\r\n")
            peers = []
            for number in range(300):
                peer = socket.create_connection(("127.0.0.1", server.port), timeout=broker.WAIT_SECONDS)
                peers.append(peer)
                password = "a" if number % 3 else "wrong"
                peer.sendall(f'CONNECT {{"user":"a","pass":"{password}","verbose":false,"name":"{"n" * 500}"}}\r\n'
                             "PING\r\n".encode())
                if number % 50 == 49:
                    for each in peers:
                        each.close()
                    peers = []
            for each in peers:
                each.close()
            other.say("PUB x 2\r\nok\r\n")
            other.until(rb"MSG x 2 2\r\nok\r\n")  # traffic goes on
            broker.wait_for("the end of who does not read", lambda: re.search("Slow Consumer", server.output()))
            last = Client(server.port, "a")
            cid = 0
            while cid != last.cid:  # events have come in their order, and still do
                before, cid = cid, reading.event("$SYS.ACCOUNT.A.CONNECT")["client"]["id"]
                self.assertNotEqual(cid, before)
            last.socket.close()
            gone, count = False, None
            while not gone or count != 1:  # in either order: the count is sent when it is due
                subject, event = reading.event_of("$SYS.ACCOUNT.A.DISCONNECT", "$SYS.ACCOUNT.A.SERVER.CONNS")
                if subject.endswith("CONNS"):
                    count = event["conns"]
                else:
                    gone = gone or event["client"]["id"] == last.cid
            self.assertEqual(server.stop(), 0)
            for client in (stuck, reading, other):
                client.socket.close()


if __name__ == "__main__":
    TERN = os.path.abspath(sys.argv.pop(1))
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if not broker.reference():
        broker.skip("no nats-server here: nothing was compared with it")
