# The first PING comes two seconds after CONNECT, although the interval is two minutes (surprise 34).
@modes joined

=== PING, once
@open A
A> CONNECT {"verbose":false}
A> PING
A< PONG
A< PING
A> PONG
@sync A
