# PINGs of the server.
@server ping_interval=1s ping_max=2
@modes joined

=== who does not answer is stale: PING, PING, the end
@open A
A> CONNECT {"verbose":false}
A> PING
A< PONG
A< PING
A< PING
A< -ERR 'Stale Connection'
A! closed

=== who answers stays
@open A
A> CONNECT {"verbose":false}
A> PING
A< PONG
A< PING
A> PONG
A< PING
A> PONG
A< PING
A> PONG
A< PING
A> PONG
@sync A

=== one PONG clears all
@open A
A> CONNECT {"verbose":false}
A> PING
A< PONG
A< PING
A< PING
A> PONG
A< PING
A< PING
A< -ERR 'Stale Connection'
A! closed

=== without CONNECT as well
@open A
A< PING
A< PING
A< -ERR 'Stale Connection'
A! closed
