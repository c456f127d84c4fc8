# The beginning of a connection: INFO, CONNECT, the first PONG.

=== INFO comes first and ends with a blank before CRLF
@open A
@info A max_payload 1048576
@info A headers true
@info A proto 1
@info A client_ip "127.0.0.1"
@info A auth_required absent
@info A tls_required absent
@info A ldm absent
@info A jetstream absent

=== CONNECT and PING together: PONG, then nothing for protocol 0
@open A
A> CONNECT {"verbose":false,"pedantic":false}
A> PING
A< PONG
@sync A

=== protocol 1 gets a second INFO after the first PONG, once
@open A
A> CONNECT {"verbose":false,"pedantic":false,"protocol":1}
A> PING
A< PONG
A< @since 2.12 @info
@sync A
@sync A

=== verbose: +OK, then PONG
@open A
A> CONNECT {"verbose":true,"protocol":1}
A> PING
A< +OK
A< PONG
A< @since 2.12 @info
A> SUB a 1
A< +OK
@sync A

=== CONNECT without fields is verbose (surprise 4)
@open A
A> CONNECT {}
A> PING
A< +OK
A< PONG

=== no CONNECT at all: verbose and pedantic
@open A
@sync A
A> SUB a 1
A< +OK
A> PUB a 2
A> hi
A< +OK
A< MSG a 1 2\r\nhi
A> UNSUB 1
A< +OK
@sync A

=== no CONNECT at all: pedantic
@reference joined: nats-server complains once more when the payload is split
@open A
A> PUB a.* 1
A> x
A< -ERR 'Invalid Publish Subject'
A< +OK
@sync A

=== no CONNECT: headers are off
@open A
A> HPUB a 12 12
A! closed

=== half close right after a batch: everything is answered, then the end
@open A
A> CONNECT {"verbose":false}
A> SUB a 1
A> PUB a 2
A> hi
A> PING
@fin A
A< MSG a 1 2\r\nhi
A< PONG
A! closed

=== a publisher that closes right after PUB is still heard
@hello B {"verbose":false}
B> SUB news.> 9
@sync B
@open A
A> CONNECT {"verbose":false}
A> PUB news.last 5
A> hello
@sync A
A> PUB news.last 3
A> bye
@fin A
A! closed
B< MSG news.last 9 5\r\nhello
B< MSG news.last 9 3\r\nbye

=== a connection that is reset leaves its subscriptions behind nowhere
@hello A {"verbose":false}
A> SUB gone 1
@sync A
@reset A
@hello B {"verbose":false}
B> SUB gone 2
B> PUB gone 1
B> x
B< MSG gone 2 1\r\nx

