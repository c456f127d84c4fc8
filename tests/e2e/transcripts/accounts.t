# Accounts: closed to one another but for exports and imports; mappings. Answers with headers differ between servers in the
# time they measure, so those who get requests take no headers here.
@config accounts {
@config   A { users: [ {user: a, password: a} ]
@config       exports: [ {stream: "ev.>"}, {service: "svc.*"}, {service: "st", response_type: stream}
@config                  {stream: "from.*.*.*"}, {service: "to.>"} ]
@config       mappings: { "old": "new", "w.*.*": "m.$2.$1", "p.*": "q.{{partition(10,1)}}.{{wildcard(1)}}"
@config                   "s.*": "t.{{splitfromleft(1,2)}}" } }
@config   B { users: [ {user: b, password: b} ]
@config       imports: [ {stream: {account: A, subject: "ev.>"}, prefix: "imp"}
@config                  {service: {account: A, subject: "svc.time"}, to: "time"}
@config                  {service: {account: A, subject: "svc.*"}}, {service: {account: A, subject: "st"}}
@config                  {stream: {account: A, subject: "from.*.*.*"}, to: "f.$3.$1.$2"}
@config                  {service: {account: A, subject: "to.*.*"}, to: "t2.$2.$1"}
@config                  {service: {account: A, subject: "to.*.*.*"}, to: "t3.$3.$1.$2"}
@config                  {service: {account: A, subject: "to.x"}, to: "t1.*"} ]
@config       mappings: { "bm": "time" } }
@config   C { users: [ {user: c, password: c} ], exports: [ {service: "deep"} ]
@config       imports: [ {stream: {account: A, subject: "ev.*"}, to: "c.*"}, {service: {account: A, subject: "svc.time"}, to: "deep"} ] }
@config   D { users: [ {user: d, password: d} ], imports: [ {service: {account: C, subject: "deep"}} ]
@config       limits: {max_payload: 10, max_subscriptions: 2} }
@config   E { users: [ {user: e, password: e} ], limits: {max_connections: 1} }
@config }
@config mappings { "g.old": "g.new" }
@config no_auth_user: none
@config authorization { users: [ {user: none, password: none} ] }

=== accounts are closed
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
@hello G {"verbose":false}
A> SUB > 1
@sync A
B> SUB > 1
B> SUB x.> 2
B> SUB *.y q 3
@sync B
G> SUB > 1
@sync G
A> PUB x.y 1
A> a
A< MSG x.y 1 1
A< a
@sync B
@sync G
B> PUB x.y 1
B> b
B<~ MSG x.y 1 1\r\nb
B<~ MSG x.y 2 1\r\nb
B<~ MSG x.y 3 1\r\nb
G> PUB x.y 1
G> g
G< MSG x.y 1 1
G< g
@sync A
@sync B

=== streams
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
@hello C {"verbose":false,"user":"c","pass":"c"}
B> SUB imp.ev.> 1
@sync B
C> SUB c.* 1
@sync C
A> PUB ev.x r 0002
A> hi
B< MSG imp.ev.x 1 r 0002
B< hi
C< MSG c.x 1 r 0002
C< hi
A> PUB ev.x.y 0
A>> \r\n
B< MSG imp.ev.x.y 1 0
B<
@sync C

=== wildcards have them, too
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
B> SUB > 1
B> SUB imp.*.x 2
B> SUB *.*.* 3
B> SUB ev.> 4
@sync B
A> PUB ev.x 1
A> a
B<~ MSG imp.ev.x 1 1\r\na
B<~ MSG imp.ev.x 2 1\r\na
B<~ MSG imp.ev.x 3 1\r\na
B> UNSUB 1
B> UNSUB 2
@sync B
A> PUB ev.x 1
A> b
B< MSG imp.ev.x 3 1
B< b

=== the way back is closed
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
A> SUB > 1
@sync A
B> PUB imp.ev.x 1
B> b
B> PUB ev.x 1
B> b
@sync B
@sync A

=== a group of the importer
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
@hello C {"verbose":false,"user":"b","pass":"b"}
B> SUB imp.ev.* q 1
@sync B
C> SUB imp.ev.* q 1
@sync C
A> PUB ev.x 1
A> a
@one BC MSG imp.ev.x 1 1\r\na

=== a service answers once
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
A> SUB svc.time 2
@sync A
B> SUB in.* 1
@sync B
B> PUB time in.1 1
B> q
A<= MSG svc.time 2 \? 1
A< q
A> PUB \! 2
A> ok
B< MSG in.1 1 2
B< ok
A> PUB \! 2
A> no
@sync A
@sync B

=== a service by a wildcard, and without a reply
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
A> SUB svc.* 2
@sync A
B> PUB svc.other 1
B> q
A< MSG svc.other 2 1
A< q
B> SUB in.* 1
B> PUB svc.more in.2 1
B> r
A<= MSG svc.more 2 \? 1
A< r
A> PUB \! 2
A> ok
B< MSG in.2 1 2
B< ok

=== wildcards that change places
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
B> SUB f.> 1
@sync B
A> SUB to.> 2
A> PUB from.a.b.c 1
A> x
B< MSG f.c.a.b 1 1
B< x
B> SUB in.* 3
B> PUB t2.a.b in.1 1
B> q
A<= MSG to.b.a 2 \? 1
A< q
A> PUB \! 2
A> ok
B< MSG in.1 3 2
B< ok
B> PUB t3.a.b.c 1
B> q
A< MSG to.c.a.b 2 1
A< q
B> PUB t1.any 1
B> q
A< MSG to.x 2 1
A< q

=== many answers
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
A> SUB st 2
@sync A
B> SUB in.* 1
B> PUB st in.1 1
B> q
A<= MSG st 2 \? 1
A< q
A> PUB \! 1
A> 1
A> PUB \! 1
A> 2
A> PUB \! 0
A>> \r\n
A> PUB \! 1
A> 3
B< MSG in.1 1 1
B< 1
B< MSG in.1 1 1
B< 2
B< MSG in.1 1 0
B<
@sync A
@sync B

=== an answer that asks
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
A> SUB svc.time 2
A> SUB back 3
@sync A
B> SUB in.* 1
B> PUB time in.1 1
B> q
A<= MSG svc.time 2 \? 1
A< q
A> PUB \! back 2
A> ok
B<= MSG in.1 1 \? 2
B< ok
B> PUB \! 3
B> yes
A< MSG back 3 3
A< yes

=== by way of another account
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello D {"verbose":false,"user":"d","pass":"d"}
A> SUB svc.time 2
@sync A
D> SUB in.* 1
D> PUB deep in.1 1
D> q
A<= MSG svc.time 2 \? 1
A< q
A> PUB \! 2
A> ok
D< MSG in.1 1 2
D< ok

=== nobody in the service's account
@hello B {"verbose":false,"user":"b","pass":"b","headers":true,"no_responders":true}
B> SUB in.* 1
B> PUB time in.1 1
B> q
B<< @since 2.12 HMSG in.1 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: time\r\n\r\n\r\n
@sync B

=== mappings
@hello A {"verbose":false,"user":"a","pass":"a"}
@hello B {"verbose":false,"user":"b","pass":"b"}
@hello G {"verbose":false}
A> SUB > 1
A> PUB old 1
A> 1
A< MSG new 1 1
A< 1
A> PUB w.x.y r 1
A> 2
A< MSG m.y.x 1 r 1
A< 2
A> PUB p.7 1
A> 3
A< MSG q.6.7 1 1
A< 3
A> PUB s.abcd 1
A> 4
A< MSG t.ab.cd 1 1
A< 4
B> PUB bm 1
B> q
A< MSG svc.time 1 1
A< q
G> SUB g.* 1
G> SUB old 2
G> PUB g.old 1
G> g
G< MSG g.new 1 1
G< g
G> PUB old 1
G> o
G< MSG old 2 1
G< o

=== limits of an account: INFO tells them
@open D
D> CONNECT {"verbose":false,"protocol":1,"user":"d","pass":"d"}
D> PING
D< PONG
D< @info
@info D max_payload 10

=== limits of an account: payload
@hello D {"verbose":false,"user":"d","pass":"d"}
D> PUB a 10
D> 1234567890
@sync D
D> PUB a 11
D< -ERR 'Maximum Payload Violation'
D! closed

=== limits of an account: subscriptions
@hello D {"verbose":false,"user":"d","pass":"d"}
D> SUB a 1
D> SUB b 2
@sync D
D> SUB c 3
D< -ERR 'maximum subscriptions exceeded'
@sync D

=== limits of an account: connections
# in one mode only, or the connection of the mode before might still be there
@modes joined
@hello D {"verbose":false,"user":"e","pass":"e"}
@open E
E> CONNECT {"verbose":false,"user":"e","pass":"e"}
E> PING
E< -ERR 'maximum account active connections exceeded'
E! closed
@sync D
