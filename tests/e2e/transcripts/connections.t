# More connections than allowed.
@server max_connections=2
@modes joined

=== the third is told, and goes (surprise 25)
@hello A {"verbose":false}
@hello B {"verbose":false}
@open C
C< -ERR 'maximum connections exceeded'
C! closed
@sync A
@sync B
