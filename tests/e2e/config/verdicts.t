# Small configuration files and what -t makes of them; config.py says how this is written.

=== file: ok.conf
debug: true
=== file: variables.conf
the_port: 4333
the_host: "127.0.0.1"
=== file: unknown.conf

  no_such_key: 1
=== file: outer_variable.conf
max_payload: $outer
=== file: wrapped.conf
{ "trace": true, "logtime": false }

=== valid: an entry with each separator
port: 4222
host = 127.0.0.1
debug true
=== valid: entries end with lines, commas and semicolons
port: 4222, debug: true; trace: true
logtime: off,
=== valid: comments
# one
// two
port: 4222 # three
host: '0.0.0.0' // four
=== invalid: a comment that touches a number is no comment
@says case.conf:1:13: expected ',', ';' or a new line after the value
port: 4222# c
=== valid: a value on the next line, without a separator
port
4222
=== invalid: a value on the next line, with a separator
@says case.conf:1:6: expected a value on the line of its key
port:
4222
=== valid: keys in quotes
"port": 4222
'host': "127.0.0.1"
=== valid: keys in capitals
PORT: 4222
Host: "127.0.0.1"
=== valid: JSON
{
  "port": 4222, "host": "127.0.0.1",
  "debug": true
}
=== only tern: JSON with the value on the next line
@differs it is valid JSON; nats-server wants values of the outermost block on the line of their key
{"port":
4222}
=== valid: switches
debug: true, trace: NO, logtime: On, trace_verbose: off
=== invalid: a switch in quotes
@says case.conf:1:1: debug is a string; it must be true or false, without quotes
debug: "true"
=== invalid: a number for a switch
@says case.conf:1:1: debug is an integer
debug: 1
=== valid: sizes
max_payload: 1k
max_payload: 1KB
max_payload: 1Ki
max_payload: 1kib
max_payload: 1m
max_pending: 1GB
=== invalid: a size with a blank in it
@says case.conf:1:16: expected
max_payload: 1 mb
=== invalid: a size in quotes
@says case.conf:1:1: max_payload is a string; it must be a size without quotes
max_payload: "1MB"
=== only nats-server: a size with an unknown suffix
@differs nats-server drops such a value without a word
@says case.conf:1:1: max_payload is a string
max_payload: 1kbb
=== invalid: a payload above the largest
@says case.conf:1:1: invalid value "2GB" for max_payload
max_payload: 2GB
=== invalid: a number that does not fit
@says case.conf:1:14: 99999999999999999999 is too large a number
max_payload: 99999999999999999999
=== invalid: a fraction for a number
@says case.conf:1:1: port is a fraction
port: 1.5
=== valid: any free port
port: -1
=== only nats-server: a port that is none
@differs nats-server notices when it listens, not in -t
@says case.conf:1:1: invalid value "70000" for port: must be between -1 and 65535
port: 70000
=== valid: durations
ping_interval: "1m30s"
write_deadline: '10s'
ping_interval: 20s
write_deadline: 500ms
=== invalid: a number for a duration is a warning, which fails -t
@says case.conf:1:1: warning: ping_interval: 120 without quotes is a number of seconds, 120
ping_interval: 120
=== invalid: two minutes without quotes are two million seconds
@says case.conf:1:1: warning: ping_interval: 2m without quotes is a number of seconds, 2000000
ping_interval: 2m
=== invalid: a duration without a unit
@says case.conf:1:1: invalid value "2" for ping_interval: it has no unit
ping_interval: "2"
=== only tern: a duration of several parts without quotes
@differs nats-server takes it since 2.15; before, the word ends in the middle
ping_interval: 1m30s
=== only tern: a fraction of a duration without quotes
@differs as above
ping_interval: 1.5s
=== valid: no time at all, for which there is the default
ping_interval: "0s", write_deadline: "0s"
=== valid: less time than tern can measure, for which it takes a millisecond
write_deadline: "1us", ping_interval: "1ns"
=== valid: strings
server_name: "a\t\n\r\"\\\x41"
server_name: 'raw\n'
server_name: bare
server_name: a"b
server_name: a#b
server_name: 12ab
=== invalid: a number for a string
@says case.conf:1:1: server_name is an integer; it must be a string in quotes
server_name: 123
=== only tern: words that begin like a date
@differs nats-server wants a date after a digit and a dash
server_name: 12-34
=== invalid: a word that begins with a dot
@says case.conf:1:11: not a number; a string that starts with '.' needs quotes
log_file: ./tern.log
=== invalid: a word that begins with a dash
@says case.conf:1:14: not a number; a string that starts with '-' needs quotes
server_name: -abc
=== invalid: an unknown escape
@says case.conf:2:16: not an escape
debug: true
server_name: "a\qb"
=== invalid: half a byte
@says case.conf:1:16: not an escape
server_name: "a\x4"
=== invalid: a quote that is not closed
@says case.conf:2:14: the quote that opens here is not closed
port: 4222
server_name: "abc
=== invalid: a quote inside a word
@says case.conf:1:16: a quote inside a word
server_name: it's
=== only nats-server: a name with blanks
@differs refused since 2.11
@says case.conf:1:1: invalid value "a b" for server_name: must not contain spaces
server_name: "a b"
=== valid: empty strings, which are no values
server_name: "", host: "", net: '', client_advertise: ""
logfile: "", log_file: "", remote_syslog: "", pid_file: "", ports_file_dir: ""
http: "127.0.0.1:-1", http_base_path: ""
no_auth_user: ""
=== invalid: an empty address
@says case.conf:1:1: invalid value "" for listen: must not be empty
listen: ""
=== invalid: an empty string for a number
@says case.conf:1:1: max_payload is a string
max_payload: ""
=== valid: nobody for everybody who is none
authorization { users: [{user: a, password: b}] }
no_auth_user: ""
=== valid: a block of text
log_file: (
/var/log
 ) not the end
)
=== invalid: a block of text that is not closed
@says case.conf:1:11: the block that opens here is not closed
log_file: (
/var/log
 )
=== valid: addresses to listen on
listen: 4222
listen: 127.0.0.1:4222
listen: ":4222"
listen: "[::1]:-1"
net: "::"
=== invalid: an address to listen on without a port
@says case.conf:1:1: invalid value "localhost" for listen: must be HOST:PORT
listen: "localhost"
=== invalid: a port in quotes alone
@says case.conf:1:1: invalid value "4222" for listen
listen: "4222"
=== valid: a key above
the_port: 4333
port: $the_port
=== invalid: a key below
@says case.conf:1:7: variable reference for 'the_port' can not be found
port: $the_port
the_port: 4333
=== invalid: a key of a block that is closed
@says case.conf:2:7: variable reference for 'b' can not be found
a { b: 1 }
port: $b
=== invalid: a key that nothing refers to
@says case.conf:1:1: unknown field "the_port"
the_port: 4333
=== invalid: a key that is given again after it was referred to
@says case.conf:3:1: unknown field "the_port"
the_port: 4333
port: $the_port
the_port: 4334
=== valid: a variable of the environment
@env TERN_TEST_PORT=4k
port: $TERN_TEST_PORT
=== valid: a variable of the environment that refers to another
@env TERN_TEST_PORT=$TERN_TEST_OTHER
@env TERN_TEST_OTHER=4222
port: $TERN_TEST_PORT
=== invalid: a variable of the environment with two words
@env TERN_TEST_NAME=two words
@says $TERN_TEST_NAME:1:5: expected one value
server_name: $TERN_TEST_NAME
=== invalid: no such variable
@says case.conf:1:7: variable reference for 'TERN_TEST_NONE' can not be found: no key above, no environment variable
port: $TERN_TEST_NONE
=== valid: a variable in quotes is none
server_name: "$TERN_TEST_NONE"
=== valid: files
include ok.conf
include 'ok.conf'; include "variables.conf"
port: $the_port, host: $the_host
=== valid: a file that is wrapped in braces
include wrapped.conf
=== invalid: no such file
@says case.conf:2:1: cannot read
port: 1
include none.conf
=== invalid: a file with an unknown key
@says unknown.conf:2:3: unknown field "no_such_key"
include unknown.conf
=== invalid: a file does not see the variables of the one that includes it
@says outer_variable.conf:1:14: variable reference for 'outer' can not be found
outer: 1KB
include outer_variable.conf
=== invalid: an include without a file
@says case.conf:1:8: expected a file to include, found the end of the line
include
=== invalid: include with a colon is a key
@says case.conf:1:1: unknown field "include"
include: "ok.conf"
=== invalid: no separator
@says case.conf:1:12: expected ',', ';' or a new line after the value, found 'd'
port: 4222 debug: true
=== invalid: two commas
@says case.conf:1:12: expected a key, found ','
port: 4222,, debug: true
=== invalid: no key
@says case.conf:1:1: expected a key, found ':'
: 4222
=== invalid: two separators
@says case.conf:1:10: expected
port = = 4222
=== invalid: a block that is not closed
@says case.conf:1:5: the '{' that opens here is not closed
tls {
=== invalid: an unknown key
@says case.conf:1:1: unknown field "no_such_key"
no_such_key: 1
=== invalid: an unknown key on the second line
@says case.conf:2:3: unknown field "prot"
debug: true
  prot: 1
=== only nats-server: a key without a value
@differs nats-server passes over it
@says case.conf:2:1: the key "port" has no value
debug: true
port
=== only nats-server: a closing brace too many
@differs nats-server passes over it
@says case.conf:2:1: a '}' without a '{'
port: 4222
}
=== only nats-server: a file that ends in the middle
@differs nats-server does not miss the brace of a wrapped file
@says case.conf:1:1: the '{' that opens here is not closed
{ port: 4222
=== only nats-server: no blank before a brace
@differs nats-server takes all of it for a key without a value, and passes over it
@says case.conf:1:4: expected a blank, ':' or '=' after the key, found '{'
tls{}
=== only nats-server: an empty file
@differs a warning in 2.12, and warnings fail -t
@says case.conf: warning: config has no values or is empty
=== only tern: no limit of tokens
@differs 0 is no limit; nats-server wants the line to be left out
max_subscription_tokens: 0
=== only tern: times in UTC
@differs since 2.10
logtime_utc: true
=== valid: limits
max_connections: 100, max_conn: -1, max_subscriptions: 5, max_subs: 6, max_subscription_tokens: 7, max_sub_tokens: 8
max_control_line: 8KB, max_pending: 10MB, ping_max: 3
=== only nats-server: longer control lines than tern takes
@differs tern's parser has a bound of 16 KiB
@says case.conf:1:1: invalid value "20000" for max_control_line: must be between 0 and 16KB
max_control_line: 20000
=== valid: files that are written
pid_file: "/tmp/tern.pid", pidfile: "/tmp/tern.pid", ports_file_dir: "/tmp"
log_file: "/tmp/tern.log", logfile: "/tmp/t"
=== only tern: its own block
@differs nats-server does not know it
tern { workers: 2, ring_size: 64KB, unix_socket: "/tmp/tern.socket", handlers: ["svc.>=echo"] }
=== invalid: an unknown key in its own block
@says case.conf:1:8: unknown field "worker" in the block tern
tern { worker: 2 }
=== valid: who may connect
authorization { token: $2a$11$W2zko751KUvVy59mUTWmpOdWjpEm5qhcCZRd05GjI/sSOT.xtiHyG }
=== valid: one user
authorization { user: a, pass: b, timeout: 1.5 }
=== valid: a timeout with a unit
authorization { token: a, timeout: "1s" }
=== valid: users with permissions
authorization {
  users = [
    {user: alice, password: foo, permissions: {publish: {allow: ["a.*"], deny: "a.b"}, subscribe: "b.>"}}
    {user: bob, password: bar}
    {user: carl, allowed_connection_types: [standard, WEBSOCKET]}
    {nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4, permission: {subscribe: "c"}}
  ]
  default_permissions: { publish: x }
}
no_auth_user: bob
=== valid: permissions
authorization { users: [
  {user: u0, password: p, permissions: {}}
  {user: u1, password: p, permissions: {publish: []}}
  {user: u2, password: p, permissions: {publish: {}}}
  {user: u3, password: p, permissions: {publish: {allow: [], deny: x}}}
  {user: u4, password: p, permissions: {pub: a, SUB: {Allow: b, DENY: [c, "d.>"]}}}
  {user: u5, password: p, permissions: {import: a, export: {deny: b}}}
  {user: u6, password: p, permissions: {subscribe: [foo, "foo v1", "foo  g.*", "foo\tq", "a.> >", "a .."]}}
  {user: u7, password: p, permissions: {publish: "a.*b"}}
  {user: u8, password: p, permissions: {allow_responses: true}}
  {user: u9, password: p, permissions: {publish_allow_responses: false}}
  {user: u10, password: p, permissions: {allow_responses: {}}}
  {user: u11, password: p, permissions: {allow_responses: {max: -1, expires: "-1s"}}}
  {user: u12, password: p, permissions: {allow_responses: {max: 0, ttl: "0s"}}}
  {user: u13, password: p, permissions: {allow_responses: {max_messages: 5k, expiration: "1m30s"}}}
  {user: u14, password: p, permissions: {allow_responses: {max_responses: 2, expires: 2s}}}
  {user: u15, password: p, permissions: {publish: a, pub: b}}
  {user: u16, password: p, permissions: {s: a, publish: $s}}
] }
=== invalid: permissions: a string
@says case.conf:2:1: permissions is a string; it must be a block
authorization { users: [ {user: a, password: b
permissions: a
} ] }
=== invalid: permissions: a list
@says case.conf:2:1: permissions is an array
authorization { users: [ {user: a, password: b
permissions: [a]
} ] }
=== invalid: permissions: an unknown key
@says case.conf:2:15: unknown field "publ" in permissions: there are publish, subscribe and allow_responses
authorization { users: [ {user: a, password: b
permissions: {publ: x}
} ] }
=== invalid: permissions: an unknown kind of list
@says case.conf:2:25: unknown field "alow" in publish: there are allow and deny
authorization { users: [ {user: a, password: b
permissions: {publish: {alow: x}}
} ] }
=== invalid: permissions: a number for a subject
@says case.conf:2:15: publish is an integer; it must be a subject or a list of subjects
authorization { users: [ {user: a, password: b
permissions: {publish: 5 }
} ] }
=== invalid: permissions: a switch for a subject
@says case.conf:2:15: publish is 
authorization { users: [ {user: a, password: b
permissions: {publish: true}
} ] }
=== invalid: permissions: a list in a list
@says case.conf:2:25: a subject is an array; it must be a string, not one more list
authorization { users: [ {user: a, password: b
permissions: {publish: [[a]]}
} ] }
=== invalid: permissions: a block for a subject
@says case.conf:2:25: allow is a block
authorization { users: [ {user: a, password: b
permissions: {publish: {allow: {x: y}}}
} ] }
=== invalid: permissions: no subject
@says case.conf:2:15: "" is not a valid subject
authorization { users: [ {user: a, password: b
permissions: {publish: ""}
} ] }
=== invalid: permissions: a subject with an empty token
@says case.conf:2:37: "a..b" is not a valid subject
authorization { users: [ {user: a, password: b
permissions: {subscribe: {deny: [a, "a..b"]}}
} ] }
=== invalid: permissions: a subject that goes on behind its tail
@says case.conf:2:15: "a.>.b" is not a valid subject
authorization { users: [ {user: a, password: b
permissions: {publish: "a.>.b"}
} ] }
=== invalid: permissions: a subject that begins with a blank
@says case.conf:2:15: " a" is not a valid subject, nor "subject queue"
authorization { users: [ {user: a, password: b
permissions: {subscribe: " a"}
} ] }
=== invalid: permissions: a subject that ends with a blank
@says case.conf:2:15: "a " is not a valid subject
authorization { users: [ {user: a, password: b
permissions: {subscribe: "a "}
} ] }
=== invalid: permissions: a subject with two queues
@says case.conf:2:15: "a q r" is not a valid subject
authorization { users: [ {user: a, password: b
permissions: {subscribe: "a q r"}
} ] }
=== invalid: permissions: a number for the switch of answers
@says case.conf:2:15: allow_responses is an integer; it must be true, false, or a block
authorization { users: [ {user: a, password: b
permissions: {allow_responses: 1 }
} ] }
=== invalid: permissions: a string for the number of answers
@says case.conf:2:33: max is a string; it must be a number of answers
authorization { users: [ {user: a, password: b
permissions: {allow_responses: {max: "1"}}
} ] }
=== invalid: permissions: a number for the time of answers
@says case.conf:2:33: expires is no duration; write one in quotes, like "2m"
authorization { users: [ {user: a, password: b
permissions: {allow_responses: {expires: 5 }}
} ] }
=== invalid: permissions: minutes without quotes
@says case.conf:2:33: expires is no duration
authorization { users: [ {user: a, password: b
permissions: {allow_responses: {expires: 2m}}
} ] }
=== invalid: permissions: a time without a unit
@says case.conf:2:33: expires is no duration
authorization { users: [ {user: a, password: b
permissions: {allow_responses: {expires: "5"}}
} ] }
=== invalid: permissions: an unknown term of answers
@says case.conf:2:33: unknown field "foo" in allow_responses: there are max and expires
authorization { users: [ {user: a, password: b
permissions: {allow_responses: {foo: 2s}}
} ] }
=== only nats-server: permissions: a queue to publish to
@differs nats-server takes it, and it denies nothing
@says case.conf:2:25: "a q": only subscriptions have queues; leave "q" out
authorization { users: [ {user: a, password: b
permissions: {publish: {deny: "a q"}}
} ] }
=== valid: accounts
accounts {
  A { users [ {user: a, password: a} ], limits { max_conn: 1, max_subs: 2, max_pay: 1KB, max_leafs: 4 } }
  B { users [ {user: b, password: b} ], default_permissions { publish: x } }
  "$SYS" { users [ {user: s, password: s} ] }
}
=== valid: names of accounts
accounts: [A, B]
system_account: A
=== valid: accounts that differ in case
accounts { A {}, a {} }
=== valid: nobody is asked
authorization {}
=== valid: an empty list of users
authorization { users: [] }
=== invalid: a token beside a user
@says case.conf:1:35: token: cannot have a user and a token
authorization { user: a, pass: b, token: c }
=== invalid: a user beside users
@says case.conf:1:17: cannot have a single user and a list of users
authorization { user: a, users: [ {user: b, pass: c} ] }
=== invalid: a token beside users
@says case.conf:1:17: cannot have a token and users
authorization { token: a, users: [ {user: b, pass: c} ] }
=== invalid: a token beside users of accounts
@says case.conf:2:17: cannot have a token and users
accounts { A { users: [{user: a, pass: b}] } }
authorization { token: x }
=== invalid: a user beside users of accounts
@says case.conf:2:17: cannot have a single user
accounts { A { users: [{user: a, pass: b}] } }
authorization { user: x, pass: y }
=== invalid: a user twice
@says case.conf:1:46: duplicate user "b"
authorization { users: [ {user: b, pass: c}, {user: b, pass: d} ] }
=== invalid: a user twice, in two accounts
@says case.conf:2:14: duplicate user "a"
accounts { A { users: [{user: a, pass: b}] },
B { users: [ {user: a, pass: b}] } }
=== invalid: a user twice, in an account and without one
@says case.conf:2:25: duplicate user "a"
accounts { A { users: [{user: a, pass: b}] } }
authorization { users: [{user: a, pass: b}] }
=== invalid: an nkey twice
@says case.conf:3:4: duplicate nkey
authorization { users: [
   {nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4},
   {nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4} ] }
=== invalid: users that are no list
@says case.conf:1:17: users is a block; it must be a list of users
authorization { users: {user: b} }
=== invalid: a user that is no block
@says case.conf:1:26: a user is a string
authorization { users: [ b ] }
=== invalid: a user without a name
@says case.conf:1:26: a user needs a name or an nkey
authorization { users: [ {pass: b} ] }
=== invalid: a user with an empty name
@says case.conf:1:26: a user needs a name
authorization { users: [ {user: "", pass: c} ] }
=== invalid: an nkey that is none
@says case.conf:1:27: not a valid public nkey for a user
authorization { users: [ {nkey: b} ] }
=== invalid: an nkey with a name
@says case.conf:1:26: a user with an nkey has neither name nor password
authorization { users: [ {nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4, user: a} ] }
=== invalid: a number for a password
@says case.conf:1:36: pass is an integer
authorization { users: [ {user: a, pass: 1} ] }
=== invalid: a number for a user
@says case.conf:1:17: user is an integer
authorization { user: 1 }
=== invalid: an unknown key of a user
@says case.conf:1:45: unknown field "foo" in the block users
authorization { users: [ {user: a, pass: b, foo: 1} ] }
=== invalid: an unknown key of authorization
@says case.conf:1:17: unknown field "foo" in the block authorization
authorization { foo: 1 }
=== invalid: authorization that is no block
@says case.conf:1:1: authorization is a string; it must be a block
authorization: x
=== invalid: an unknown type of connection
@says case.conf:1:63: unknown connection type "bogus"
authorization { users: [{user: a, allowed_connection_types: [ bogus]}] }
=== only nats-server: a password without a user
@differs nats-server lets everyone in
@says case.conf:1:17: a password without a user: everyone would be let in
authorization { pass: x }
=== only nats-server: a time that is none
@differs nats-server takes it for a second, or for no time at all
@says case.conf:1:17: timeout is true or false
authorization { timeout: true, token: a }
=== only nats-server: a user for everybody who is none
@differs nats-server notices when it starts, not in -t
@says case.conf:1:1: no_auth_user: "x" is not a user
no_auth_user: x
=== only nats-server: a system account that is none
@differs as above
@says case.conf:1:1: system_account: there is no account "X"
system_account: X
=== only nats-server: accounts that are a word
@differs nats-server passes over it
@says case.conf:1:1: accounts is a string
accounts: A
=== only tern: users of Unix-domain sockets
@differs nats-server does not know them
authorization { users: [ {user: a} ] }
tern { unix_users: { "0": a } }
=== only tern: the mode of a Unix-domain socket
@differs nats-server does not know it
tern { unix_socket: "/tmp/tern.socket", unix_mode: 0660 }
=== only tern: the mode of a Unix-domain socket in quotes
@differs nats-server does not know it
tern { unix_socket: "/tmp/tern.socket", unix_mode: "0600" }
=== invalid: a mode that is not octal
@says case.conf:1:41: invalid value "0680" for unix_mode: must be octal digits between 0200 and 0777
tern { unix_socket: "/tmp/tern.socket", unix_mode: 0680 }
=== invalid: a mode that may be octal or not
@says case.conf:1:41: invalid value "660" for unix_mode
tern { unix_socket: "/tmp/tern.socket", unix_mode: 660 }
=== invalid: a mode that is a word
@says case.conf:1:41: unix_mode is true or false
tern { unix_socket: "/tmp/tern.socket", unix_mode: true }
=== invalid: an account twice
@says case.conf:1:15: duplicate account "A"
accounts: [A, A]
=== invalid: the account of everybody
@says case.conf:1:12: "$G" is a reserved account
accounts: ["$G"]
=== invalid: an account that is no block
@says case.conf:1:12: A is a string; it must be a block
accounts { A: x }
=== invalid: an unknown key of an account
@says case.conf:1:16: unknown field "foo" in the block accounts
accounts { A { foo: 1 } }
=== invalid: an account's nkey that is none
@says case.conf:1:16: not a valid public nkey for an account
accounts { A { nkey: x } }
=== invalid: an account's limit that is no number
@says case.conf:1:25: max_conn is a string
accounts { A { limits { max_conn: x } } }
=== invalid: an unknown limit of an account
@says case.conf:1:25: unknown field "foo" in the block limits
accounts { A { limits { foo: 1 } } }
=== invalid: a number for the system account
@says case.conf:1:1: no_sys_acc is an integer
no_sys_acc: 1
=== valid: exports and imports
accounts {
  A { users [ {user: a, password: a} ], exports [ {stream: "ev.>"} ] }
  B { users [ {user: b, password: b} ], imports [ {stream: {account: A, subject: "ev.>"}, prefix: imp} ] }
}
=== only nats-server: clusters
@differs tern does not have them
@says case.conf:1:1: cluster: tern does not have clustering
cluster { name: c, listen: "127.0.0.1:-1" }
=== only nats-server: JetStream
@differs tern does not have it
@says case.conf:1:1: jetstream: tern does not have JetStream
jetstream { store_dir: "/tmp/tern-store" }
=== valid: a feature that is switched off
jetstream: false
jetstream: disabled
=== valid: monitoring
http: "127.0.0.1:-1"
http_base_path: /x
=== only nats-server: monitoring over both
@differs it says so when it starts
@says can't specify both HTTP (1) and HTTPs (2) ports
http: 1
https: 2
=== only nats-server: what is only not offered
@differs a warning in tern, and warnings fail -t
@says case.conf:1:1: warning: leafnodes: tern does not have leaf nodes; ignored
leafnodes { listen: "127.0.0.1:-1" }
websocket { port: -1, no_tls: true }
=== valid: tags
server_tags [ id:XXXX ]
=== valid: one tag
server_tags: one
=== invalid: a tag that is none
@says case.conf:1:16: server_tags is an integer; it must be a string, or a list of strings
server_tags: [ 1, a ]
=== only tern: metadata
@differs nats-server 2.9.10 does not know it yet
server_metadata { zone: a }
=== valid: the log
log_file: "/tmp/tern.log", log_size_limit: 1MB
syslog: true, remote_syslog: "udp://127.0.0.1:514"
max_traced_msg_len: 100
=== only tern: how many log files, and headers in the trace
@differs nats-server 2.9.10 does not know these keys yet
logfile_max_num: 5
trace_headers: true
=== valid: no headers
no_header_support: true
=== invalid: no headers, as a number
@says case.conf:1:1: no_header_support is an integer
no_header_support: 1
=== invalid: a size of the log in quotes
@says case.conf:1:1: log_size_limit is a string
log_size_limit: "1MB"
=== only nats-server: a syslog over TCP
@differs tern sends datagrams only
@says case.conf:1:1: invalid value "tcp://h:1" for remote_syslog: must be udp://HOST:PORT
remote_syslog: "tcp://h:1"
=== valid: negative limits of the log, which are none
log_size_limit: -1, max_traced_msg_len: -1
=== valid: mappings
mappings { "a": b, "c.*.*": "d.$2.$1", "e.>": "f.>", "p.*": "q.{{partition(10,1)}}.{{ wildcard( 1 ) }}" }
=== valid: mappings by weight
mappings { "a": [ {destination: b, weight: 50%}, {dest: a, weight: 20} ], "c": {destination: d, weight: 100%} }
=== invalid: a mapping's destination without weight
@says case.conf:1:12: mapping from "a": the destination "b" has no weight
mappings { "a": {destination: b} }
=== invalid: mappings of more than all
@says case.conf:1:50: mapping from "a": the weights are more than 100% in all
mappings { "a": [ {destination: b, weight: 60}, {destination: c, weight: 60} ] }
=== invalid: a mapping to a wildcard that is not there
@says case.conf:1:12: mapping from "a.*" to "b.{{wildcard(2)}}": the destination refers to a wildcard that the sourc
mappings { "a.*": "b.{{wildcard(2)}}" }
=== invalid: a mapping with a star as destination
@says case.conf:1:12: mapping from "a.*" to "b.*": the destination must not have '*'; refer to wildcards of the sour
mappings { "a.*": "b.*" }
=== invalid: a mapping with a function that is not there
@says case.conf:1:12: mapping from "a.*" to "b.{{foo(1)}}": the destination has a function that does not exist
mappings { "a.*": "b.{{foo(1)}}" }
=== invalid: a mapping of an invalid subject
@says case.conf:1:12: mapping from "a..b" to "c": the source is not a valid subject
mappings { "a..b": c }
=== only tern: a mapping that does not use all wildcards
@differs as nats-server does since 2.10
mappings { "a.*.*": "b.$1" }
=== only nats-server: a mapping that refers to a wildcard of a source without any
@differs it would be taken literally, which nobody means
@says case.conf:1:12: mapping from "a" to "b.$1": the destination refers to a wildcard
mappings { "a": "b.$1" }
=== valid: exports and imports
accounts {
  A { exports [ {stream: "x.>"}, {service: "s.*", accounts: [B], response_type: stream, response_threshold: "5s"} ] }
  B { imports [ {stream: {account: A, subject: "x.*.*"}, to: "y.$2.$1"}, {service: {account: A, subject: "s.*"}, to: "t.*", share: true} ] }
}
=== valid: an account that imports from itself
accounts {
  A { imports [ {service: {account: A, subject: x}, to: y} ], exports [ {service: x} ] }
}
=== invalid: an import from an account that is not there
@says case.conf:3:27: there is no account "C" to import from
accounts {
  A { exports [ {stream: x} ] }
  B { imports [ {stream: {account: C, subject: x}} ] }
}
=== invalid: an import of what is not exported
@says case.conf:3:17: import of "x" from account "A": that account exports no such stream to this one
accounts {
  A { exports [ {service: x} ] }
  B { imports [ {stream: {account: A, subject: x}} ] }
}
=== invalid: an import of what is exported to others
@says case.conf:3:17: import of "x" from account "A": that account exports no such stream to this one
accounts {
  A { exports [ {stream: x, accounts: [C]} ] }
  B { imports [ {stream: {account: A, subject: x}} ] }
  C {}
}
=== invalid: a mapping of a subject with a blank
@says case.conf:1:12: mapping from "a b" to "c": subjects have no blanks
mappings { "a b": c }
=== invalid: a mapping to one
@says case.conf:1:12: mapping from "a" to "b c": subjects have no blanks
mappings { a: "b c" }
=== invalid: a threshold without a unit
@says case.conf:1:39: response_threshold must be a duration in quotes, like "5s"
accounts { A { exports [ {service: s, response_threshold: "5"} ] } }
=== invalid: an export to an account that is not there
@says case.conf:1:53: "TYPO" account not defined for service export
accounts { A { exports [ {service: s, accounts: [B, TYPO]} ] }, B {} }
=== invalid: another one
@says case.conf:1:38: "$G" account not defined for stream export
accounts { A { exports [ {accounts: ["$G"], stream: s} ] }, B {} }
=== invalid: an import of more than is exported
@says case.conf:3:17: import of "x.>" from account "A": that account exports no such stream to this one
accounts {
  A { exports [ {stream: "x.*"} ] }
  B { imports [ {stream: {account: A, subject: "x.>"}} ] }
}
=== invalid: other wildcards here than there
@says case.conf:3:17: import of "x.*" from account "A": both subjects must have the same wildcards
accounts {
  A { exports [ {stream: "x.*"} ] }
  B { imports [ {stream: {account: A, subject: "x.*"}, to: y} ] }
}
=== invalid: imported twice
@says case.conf:3:60: import of "x" from account "A": it is imported already
accounts {
  A { exports [ {stream: x} ] }
  B { imports [ {stream: {account: A, subject: x}, to: y}, {stream: {account: A, subject: x}, to: z} ] }
}
=== invalid: two services at one subject
@says case.conf:3:61: import of "z" from account "A": another import has the same subject here
accounts {
  A { exports [ {service: x}, {service: z} ] }
  B { imports [ {service: {account: A, subject: x}, to: y}, {service: {account: A, subject: z}, to: y} ] }
}
=== invalid: a response type that is not there
@says case.conf:2:30: response_type must be singleton, stream or chunked
accounts {
  A { exports [ {service: x, response_type: foo} ] }
}
=== invalid: a response type of a stream
@says case.conf:2:29: response_type is for services only
accounts {
  A { exports [ {stream: x, response_type: stream} ] }
}
=== invalid: exports that are no list
@says case.conf:2:7: exports is a block; it must be a list: [ ... ]
accounts {
  A { exports {service: x} }
}
=== invalid: a position of a token that is no wildcard
@says case.conf:2:34: account_token_position must be that of a '*' in the subject
accounts {
  A { exports [ {service: "x.*", account_token_position: 1} ] }
}
=== invalid: another account's token
@says case.conf:3:17: import of "x.C" from account "A": that account exports no such service to this one
accounts {
  A { exports [ {service: "x.*", account_token_position: 2} ] }
  B { imports [ {service: {account: A, subject: "x.C"}} ] }
}
=== valid: the own token
accounts {
  A { exports [ {service: "x.*", account_token_position: 2} ] }
  B { imports [ {service: {account: A, subject: "x.B"}} ] }
}
=== invalid: streams in a circle
@says case.conf:3:46: import of "a.>" from account "A": that account has it from this one, directly or by way of oth
accounts {
  A { exports [ {stream: "a.>"} ], imports [ {stream: {account: B, subject: "a.>"}} ] }
  B { exports [ {stream: "a.>"} ], imports [ {stream: {account: A, subject: "a.>"}} ] }
}
=== invalid: services in a circle
@says case.conf:3:43: import of "a" from account "A": that account has it from this one, directly or by way of other
accounts {
  A { exports [ {service: a} ], imports [ {service: {account: B, subject: a}} ] }
  B { exports [ {service: a} ], imports [ {service: {account: A, subject: a}} ] }
}
=== valid: streams one way, services the other
accounts {
  A { exports [ {stream: a}, {service: a} ], imports [ {stream: {account: B, subject: a}} ] }
  B { exports [ {stream: a} ], imports [ {service: {account: A, subject: a}} ] }
}
=== only nats-server: an export of nothing
@differs it does nothing; something is missing
@says case.conf:2:17: an export needs a stream or a service: {stream: SUBJECT}
accounts {
  A { exports [ {} ] }
}
=== only nats-server: an export of an invalid subject
@differs nobody can publish to it
@says case.conf:2:18: service: "x..y" is not a valid subject
accounts {
  A { exports [ {service: "x..y"} ] }
}
=== invalid: a certificate without its key
@says case.conf:1:1: tls: key_file is missing
tls { cert_file: "no.pem" }
=== invalid: a certificate that is not there
@says case.conf:1:1: cannot read cert_file no.pem
tls { cert_file: "no.pem", key_file: "no.key" }
=== invalid: an unknown key of TLS
@says case.conf:1:7: unknown field "certificate" in the block tls
tls { certificate: "no.pem" }
=== invalid: TLS with a switch for a certificate
@says case.conf:1:7: cert_file is true or false
tls { cert_file: true, key_file: true }
=== valid: TLS
tls { cert_file: server.pem, key_file: server.key, ca_file: ca.pem, verify: true, timeout: 1.5, connection_rate_limit: 10, pinned_certs: [],
cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256],
curve_preferences: [X25519, CurveP256, CurveP384, CurveP521] }
allow_non_tls: true
=== valid: TLS that maps certificates to users
tls { cert_file: server.pem, key_file: server.key, ca_file: ca.pem, verify_and_map: true, timeout: "2s", insecure: false }
authorization { users: [{user: "alice@example.com"}] }
=== invalid: no cipher suite at all
@says case.conf:1:52: cipher_suites cannot be empty
tls { cert_file: server.pem, key_file: server.key, cipher_suites: [] }
=== invalid: a cipher suite that is not there
@says case.conf:1:1: cipher suite 'XX' is not known
tls { cert_file: server.pem, key_file: server.key, cipher_suites: ["XX"] }
=== only nats-server: a cipher suite that is insecure
@differs refused since 2.11, without allow_insecure_cipher_suites
@says case.conf:1:1: cipher suite 'TLS_RSA_WITH_AES_128_CBC_SHA' is insecure
tls { cert_file: server.pem, key_file: server.key, cipher_suites: ["TLS_RSA_WITH_AES_128_CBC_SHA"] }
=== invalid: no curve at all
@says case.conf:1:52: curve_preferences cannot be empty
tls { cert_file: server.pem, key_file: server.key, curve_preferences: [] }
=== invalid: a curve that is not there
@says case.conf:1:1: curve 'x' is not known
tls { cert_file: server.pem, key_file: server.key, curve_preferences: ["x"] }
=== invalid: a rate of connections in quotes
@says case.conf:1:52: connection_rate_limit must be a number of connections in a second
tls { cert_file: server.pem, key_file: server.key, connection_rate_limit: "10" }
=== invalid: certificates of other servers
@says case.conf:1:52: unknown field "verify_cert_and_check_known_urls" in the block tls
tls { cert_file: server.pem, key_file: server.key, verify_cert_and_check_known_urls: true }
=== only tern: TLS of later versions
@differs nats-server 2.9.10 does not know these keys yet
tls { certs: [{cert_file: server.pem, key_file: server.key}], min_version: "1.3", handshake_first: auto, ocsp_peer: false }
=== invalid: revoked certificates of clients
@says case.conf:1:52: ocsp_peer: tern does not have OCSP
tls { cert_file: server.pem, key_file: server.key, ocsp_peer: true }
=== invalid: TLS before 1.2
@says case.conf:1:1: min_version '1.1' is not supported: use "1.2" or "1.3"
tls { cert_file: server.pem, key_file: server.key, min_version: "1.1" }
=== only nats-server: a block of TLS with nothing in it
@differs nats-server requires TLS and, without a certificate, fails each handshake
@says case.conf:1:1: tls: cert_file is missing
tls { }
=== only nats-server: a block of TLS with empty paths
@differs as above
@says case.conf:1:1: tls: cert_file is missing
tls { cert_file: "", key_file: "", ca_file: "" }
=== valid: TLS with an empty path to those who vouch for clients
tls { cert_file: server.pem, key_file: server.key, ca_file: "" }
=== invalid: TLS with an empty path of the key
@says case.conf:1:1: tls: key_file is missing
tls { cert_file: server.pem, key_file: "" }
=== only nats-server: OCSP
@differs tern does not have it
@says case.conf:1:1: ocsp: tern does not have OCSP
ocsp: true
=== valid: OCSP that is switched off
ocsp { mode: never }
=== only nats-server: JetStream of an account
@differs tern does not have it
@says case.conf:1:16: jetstream: tern does not have JetStream
accounts { A { jetstream: enabled } }
=== valid: JetStream of an account that is switched off
accounts { A { jetstream: disabled } }
=== valid: kinds of connections
authorization { users: [
  {user: a, password: b, allowed_connection_types: [STANDARD, WEBSOCKET, LEAFNODE, MQTT]}
  {user: c, password: d, clients: ["standard"]}
  {user: e, password: f, connection_types: STANDARD}
] }
=== invalid: users who come by a proxy
@says case.conf:1:49: proxy_required
authorization { users: [ {user: a, password: b, proxy_required: true} ] }
=== only tern: users who need not come by a proxy
@differs nats-server 2.9.10 does not know it yet
authorization { users: [ {user: a, password: b, proxy_required: false} ] }
=== invalid: somebody else who is asked about users
@says case.conf:1:17: auth_callout
authorization { auth_callout { issuer: A } }
=== valid: times to say who one is
authorization { user: a, password: b, timeout: "2s" }
authorization { user: a, password: b, timeout: 0.5 }
=== only tern: a duration with two units and no quotes
@differs as nats-server does since 2.15
ping_interval: 1m30s
=== valid: an account's mappings and limits
accounts { A { mappings { a: b }, limits { max_connections: 2, max_conn: -1, max_subscriptions: 3, max_payload: 1KB, max_leafnodes: 0 } } }
=== only nats-server: an account's destination in a cluster
@differs a warning in tern, and warnings fail -t
@says case.conf:1:49: warning: cluster: tern is in no cluster
mappings: { a: { destination: b, weight: 100% , cluster: c} }
=== only nats-server: leaf nodes that connect to others
@differs messages would not get there
@says case.conf:1:1: leafnodes: tern does not have leaf nodes; remove this
leafnodes { remotes: [ {url: "nats://127.0.0.1:1"} ] }
=== only nats-server: gateways
@differs tern does not have them
@says case.conf:1:1: gateway: tern does not have clustering
gateway { name: x, port: -1 }
=== only nats-server: MQTT
@differs a warning in tern, and warnings fail -t
@says case.conf:1:1: warning: mqtt: tern does not have MQTT; ignored
mqtt { port: -1 }
=== invalid: an operator that is no file
@says case.conf:1:1: operator: tern does not have authentication by JWT
operator: "x"
=== only nats-server: accounts of an operator
@differs tern does not have them
@says case.conf:1:1: resolver: tern does not have authentication by JWT
resolver: MEMORY
=== valid: no system account
no_sys_acc: true
=== valid: profiling that is switched off
prof_port: 0
=== invalid: a lame duck that is in a hurry
@says case.conf:1:1: invalid value "10s" for lame_duck_duration: must be between 30s
lame_duck_duration: "10s"
=== only nats-server: a grace period that is as long as all of it
@differs nats-server notices when it starts, not in -t
@says lame_duck_grace_period must be shorter than lame_duck_duration
lame_duck_duration: "1m", lame_duck_grace_period: "2m"
=== valid: nothing, for what there is at the most: the default
max_pending: 0, max_payload: 0, max_control_line: 0, max_connections: 0, ping_max: 0
=== valid: limits below nothing, which are none
max_subs: -1, max_connections: -5
=== only nats-server: a limit of subscriptions below none
@differs nats-server closes each client at its first SUB
@says case.conf:1:1: invalid value "-2" for max_subs: must be between -1
max_subs: -2
=== only nats-server: a negative count of PINGs
@differs nats-server closes each client two seconds after its CONNECT
@says case.conf:1:1: invalid value "-1" for ping_max: must be between 0
ping_max: -1
=== only nats-server: a negative largest message
@differs nats-server takes messages of any size, each held in memory as a whole
@says case.conf:1:1: invalid value "-1" for max_payload: must be between 0
max_payload: -1
=== only nats-server: a negative longest line
@differs nats-server closes each client at its CONNECT
@says case.conf:1:1: invalid value "-1" for max_control_line: must be between 0
max_control_line: -1
=== only nats-server: a negative write deadline
@differs nats-server can write to no client, not even INFO
@says case.conf:1:1: invalid value "-1s" for write_deadline: must be between 0ms
write_deadline: "-1s"
=== only nats-server: a negative time between PINGs
@differs nats-server closes each client as soon as it has connected
@says case.conf:1:1: invalid value "-1s" for ping_interval: must be between 0ms
ping_interval: "-1s"
=== only nats-server: a negative time to say who one is
@differs nats-server closes each client before its CONNECT
@says case.conf:1:39: timeout is negative
authorization { user: a, password: b, timeout: -1 }
=== only nats-server: a negative time for the handshake
@differs nats-server closes each client before its handshake
@says case.conf:1:52: invalid value "-1" for timeout: must be
tls { cert_file: server.pem, key_file: server.key, timeout: -1 }
=== valid: no time for the handshake: the default
tls { cert_file: server.pem, key_file: server.key, timeout: 0 }
=== valid: a variable of the environment with nothing in it
@env TERN_TEST_NOTHING=
server_name: $TERN_TEST_NOTHING, pid_file: $TERN_TEST_NOTHING
=== invalid: a variable of the environment with nothing in it, for a number
@env TERN_TEST_NOTHING=
@says case.conf:1:1: max_payload is a string
max_payload: $TERN_TEST_NOTHING
=== only nats-server: a token with nothing in it
@env TERN_TEST_NOTHING=
@differs nats-server lets everyone in
@says case.conf:1:17: an empty token: everyone would be let in
authorization { token: $TERN_TEST_NOTHING }
=== invalid: a time between PINGs that is a number alone
@says case.conf:1:1: warning: ping_interval: 20 without quotes is a number of seconds, 20
ping_interval: 20
=== only nats-server: HTTPS without a certificate
@differs nats-server notices when it starts, not in -t
@says https needs a certificate and a key
https: "127.0.0.1:1"
=== only nats-server: an empty token
@differs nats-server lets everyone in
@says case.conf:1:17: an empty token: everyone would be let in
authorization { token: "" }
