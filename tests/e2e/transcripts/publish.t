# PUB and HPUB: sizes, limits, subjects, headers.
@server max_payload=64

=== INFO tells the limit
@open A
@info A max_payload 64

=== size digits are repeated as written (surprise 11)
@hello A {"verbose":false}
A> SUB f 1
A> PUB f 0005
A> hello
A< MSG f 1 0005\r\nhello
A> PUB f r 000000005
A> hello
A< MSG f 1 r 000000005\r\nhello

=== an empty message (surprise 12)
@hello A {"verbose":false}
A> SUB f 1
A> PUB f 0
A>
A< MSG f 1 0\r\n
A> PUB f 00
A>
A< MSG f 1 00\r\n

=== a payload that is too short for its trailer
@hello A {"verbose":false}
A> SUB f 1
A>> PUB f 0\r\n\n
A< -ERR 'Unknown Protocol Operation'
A! closed

=== a payload that is too long for its size
@hello A {"verbose":false}
A> SUB f 1
A>> PUB f 2\r\nhello\r\n
A< -ERR 'Unknown Protocol Operation'
A! closed

=== CR and something else after the payload
@hello A {"verbose":false}
A> SUB f 1
A>> PUB f 2\r\nhi\rx\r\n
A< -ERR 'Unknown Protocol Operation'
A! closed

=== a payload may hold anything
@hello A {"verbose":false}
A> SUB f 1
A>> PUB f 25\r\n\r\nPING\r\nPUB x 1\r\n\x00\xff\xfe\r\n\n\r\n\r\n
A<< MSG f 1 25\r\n\r\nPING\r\nPUB x 1\r\n\x00\xff\xfe\r\n\n\r\n\r\n

=== equal to the limit is allowed
@hello A {"verbose":false}
A> SUB f 1
A> PUB f 64
A> \(x*64)
A< MSG f 1 64\r\n\(x*64)

=== one more is not, and the payload is not awaited
@hello A {"verbose":false}
A>> PUB f 65\r\n
A< -ERR 'Maximum Payload Violation'
A! closed

=== what came before the violation is answered
@hello A {"verbose":false}
A>> PING\r\nPUB f 65\r\n
A< PONG
A< -ERR 'Maximum Payload Violation'
A! closed

=== for HPUB the total counts
@hello A {"verbose":false,"headers":true}
A> SUB f 1
A> HPUB f 12 64
A> NATS/1.0\r\n\r\n\(x*52)
A< HMSG f 1 12 64\r\nNATS/1.0\r\n\r\n\(x*52)
A>> HPUB f 12 65\r\n
A< -ERR 'Maximum Payload Violation'
A! closed

=== nine digits are a size (surprise 24)
@hello A {"verbose":false}
A> PUB f 999999999
A< -ERR 'Maximum Payload Violation'
A! closed

=== ten are not
@hello A {"verbose":false}
A> PUB f 9999999999
A! closed

=== ten zeros are not either
@hello A {"verbose":false}
A> PUB f 0000000001
A! closed

=== a negative size
@hello A {"verbose":false}
A> PUB f -1
A! closed

=== a size with a plus
@hello A {"verbose":false}
A> PUB f +1
A! closed

=== 4294967296
@hello A {"verbose":false}
A> PUB f 4294967296
A! closed

=== 4294967301
@hello A {"verbose":false}
A> PUB f 4294967301
A! closed

=== twenty digits
@hello A {"verbose":false}
A> PUB f 18446744073709551617
A! closed

=== hexadecimal
@hello A {"verbose":false}
A> PUB f 0x5
A! closed

=== no number
@hello A {"verbose":false}
A> PUB f abc
A! closed

=== HPUB without headers in CONNECT (surprise 19)
@hello A {"verbose":false}
A> HPUB f 12 14
A! closed

=== HPUB, header length over total
@hello A {"verbose":false,"headers":true}
A> HPUB f 15 14
A! closed

=== HPUB, header length no number
@hello A {"verbose":false,"headers":true}
A> HPUB f x 14
A! closed

=== HPUB, total no number
@hello A {"verbose":false,"headers":true}
A> HPUB f 12 y
A! closed

=== HPUB, negative
@hello A {"verbose":false,"headers":true}
A> HPUB f -1 14
A! closed

=== headers are passed on as they are
@hello A {"verbose":false,"headers":true}
A> SUB f 1
A> HPUB f 30 32
A>> NATS/1.0\r\nkEY: b\r\nKey:  a \r\n\r\nhi\r\n
A< HMSG f 1 30 32\r\nNATS/1.0\r\nkEY: b\r\nKey:  a \r\n\r\nhi

=== headers with a status, a reply, no payload
@hello A {"verbose":false,"headers":true}
A> SUB f 1
A> HPUB f reply.to 16 16
A> NATS/1.0 100\r\n\r\n
A< HMSG f 1 reply.to 16 16\r\nNATS/1.0 100\r\n\r\n

=== header bytes are not looked at (surprise 18)
@hello A {"verbose":false,"headers":true}
A> SUB f 1
A> HPUB f 9 14
A> garbage!!hello
A< HMSG f 1 9 14\r\ngarbage!!hello

=== no header bytes: a plain MSG
@hello A {"verbose":false,"headers":true}
A> SUB f 1
A> HPUB f 0 5
A> hello
A< MSG f 1 5\r\nhello

=== all bytes are header
@hello A {"verbose":false,"headers":true}
A> SUB f 1
A> HPUB f 12 12
A> NATS/1.0\r\n\r\n
A< HMSG f 1 12 12\r\nNATS/1.0\r\n\r\n

=== header sizes with zeros in front
@hello A {"verbose":false,"headers":true}
A> SUB f 1
A> HPUB f 0012 0014
A> NATS/1.0\r\n\r\nhi
A< HMSG f 1 0012 0014\r\nNATS/1.0\r\n\r\nhi

=== who has no headers gets the payload only
@hello A {"verbose":false,"headers":true}
@hello B {"verbose":false,"headers":false}
@hello C {"verbose":false,"headers":true}
B> SUB f 1
C> SUB f 1
@sync B
@sync C
A> HPUB f r 12 14
A> NATS/1.0\r\n\r\nhi
A> HPUB f 12 12
A> NATS/1.0\r\n\r\n
A> HPUB f 12 0017
A> NATS/1.0\r\n\r\nhello
@sync A
B< MSG f 1 r 2\r\nhi
B< MSG f 1 0\r\n
B< MSG f 1 5\r\nhello
C< HMSG f 1 r 12 14\r\nNATS/1.0\r\n\r\nhi
C< HMSG f 1 12 12\r\nNATS/1.0\r\n\r\n
C< HMSG f 1 12 0017\r\nNATS/1.0\r\n\r\nhello

=== HPUB with a broken trailer
@hello A {"verbose":false,"headers":true}
A>> HPUB f 12 12\r\nNATS/1.0\r\n\r\nx\r\n
A< -ERR 'Unknown Protocol Operation'
A! closed

=== pedantic by default (surprise 5)
@reference joined: nats-server complains once more when the payload is split
@open A
A>> CONNECT {"verbose":false}\r\nPUB a.* 1\r\nx\r\nPING\r\n
A< -ERR 'Invalid Publish Subject'
A< PONG

=== pedantic and verbose: the message still goes out (surprise 6)
@reference joined: nats-server complains once more when the payload is split
@hello A {"verbose":true,"pedantic":true}
A> SUB foo.* 1
A< +OK
A> PUB foo.* 2
A> hi
A< -ERR 'Invalid Publish Subject'
A< +OK
A< MSG foo.* 1 2\r\nhi
A> PUB foo.> 2
A> hi
A< -ERR 'Invalid Publish Subject'
A< +OK
A< MSG foo.> 1 2\r\nhi
A> PUB a..b 0
A>
A< -ERR 'Invalid Publish Subject'
A< +OK
A> PUB .a 0
A>
A< -ERR 'Invalid Publish Subject'
A< +OK
A> PUB a. 0
A>
A< -ERR 'Invalid Publish Subject'
A< +OK

=== pedantic does not mind stars inside tokens
@hello A {"verbose":false,"pedantic":true}
A> SUB a.*b 1
A> SUB a>.b 2
A> PUB a.*b 1
A> x
A< MSG a.*b 1 1\r\nx
A> PUB a>.b 1
A> y
A< MSG a>.b 2 1\r\ny

=== pedantic does not mind the reply
@hello A {"verbose":false,"pedantic":true}
A> SUB a 1
A> PUB a b..* 1
A> x
A< MSG a 1 b..* 1\r\nx

=== wildcards in published subjects are literal tokens (surprise 7)
@hello A {"verbose":false,"pedantic":false}
A> SUB foo.* 1
A> SUB > 2
A> SUB foo.bar 3
A> SUB foo.> 4
A> PUB foo.* 1
A> x
A<~ MSG foo.* 1 1\r\nx
A<~ MSG foo.* 2 1\r\nx
A<~ MSG foo.* 4 1\r\nx
A> PUB foo.> 1
A> y
A<~ MSG foo.> 1 1\r\ny
A<~ MSG foo.> 2 1\r\ny
A<~ MSG foo.> 4 1\r\ny
A> PUB * 1
A> z
A< MSG * 2 1\r\nz
A> PUB > 1
A> w
A< MSG > 2 1\r\nw

=== published subjects with empty tokens match nobody (surprise 8)
@hello A {"verbose":false,"pedantic":false}
A> SUB > 1
A> SUB a.> 2
A> SUB *.* 3
A> PUB a..b 1
A> x
A> PUB .a 1
A> x
A> PUB a. 1
A> x
A> PUB . 1
A> x
@sync A

=== replies are passed on as they are
@hello A {"verbose":false,"pedantic":false}
A> SUB a 1
A> PUB a ..x.>.* 1
A> x
A< MSG a 1 ..x.>.* 1\r\nx
A> PUB a \xff\x01 1
A> x
A< MSG a 1 \xff\x01 1\r\nx

=== reserved replies (surprise 31)
@hello A {"verbose":false,"pedantic":false}
A> SUB f 1
A> PUB f _R_.x 1
A> x
A< -ERR 'Permissions Violation for Publish with Reply of "_R_.x"'
A> PUB f $JS.ACK.x 1
A> x
A< -ERR 'Permissions Violation for Publish with Reply of "$JS.ACK.x"'
A> PUB f _GR_.x 1
A> x
A< -ERR 'Permissions Violation for Publish with Reply of "_GR_.x"'
A> PUB f _R_ 1
A> y
A< MSG f 1 _R_ 1\r\ny
@sync A

=== reserved replies and verbose
@hello A {"verbose":true,"pedantic":false}
A> PUB f _R_.x 1
A> x
A< -ERR 'Permissions Violation for Publish with Reply of "_R_.x"'
@sync A

=== reserved subjects
@hello A {"verbose":false,"pedantic":false}
A> SUB > 1
A> PUB _GR_.x 1
A> x
A< -ERR 'Permissions Violation for Publish to "_GR_.x"'
A> PUB $NRG.x 1
A> x
A< @before 2.11 MSG $NRG.x 1 1\r\nx
A< @since 2.11 -ERR 'Permissions Violation for Publish to "$NRG.x"'
A> PUB $SYS.x 1
A> x
A< MSG $SYS.x 1 1\r\nx
A> PUB $JS.x 1
A> x
A< MSG $JS.x 1 1\r\nx
A> PUB _INBOX.x 1
A> x
A< MSG _INBOX.x 1 1\r\nx
A> PUB _R_.x 1
A> x
A< MSG _R_.x 1 1\r\nx

=== names in errors are escaped
@hello A {"verbose":false,"pedantic":false}
A> PUB _GR_.a"b\\c\xff\x01\xc3\xa4 1
A> x
A< -ERR 'Permissions Violation for Publish to "_GR_.a\\"b\\\\c\\xff\\x01\xc3\xa4"'
A> PUB _GR_.\x07\x0b\xe2\x80\x8b\xe2\x80\xa8\xc2\x85\xc2\xa0\xf3\xa0\x80\x81\xf0\x9f\x98\x80 1
A> x
A< -ERR 'Permissions Violation for Publish to "_GR_.\\a\\v\\u200b\\u2028\\u0085\\u00a0\\U000e0001\xf0\x9f\x98\x80"'

=== +OK comes before the own message
@hello A {"verbose":true}
A> SUB f 1
A< +OK
A> PUB f 1
A> x
A< +OK
A< MSG f 1 1\r\nx

=== verbose HPUB
@hello A {"verbose":true,"headers":true}
A> SUB f 1
A< +OK
A> HPUB f 12 13
A> NATS/1.0\r\n\r\nx
A< +OK
A< HMSG f 1 12 13\r\nNATS/1.0\r\n\r\nx
A> UNSUB 1
A< +OK
A> PING
A< PONG
A> PONG
@sync A

=== echo off: the own subscriptions hear nothing, the others all
@hello A {"verbose":false,"echo":false}
@hello B {"verbose":false,"echo":false}
A> SUB f 1
B> SUB f 2
@sync A
@sync B
A> PUB f 1
A> x
@sync A
B< MSG f 2 1\r\nx
B> PUB f 1
B> y
@sync B
A< MSG f 1 1\r\ny

=== the same client with overlapping subscriptions gets a copy for each
@hello A {"verbose":false}
A> SUB a.b 1
A> SUB a.* 2
A> SUB > 3
A> SUB a.b 4
A> PUB a.b r 2
A> hi
A<~ MSG a.b 1 r 2\r\nhi
A<~ MSG a.b 2 r 2\r\nhi
A<~ MSG a.b 3 r 2\r\nhi
A<~ MSG a.b 4 r 2\r\nhi
@sync A

=== from many to one, in order for each
@hello A {"verbose":false}
@hello B {"verbose":false}
@hello C {"verbose":false}
C> SUB > 1
@sync C
A> PUB a 1
A> 1
A> PUB b.c 2
A> 22
A> PUB a 3
A> 333
@sync A
C< MSG a 1 1\r\n1
C< MSG b.c 1 2\r\n22
C< MSG a 1 3\r\n333
B> PUB z 1
B> 4
@sync B
C< MSG z 1 1\r\n4
