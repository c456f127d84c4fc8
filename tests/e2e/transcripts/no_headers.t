# Headers are switched off, whatever clients say.
@config no_header_support: true

=== INFO says so
@open A
@info A headers false

=== CONNECT may ask for them, in vain: HPUB ends the connection
@hello A {"verbose":false,"headers":true}
A> SUB a 1
@sync A
A> HPUB a 12 14
A! closed

=== messages without headers are as ever
@hello A {"verbose":false,"headers":true}
A> SUB a 1
A> PUB a 2
A> hi
A< MSG a 1 2\r\nhi
@sync A

=== no_responders needs headers
@open A
A> CONNECT {"verbose":false,"headers":true,"no_responders":true}
A< -ERR 'no responders requires headers support'
A! closed

=== no second CONNECT turns them on
@hello A {"verbose":false}
A> CONNECT {"verbose":false,"headers":true}
@sync A
A> HPUB a 12 14
A! closed
