# The control line, the payload with its default limit, the number of subscriptions.
@server max_subscriptions=3

=== a control line of 4096 bytes of arguments (surprise 35)
@hello A {"verbose":false}
A> PUB \(a*4094) 1
A> x
@sync A
A> PUB \(a*2)       \(a*4075)     0000001
A> x
@sync A

=== 4097 are too many
@hello A {"verbose":false}
A> PUB \(a*4095) 1
A< -ERR 'maximum control line exceeded'
A! closed

=== SUB with 4096
@hello A {"verbose":false}
A> SUB \(a*4094) 1
@sync A
A> PUB \(a*4094) 1
A> x
A< MSG \(a*4094) 1 1\r\nx

=== SUB with 4097
@hello A {"verbose":false}
A> SUB \(a*4095) 1
A< -ERR 'maximum control line exceeded'
A! closed

=== CONNECT with 4096
@open A
A> CONNECT {"verbose":false,"name":"\(n*4069)"}
@sync A

=== CONNECT with 4097
@open A
A> CONNECT {"verbose":false,"name":"\(n*4070)"}
A< -ERR 'maximum control line exceeded'
A! closed

=== no end of line needed to be too long
@hello A {"verbose":false}
A>> PUB \(a*5000)
A< -ERR 'maximum control line exceeded'
A! closed

=== SUB without an end
@hello A {"verbose":false}
A>> SUB \(a*5000)
A< -ERR 'maximum control line exceeded'
A! closed

=== UNSUB without an end
@hello A {"verbose":false}
A>> UNSUB \(a*5000)
A< -ERR 'maximum control line exceeded'
A! closed

=== CONNECT without an end
@open A
A>> CONNECT \(a*5000)
A< -ERR 'maximum control line exceeded'
A! closed

=== a payload of 1 MiB
@modes line joined
@hello A {"verbose":false}
A> SUB a 1
A> PUB a 1048576
A> \(x*1048576)
A< MSG a 1 1048576\r\n\(x*1048576)

=== and one byte more
@hello A {"verbose":false}
A> PUB a 1048577
A< -ERR 'Maximum Payload Violation'
A! closed

=== three subscriptions, not four (surprise 26)
@hello A {"verbose":true}
A> SUB a 1
A< +OK
A> SUB b q 2
A< +OK
A> SUB c 3
A< +OK
A> SUB d 4
A< -ERR 'maximum subscriptions exceeded'
A> SUB a 1
A< -ERR 'maximum subscriptions exceeded'
A> SUB a..b 5
A< -ERR 'maximum subscriptions exceeded'
A> PUB d 1
A> x
A< +OK
A> UNSUB 2
A< +OK
A> SUB d 4
A< +OK
A> PUB d 1
A> x
A< +OK
A< MSG d 4 1\r\nx
@sync A

=== every connection has its own
@hello A {"verbose":false}
@hello B {"verbose":false}
A> SUB a 1
A> SUB b 2
A> SUB c 3
B> SUB a 1
B> SUB b 2
B> SUB c 3
@sync A
@sync B
A> SUB d 4
A< -ERR 'maximum subscriptions exceeded'
@sync B
