# A control line limit of one's own.
@server max_control_line=100

=== 100 bytes of arguments
@open A
A> CONNECT {"verbose":false}
A> SUB \(a*98) 1
A> PUB \(a*98) 0
A>
A< MSG \(a*98) 1 0\r\n

=== 101
@open A
A> CONNECT {"verbose":false}
A> SUB \(a*99) 1
A< -ERR 'maximum control line exceeded'
A! closed
