# CONNECT and its JSON.

=== CONNECT foo (surprise 3)
@open A
A> CONNECT foo
A! closed

=== CONNECT alone
@open A
A> CONNECT
A! closed

=== CONNECT and a blank
@open A
A>> CONNECT \r\n
A! closed

=== a wrong type: string for bool
@open A
A> CONNECT {"verbose":"yes"}
A! closed

=== a wrong type: string for int
@open A
A> CONNECT {"protocol":"1"}
A! closed

=== a wrong type: fraction for int
@open A
A> CONNECT {"protocol":1.5}
A! closed

=== a wrong type: number for string
@open A
A> CONNECT {"name":5}
A! closed

=== a wrong type: list for the object
@open A
A> CONNECT []
A! closed

=== a wrong type: number for bool
@open A
A> CONNECT {"echo":1}
A! closed

=== text after the object
@open A
A> CONNECT {"verbose":false} x
A! closed

=== a broken object
@open A
A> CONNECT {"verbose":false
A! closed

=== single quotes
@open A
A> CONNECT {'verbose':false}
A! closed

=== a trailing comma
@open A
A> CONNECT {"verbose":false,}
A! closed

=== what came before a bad CONNECT is answered
@open A
A>> PING\r\nCONNECT foo\r\nPING\r\n
A< PONG
A! closed

=== null for the object leaves the defaults
@open A
A> CONNECT null
A> PING
A< +OK
A< PONG

=== null for a field leaves its default
@open A
A> CONNECT {"verbose":null,"echo":null,"name":null,"protocol":null}
A> PING
A< +OK
A< PONG

=== keys in any case of letters
@open A
A> CONNECT {"VERBOSE":false,"Pedantic":false}
@sync A
A> PUB a.* 1
A> x
@sync A

=== the last of equal keys wins
@open A
A> CONNECT {"verbose":true,"verbose":false}
@sync A

=== unknown keys are ignored, whatever they hold
@open A
A> CONNECT {"verbose":false,"x":1,"y":[1,2,{"a":{}}],"z":{"verbose":true},"w":null,"f":1.5e3}
@sync A

=== blanks inside the object
@open A
A> CONNECT   { "verbose" : false , "name" : "a b" }  
@sync A

=== escapes in keys and texts
@open A
A> CONNECT {"verb\\u006fse":false,"name":"\\u00e4\\n\\ud83d\\ude00\\"\\\\"}
@sync A

=== bytes that are not UTF-8 in a text are accepted
@open A
A>> CONNECT {"verbose":false,"name":"\xff\xfe\xc3"}\r\n
@sync A

=== everything a client says about itself
@open A
A> CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"name":"n","lang":"c","version":"3.4.1","protocol":1,"echo":true,"headers":true,"no_responders":true,"user":"u","pass":"p","auth_token":"t","nkey":"","sig":"","jwt":""}
A> PING
A< PONG
A< @since 2.12 @info

=== tls_required is a wish that is not heard
@hello A {"verbose":false,"tls_required":true}

=== credentials nobody asked for are ignored
@hello A {"verbose":false,"user":"nobody","pass":"nothing","auth_token":"t"}

=== protocol 2 (surprise 33)
@open A
A> CONNECT {"verbose":false,"protocol":2}
A> PING
A< -ERR 'invalid client protocol'
A! closed

=== protocol -1
@open A
A> CONNECT {"verbose":false,"protocol":-1}
A> PING
A< -ERR 'invalid client protocol'
A! closed

=== no_responders without headers (surprise 33)
@open A
A> CONNECT {"verbose":false,"no_responders":true}
A> PING
A< -ERR 'no responders requires headers support'
A! closed

=== an account may not be named (surprise 32)
@open A
A> CONNECT {"account":"A"}
A< -ERR 'Authorization Violation'
A! closed

=== a new account may not be wished for
@open A
A> CONNECT {"verbose":false,"new_account":true}
A< -ERR 'Authorization Violation'
A! closed

=== an empty account is none
@hello A {"verbose":false,"account":"","new_account":false}

=== a second CONNECT changes only what it names
@hello A {"verbose":false,"pedantic":false,"echo":true}
A> SUB a 1
A> PUB a 1
A> x
A< MSG a 1 1\r\nx
A> CONNECT {"echo":false}
A> PUB a 1
A> y
A> PUB a.* 1
A> z
@sync A
A> CONNECT {"verbose":true}
A< +OK
A> SUB b 2
A< +OK
A> CONNECT {"verbose":false,"echo":true}
A> PUB b 1
A> v
A< MSG b 2 1\r\nv
@sync A

=== subscriptions survive a second CONNECT
@hello A {"verbose":false}
A> SUB a 1
A> CONNECT {"verbose":false}
A> PUB a 1
A> x
A< @before 2.14 MSG a 1 1\r\nx
@sync A

=== a second CONNECT can turn headers on
@hello A {"verbose":false}
A> CONNECT {"headers":true}
A> SUB a 1
A> HPUB a 12 14
A>> NATS/1.0\r\n\r\nhi\r\n
A< HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi

=== a second CONNECT that fails ends the connection
@hello A {"verbose":false}
A> CONNECT {"protocol":7}
A< -ERR 'invalid client protocol'
A! closed

=== a second CONNECT with broken JSON ends the connection
@hello A {"verbose":false}
A> CONNECT {
A! closed

=== CONNECT may come after other operations
@open A
A> SUB a 1
A< +OK
A> CONNECT {"verbose":false}
A> PUB a 1
A> x
A< MSG a 1 1\r\nx
@sync A
