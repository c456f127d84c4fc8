# Verbs, blanks and line ends.

=== verbs in any case of letters
@open A
A> cOnNeCt {"verbose":false}
A> pInG
A< PONG
A> sUb a 1
A> pUb a 1
A> x
A< MSG a 1 1\r\nx
A> uNsUb 1
A> PuB a 1
A> x
A> ping
A< PONG
A> pong
@sync A

=== any number of blanks and tabs between and around arguments
@hello A {"verbose":false}
A> SUB \t  a.b \t \t 7 \t
A> PUB\ta.b\t\t2  
A> hi
A< MSG a.b 7 2\r\nhi
A> PUB   a.b   reply.to   2
A> hi
A< MSG a.b 7 reply.to 2\r\nhi
A> UNSUB \t 7 \t
A> PUB a.b 2
A> hi
@sync A

=== two blanks instead of a queue name
@hello A {"verbose":false}
A> SUB foo  7
A> PUB foo 1
A> x
A< MSG foo 7 1\r\nx

=== a bare LF ends any line
@open A
A>> CONNECT {"verbose":false}\n
A>> PING\n
A< PONG
A>> SUB a 1\n
A>> PUB a 2\nhi\r\n
A< MSG a 1 2\r\nhi
A>> UNSUB 1\n
A>> PUB a 2\nhi\r\nPING\n
A< PONG

=== a bare LF does not end a payload
@hello A {"verbose":false}
A> SUB a 1
A>> PUB a 2\r\nhi\n
A< -ERR 'Unknown Protocol Operation'
A! closed

=== CONNECT needs no blank
@open A
A> CONNECT{"verbose":false}
@sync A

=== INFO needs no blank and is ignored
@hello A {"verbose":false}
A> INFO {}
A> INFO{}
A> INFO {"server_id":"x","unknown":[1,{"a":null}]}
@sync A

=== INFO that is not JSON ends the connection
@hello A {"verbose":false}
A> INFO nothing
A! closed

=== PING, PONG and +OK ignore the rest of the line (surprise 22)
@hello A {"verbose":false}
A> PINGX
A< PONG
A> PING foo bar
A< PONG
A> PONG junk
A> PONGjunk
A> +OK
A> +OKAY
@sync A

=== PONGs nobody asked for
@hello A {"verbose":false}
A> PONG
A> PONG
A> PONG
@sync A

=== an empty line is unknown
@hello A {"verbose":false}
A>> \r\n
A< -ERR 'Unknown Protocol Operation'
A! closed

=== a line feed first is unknown
@hello A {"verbose":false}
A>> \nPING\r\n
A< -ERR 'Unknown Protocol Operation'
A! closed

=== a blank before the verb is unknown
@hello A {"verbose":false}
A>> \x20PING\r\n
A< -ERR 'Unknown Protocol Operation'
A! closed

=== MSG is not for clients
@hello A {"verbose":false}
A> MSG a 1 1
A< -ERR 'Unknown Protocol Operation'
A! closed

=== HTTP is not spoken here
@open A
A> GET / HTTP/1.1
A< -ERR 'Unknown Protocol Operation'
A! closed

=== RMSG and LS+ are for others
@hello A {"verbose":false}
A> RMSG a b 1
A< -ERR 'Unknown Protocol Operation'
A! closed

=== LS+ as well
@hello A {"verbose":false}
A> LS+ a 1
A< -ERR 'Unknown Protocol Operation'
A! closed

=== HMSG is not for clients either
@reference none: nats-server swallows it
@hello A {"verbose":false}
A> HMSG a 1 12 12
A< -ERR 'Unknown Protocol Operation'
A! closed

=== a NUL byte
@hello A {"verbose":false}
A>> \x00
A< -ERR 'Unknown Protocol Operation'
A! closed

=== PUB without a blank is unknown (surprise 2)
@hello A {"verbose":false}
A> PUB
A< -ERR 'Unknown Protocol Operation'
A! closed

=== PUBX
@hello A {"verbose":false}
A> PUBX a 1
A< -ERR 'Unknown Protocol Operation'
A! closed

=== SUB without a blank
@hello A {"verbose":false}
A> SUB
A< -ERR 'Unknown Protocol Operation'
A! closed

=== UNSUB without a blank
@hello A {"verbose":false}
A> UNSUB
A< -ERR 'Unknown Protocol Operation'
A! closed

=== HPUB without a blank
@hello A {"verbose":false,"headers":true}
A> HPUB
A< -ERR 'Unknown Protocol Operation'
A! closed

=== PIN
@hello A {"verbose":false}
A> PIN
A< -ERR 'Unknown Protocol Operation'
A! closed

=== what was asked before the unknown line is answered before the error
@hello A {"verbose":false}
A>> SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\nNONSENSE\r\nPING\r\n
A< MSG a 1 1\r\nx
A< PONG
A< -ERR 'Unknown Protocol Operation'
A! closed

=== a client's -ERR ends the connection without a word (surprise 23)
@hello A {"verbose":false}
A> PING
A< PONG
A> -ERR 'x'
A! closed

=== a wrong number of arguments ends the connection without a word (surprise 1): PUB foo
@hello A {"verbose":false}
A> PUB foo
A! closed

=== PUB and blanks
@hello A {"verbose":false}
A>> PUB  \r\n
A! closed

=== PUB with four arguments
@hello A {"verbose":false}
A> PUB a b 3 4
A! closed

=== SUB foo
@hello A {"verbose":false}
A> SUB foo
A! closed

=== SUB with four arguments
@hello A {"verbose":false}
A> SUB a b c d
A! closed

=== SUB and a blank
@hello A {"verbose":false}
A>> SUB \r\n
A! closed

=== UNSUB 1 2 3
@hello A {"verbose":false}
A> UNSUB 1 2 3
A! closed

=== UNSUB and a blank
@hello A {"verbose":false}
A>> UNSUB \r\n
A! closed

=== HPUB f 5
@hello A {"verbose":false,"headers":true}
A> HPUB f 5
A! closed

=== HPUB with five arguments
@hello A {"verbose":false,"headers":true}
A> HPUB a b 12 12 12
A! closed

=== what was asked before a silent end is answered
@hello A {"verbose":false}
A>> SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\nPUB foo\r\nPING\r\n
A< MSG a 1 1\r\nx
A< PONG
A! closed
