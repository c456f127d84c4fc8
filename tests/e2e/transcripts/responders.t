# No responders: the 503, and when there is none. {"no_responders":true,"headers":true} unless said otherwise.

=== nobody there, the requester listens
@hello A {"verbose":false,"headers":true,"no_responders":true}
A> SUB r 5
A> PUB none r 1
A> x
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n\r\n
@sync A

=== a wildcard inbox
@hello A {"verbose":false,"headers":true,"no_responders":true}
A> SUB _INBOX.abc.* 5
A> PUB none.here _INBOX.abc.1 1
A> x
A<< @before 2.12 HMSG _INBOX.abc.1 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG _INBOX.abc.1 5 41 41\r\nNATS/1.0 503\r\nNats-Subject: none.here\r\n\r\n\r\n
@sync A

=== HPUB as well
@hello A {"verbose":false,"headers":true,"no_responders":true}
A> SUB r 5
A> HPUB none r 12 13
A> NATS/1.0\r\n\r\nx
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n\r\n
@sync A

=== verbose: +OK first
@hello A {"verbose":true,"headers":true,"no_responders":true}
A> SUB r 5
A< +OK
A> PUB none r 1
A> x
A< +OK
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n\r\n
@sync A

=== 503s do not count for UNSUB (surprise 15)
@hello A {"verbose":false,"headers":true,"no_responders":true}
A> SUB r 5
A> UNSUB 5 1
A> PUB none r 1
A> x
A> PUB none r 1
A> x
A> PUB r 1
A> y
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n\r\n
A< MSG r 5 1\r\ny
A> PUB r 1
A> z
@sync A

=== a queue subscription on the reply is not enough (surprise 16)
@hello A {"verbose":false,"headers":true,"no_responders":true}
A> SUB r q 5
A> PUB none r 1
A> x
@sync A

=== nobody listens on the reply
@hello A {"verbose":false,"headers":true,"no_responders":true}
A> PUB none r 1
A> x
@sync A

=== only somebody else listens on the reply
@hello A {"verbose":false,"headers":true,"no_responders":true}
@hello B {"verbose":false,"headers":true,"no_responders":true}
B> SUB r 5
@sync B
A> PUB none r 1
A> x
@sync A
@sync B

=== no reply
@hello A {"verbose":false,"headers":true,"no_responders":true}
A> SUB r 5
A> PUB none 1
A> x
@sync A

=== not asked for
@hello A {"verbose":false,"headers":true}
A> SUB r 5
A> PUB none r 1
A> x
@sync A

=== asked not to
@hello A {"verbose":false,"headers":true,"no_responders":false}
A> SUB r 5
A> PUB none r 1
A> x
@sync A

=== somebody is there: no 503
@hello A {"verbose":false,"headers":true,"no_responders":true}
@hello B {"verbose":false}
B> SUB svc 1
@sync B
A> SUB r 5
A> PUB svc r 1
A> x
B< MSG svc 1 r 1\r\nx
B> PUB r 2
B> ok
A< MSG r 5 2\r\nok
@sync A

=== a queue of responders: no 503
@hello A {"verbose":false,"headers":true,"no_responders":true}
@hello B {"verbose":false}
B> SUB svc q 1
@sync B
A> SUB r 5
A> PUB svc r 1
A> x
B< MSG svc 1 r 1\r\nx
@sync A
B> UNSUB 1
@sync B
A> PUB svc r 1
A> x
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n
@sync A

=== the responder has gone
@hello A {"verbose":false,"headers":true,"no_responders":true}
@hello B {"verbose":false}
B> SUB svc 1
B> UNSUB 1 1
@sync B
A> SUB r 5
A> PUB svc r 1
A> x
B< MSG svc 1 r 1\r\nx
A> PUB svc r 1
A> x
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 35 35\r\nNATS/1.0 503\r\nNats-Subject: svc\r\n\r\n\r\n
@sync A
@sync B

=== echo off, only the own interest: nobody (surprise 17)
@hello A {"verbose":false,"headers":true,"no_responders":true,"echo":false}
A> SUB n 4
A> SUB r 5
A> PUB n r 1
A> x
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 33 33\r\nNATS/1.0 503\r\nNats-Subject: n\r\n\r\n\r\n
@sync A

=== echo off, only the own queue interest: nobody
@hello A {"verbose":false,"headers":true,"no_responders":true,"echo":false}
A> SUB n q 4
A> SUB r 5
A> PUB n r 1
A> x
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 33 33\r\nNATS/1.0 503\r\nNats-Subject: n\r\n\r\n\r\n
@sync A

=== a subject with an empty token has no responders (surprise 8)
@hello A {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}
A> SUB > 5
A> PUB a..b r 1
A> x
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 36 36\r\nNATS/1.0 503\r\nNats-Subject: a..b\r\n\r\n\r\n
@sync A

=== a reserved reply is an error, not a 503
@hello A {"verbose":false,"headers":true,"no_responders":true}
A> SUB > 5
A> PUB none _R_.x 1
A> x
A< -ERR 'Permissions Violation for Publish with Reply of "_R_.x"'
@sync A

=== the JetStream API is nobody
@hello A {"verbose":false,"headers":true,"no_responders":true}
A> SUB r 5
A> PUB $JS.API.INFO r 0
A>
A<< @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n
A<< @since 2.12 HMSG r 5 44 44\r\nNATS/1.0 503\r\nNats-Subject: $JS.API.INFO\r\n\r\n\r\n
@sync A

=== two listen on the reply: one 503
@hello A {"verbose":false,"headers":true,"no_responders":true}
A> SUB r 5
A> SUB r 6
A> PUB none r 1
A> x
A<? @before 2.12 HMSG r 5 16 16\r\nNATS/1.0 503\r\n\r\n
A<? @before 2.12 HMSG r 6 16 16\r\nNATS/1.0 503\r\n\r\n
A<? @since 2.12 HMSG r 5 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n
A<? @since 2.12 HMSG r 6 36 36\r\nNATS/1.0 503\r\nNats-Subject: none\r\n\r\n
@sync A
