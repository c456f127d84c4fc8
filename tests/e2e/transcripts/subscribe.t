# SUB, UNSUB, queue groups and matching.

=== sids are any token
@hello A {"verbose":false}
A> SUB f abc-DEF
A> SUB g \xff\x01"
A> SUB h 00
A> SUB i 0
A> PUB f 1
A> x
A< MSG f abc-DEF 1\r\nx
A> PUB g 1
A> x
A< MSG g \xff\x01" 1\r\nx
A> UNSUB 0
A> PUB h 1
A> x
A< MSG h 00 1\r\nx
A> PUB i 1
A> x
@sync A

=== a long sid
@hello A {"verbose":false}
A> SUB f \(s*300)
A> PUB f 1
A> x
A< MSG f \(s*300) 1\r\nx
A> UNSUB \(s*300)
A> PUB f 1
A> x
@sync A

=== sids belong to their connection
@hello A {"verbose":false}
@hello B {"verbose":false}
A> SUB f 1
B> SUB f 1
@sync A
@sync B
A> UNSUB 1
A> PUB f 1
A> x
@sync A
B< MSG f 1 1\r\nx

=== invalid subjects (surprise 9)
@hello A {"verbose":true}
A> SUB a..b 1
A< -ERR 'Invalid Subject'
A> SUB .a 2
A< -ERR 'Invalid Subject'
A> SUB a. 3
A< -ERR 'Invalid Subject'
A> SUB . 4
A< -ERR 'Invalid Subject'
A> SUB a.>.b 5
A< -ERR 'Invalid Subject'
A> SUB >.a 6
A< -ERR 'Invalid Subject'
A> SUB >. 7
A< -ERR 'Invalid Subject'
A> SUB a 1
A< +OK
A> PUB a 1
A> x
A< +OK
A< MSG a 1 1\r\nx
@sync A

=== invalid subjects with a queue
@hello A {"verbose":false}
A> SUB a..b q 1
A< -ERR 'Invalid Subject'
@sync A

=== stars and arrows inside tokens are plain characters
@hello A {"verbose":false,"pedantic":false}
A> SUB a.*b 1
A> SUB a> 2
A> SUB a.** 3
A> SUB a.>> 4
A> PUB a.xb 1
A> y
A> PUB ab 1
A> y
A> PUB a.x 1
A> y
A> PUB a.b.c 1
A> y
@sync A
A> PUB a.*b 1
A> y
A< MSG a.*b 1 1\r\ny
A> PUB a> 1
A> y
A< MSG a> 2 1\r\ny
A> PUB a.** 1
A> y
A< MSG a.** 3 1\r\ny
A> PUB a.>> 1
A> y
A< MSG a.>> 4 1\r\ny

=== duplicate sid: the first one stays (surprise 10)
@hello A {"verbose":false}
A> SUB a 77
A> SUB b 77
A> PUB b 1
A> A
A> PUB a 1
A> B
A< MSG a 77 1\r\nB
@sync A
A> UNSUB 77
A> SUB b 77
A> PUB a 1
A> A
A> PUB b 1
A> B
A< MSG b 77 1\r\nB
@sync A

=== duplicate sid and verbose
@hello A {"verbose":true}
A> SUB a 77
A< +OK
A> SUB b 77
A< +OK
A> UNSUB 77
A< +OK
A> UNSUB 77
A< +OK
@sync A

=== wildcards
@hello A {"verbose":false}
A> SUB foo.> 1
A> SUB foo.* 2
A> SUB foo.*.> 3
A> SUB *.bar 4
A> PUB foo 1
A> a
@sync A
A> PUB foo.bar 1
A> b
A<~ MSG foo.bar 1 1\r\nb
A<~ MSG foo.bar 2 1\r\nb
A<~ MSG foo.bar 4 1\r\nb
A> PUB foo.bar.baz 1
A> c
A<~ MSG foo.bar.baz 1 1\r\nc
A<~ MSG foo.bar.baz 3 1\r\nc
A> PUB foo.a.b.c.d 1
A> d
A<~ MSG foo.a.b.c.d 1 1\r\nd
A<~ MSG foo.a.b.c.d 3 1\r\nd
A> PUB FOO.bar 1
A> e
A< MSG FOO.bar 4 1\r\ne
@sync A

=== > sees everything that is valid (surprise 41)
@hello A {"verbose":false}
A> SUB > 1
A> PUB $SYS.x 1
A> a
A< MSG $SYS.x 1 1\r\na
A> PUB $JS.x.y 1
A> b
A< MSG $JS.x.y 1 1\r\nb
A> PUB _INBOX.x 1
A> c
A< MSG _INBOX.x 1 1\r\nc

=== subjects that are not UTF-8, control characters, NUL
@hello A {"verbose":false}
A> SUB \xff\xfe.* 1
A> SUB a\x00b 2
A> SUB \x01.> 3
A> PUB \xff\xfe.\xc3 1
A> x
A< MSG \xff\xfe.\xc3 1 1\r\nx
A> PUB a\x00b 1
A> x
A< MSG a\x00b 2 1\r\nx
A> PUB \x01.\x7f.\x80 1
A> x
A< MSG \x01.\x7f.\x80 3 1\r\nx
A> PUB a 1
A> x
@sync A

=== thirty-five tokens
@hello A {"verbose":false}
A> SUB \(t.*34)t 1
A> SUB \(*.*34)* 2
A> SUB \(*.*33)* 3
A> PUB \(t.*34)t 1
A> x
A<~ MSG \(t.*34)t 1 1\r\nx
A<~ MSG \(t.*34)t 2 1\r\nx
@sync A

=== a token of 4000 bytes, and a MSG line longer than a control line
@hello A {"verbose":false}
A> SUB \(t*4000) \(s*90)
A> PUB \(t*4000) \(r*90) 1
A> x
A< MSG \(t*4000) \(s*90) \(r*90) 1\r\nx

=== UNSUB of an unknown sid
@hello A {"verbose":true}
A> UNSUB 99
A< +OK
A> UNSUB 99 5
A< +OK
@sync A

=== UNSUB with a number: so many in total
@hello A {"verbose":false}
A> SUB f 1
A> UNSUB 1 2
A> PUB f 1
A> a
A> PUB f 1
A> b
A> PUB f 1
A> c
A< MSG f 1 1\r\na
A< MSG f 1 1\r\nb
@sync A

=== the number counts from SUB on: already reached removes at once (surprise 13)
@hello A {"verbose":false}
A> SUB f 1
A> PUB f 1
A> a
A> UNSUB 1 1
A> PUB f 1
A> c
A< MSG f 1 1\r\na
@sync A

=== the number counts from SUB on: one to go
@hello A {"verbose":false}
A> SUB f 1
A> PUB f 1
A> a
A> PUB f 1
A> b
A> UNSUB 1 3
A> PUB f 1
A> c
A> PUB f 1
A> d
A< MSG f 1 1\r\na
A< MSG f 1 1\r\nb
A< MSG f 1 1\r\nc
@sync A

=== a number that is none removes at once (surprise 14)
@hello A {"verbose":false}
A> SUB f 1
A> UNSUB 1 9999999999
A> PUB f 1
A> a
@sync A
A> SUB f 1
A> UNSUB 1 abc
A> PUB f 1
A> a
@sync A
A> SUB f 1
A> UNSUB 1 -1
A> PUB f 1
A> a
@sync A
A> SUB f 1
A> UNSUB 1 0
A> PUB f 1
A> a
@sync A

=== a later UNSUB replaces the earlier: 5, then 3
@hello A {"verbose":false}
A> SUB f 1
A> UNSUB 1 5
A> UNSUB 1 3
A> PUB f 1
A> a
A> PUB f 1
A> b
A> PUB f 1
A> c
A> PUB f 1
A> d
A< MSG f 1 1\r\na
A< MSG f 1 1\r\nb
A< MSG f 1 1\r\nc
@sync A

=== a later UNSUB replaces the earlier: 5, then none
@hello A {"verbose":false}
A> SUB f 1
A> UNSUB 1 5
A> UNSUB 1
A> PUB f 1
A> a
@sync A

=== after the last one the sid is free
@hello A {"verbose":false}
A> SUB f 1
A> UNSUB 1 1
A> PUB f 1
A> a
A< MSG f 1 1\r\na
A> SUB g 1
A> PUB f 1
A> b
A> PUB g 1
A> c
A< MSG g 1 1\r\nc
A> PUB g 1
A> d
A< MSG g 1 1\r\nd
@sync A

=== a number for messages from another connection
@hello A {"verbose":false}
@hello B {"verbose":false}
A> SUB f.> 1
A> UNSUB 1 3
@sync A
B> PUB f.1 1
B> a
B> PUB f.2 1
B> b
B> PUB f.3 1
B> c
B> PUB f.4 1
B> d
@sync B
A< MSG f.1 1 1\r\na
A< MSG f.2 1 1\r\nb
A< MSG f.3 1 1\r\nc
@sync A

=== queue: one member gets it
@hello A {"verbose":false}
@hello B {"verbose":false}
@hello C {"verbose":false}
A> SUB f q 1
B> SUB f q 1
@sync A
@sync B
C> PUB f 1
C> x
@sync C
@one AB MSG f 1 1\r\nx
C> PUB f r 1
C> y
@sync C
@one AB MSG f 1 r 1\r\ny
@sync A
@sync B

=== queue members on different patterns are one group (surprise 36)
@hello A {"verbose":false}
A> SUB f.* q 1
A> SUB f.> q 2
A> PUB f.a 1
A> x
A<? MSG f.a 1 1\r\nx
A<? MSG f.a 2 1\r\nx
@sync A

=== the same on three connections
@hello A {"verbose":false}
@hello B {"verbose":false}
@hello C {"verbose":false}
A> SUB f.* q 1
B> SUB f.> q 1
C> SUB f.a q 1
@sync A
@sync B
@sync C
@hello D {"verbose":false}
D> PUB f.a 1
D> x
@sync D
@one ABC MSG f.a 1 1\r\nx
@sync A
@sync B
@sync C

=== groups of different names, and plain subscriptions, each get one
@hello A {"verbose":false}
A> SUB f q1 1
A> SUB f q2 2
A> SUB f 3
A> SUB f q1.* 4
A> PUB f 1
A> x
A< MSG f 3 1\r\nx
A<~ MSG f 1 1\r\nx
A<~ MSG f 2 1\r\nx
A<~ MSG f 4 1\r\nx
@sync A

=== plain subscriptions come before groups, whatever the order of SUB
@hello A {"verbose":false}
A> SUB f q 1
A> SUB > 2
A> PUB f 1
A> x
A< MSG f 2 1\r\nx
A< MSG f 1 1\r\nx
@sync A

=== a queue name may be wild and stays a name
@hello A {"verbose":false}
A> SUB f * 1
A> SUB f > 2
A> PUB f 1
A> x
A<~ MSG f 1 1\r\nx
A<~ MSG f 2 1\r\nx
@sync A

# A group of its own: what is drawn for a member of an earlier case that is just leaving may be overtaken.
=== echo off in a group: another member gets it
@hello A {"verbose":false,"echo":false}
@hello B {"verbose":false}
A> SUB f echo 1
B> SUB f echo 2
@sync A
@sync B
A> PUB f 1
A> 1
A> PUB f 1
A> 2
A> PUB f 1
A> 3
A> PUB f 1
A> 4
@sync A
B< MSG f 2 1\r\n1
B< MSG f 2 1\r\n2
B< MSG f 2 1\r\n3
B< MSG f 2 1\r\n4
@sync B

=== a member counts only what it got
@hello A {"verbose":false}
A> SUB f q 1
A> UNSUB 1 1
A> PUB f 1
A> a
A> PUB f 1
A> b
A< MSG f 1 1\r\na
@sync A

=== a member with a number gives way to the others
@hello A {"verbose":false}
@hello B {"verbose":false}
A> SUB f q 1
A> UNSUB 1 1
@sync A
B> PUB f 1
B> a
@sync B
A< MSG f 1 1\r\na
@sync A
B> SUB f q 2
B> PUB f 1
B> b
B< MSG f 2 1\r\nb
@sync A

=== the group _sys_ is refused (surprise 30)
@hello A {"verbose":true}
A> SUB f _sys_ 1
A< -ERR 'Permissions Violation for Subscription to "f" using queue "_sys_"'
@sync A
A> PUB f 0
A>
A< +OK
@sync A
