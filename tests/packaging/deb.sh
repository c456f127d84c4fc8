#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deb.sh SOURCE BUILD: the Debian package is built, installed below another root, used there, and purged; the unit passes
# systemd's checks; and what the image consists of runs with nothing else around it. Nothing of this system is touched.
set -eu
source=$1
build=$2
for tool in dpkg cpack dpkg-shlibdeps; do
  command -v $tool >/dev/null || { echo "SKIP: no $tool" && exit 77; }
done
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || :; rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" && exit 1; }

deb=$(sh "$source/broker/packaging/deb.sh" "$build/deb")
echo "built $(basename "$deb")"
root=$work/root
mkdir -p "$root/var/lib/dpkg"
install_options="--root=$root --force-not-root --force-script-chrootless --force-depends"
# shellcheck disable=SC2086 # options are words
dpkg $install_options -i "$deb" >"$work/log" 2>&1 || { cat "$work/log" && fail "dpkg -i"; }
for file in usr/bin/tern usr/bin/tern-bench etc/tern/tern.conf usr/share/man/man1/tern.1 \
  usr/share/man/man5/tern.conf.5 usr/lib/systemd/system/tern.service; do
  [ -f "$root/$file" ] || fail "$file is not in the package"
done
[ "$(cat "$root/var/lib/dpkg/info/tern.conffiles")" = /etc/tern/tern.conf ] || fail "the configuration is no conffile"
echo "installed"

# The default configuration is valid, and the server runs with it (on other ports).
TERN_MODULE_PATH=$(dirname "$(find "$root/usr/lib" -name http.so)")
export TERN_MODULE_PATH
"$root/usr/bin/tern" -c "$root/etc/tern/tern.conf" -t || fail "the default configuration"
run() { # run ROOT PROGRAM...: starts it, ROOT being its root directory, on free ports, sees that it serves, stops it
  ports=$1/tmp/ports
  [ "$1" != / ] || ports=$work/ports
  inside=${ports#"${1%/}"}
  shift
  mkdir -p "$ports"
  "$@" -p -1 -m -1 -a 127.0.0.1 --ports_file_dir "$inside" >"$work/log" 2>&1 &
  server=$!
  tries=0
  until ls "$ports"/*.ports >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 200 ] || ! kill -0 $server 2>/dev/null; then cat "$work/log" && fail "$1 does not start"; fi
    sleep 0.05
  done
  python3 - "$(cat "$ports"/*.ports)" <<'PY' || fail "$1 does not serve"
import json, socket, sys, urllib.request
ports = json.loads(sys.argv[1])
with socket.create_connection(("127.0.0.1", int(ports["nats"][0].rsplit(":", 1)[1])), timeout=20) as peer:
    peer.sendall(b"CONNECT {}\r\nPING\r\n")
    got = b""
    while b"PONG" not in got:
        got += peer.recv(4096)
assert json.load(urllib.request.urlopen(ports["monitoring"][0] + "/healthz", timeout=20)) == {"status": "ok"}
PY
  kill -USR2 $server # as systemd and docker do: lame duck mode; nobody is connected, so it ends at once
  wait $server || fail "$1 does not end in order"
  server=
  rm -rf "$ports"
}
run / "$root/usr/bin/tern" -c "$root/etc/tern/tern.conf"
echo "runs, and leaves when asked"

if command -v systemd-analyze >/dev/null; then
  unit=$root/usr/lib/systemd/system/tern.service
  sed "s#^ExecStart=/usr/bin/tern#ExecStart=$root/usr/bin/tern#" "$unit" >"$work/tern.service"
  systemd-analyze verify --man=no "$work/tern.service" 2>&1 | grep tern.service >"$work/log" || :
  [ ! -s "$work/log" ] || { cat "$work/log" && fail "systemd-analyze verify"; }
  level=$(systemd-analyze security --offline=true "$work/tern.service" 2>/dev/null | sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
  [ -n "$level" ] || fail "systemd-analyze security says nothing"
  grep -q "systemd-analyze security\`: $level)" "$source/README.md" || fail "exposure level $level, not as README.md says"
  echo "unit: exposure level $level"
else
  echo "no systemd-analyze: the unit was not checked"
fi

# shellcheck disable=SC2086
dpkg $install_options --remove tern >"$work/log" 2>&1 || { cat "$work/log" && fail "dpkg --remove"; }
[ ! -e "$root/usr/bin/tern" ] || fail "still there after its removal"
[ -f "$root/etc/tern/tern.conf" ] || fail "the configuration must survive a removal"
# shellcheck disable=SC2086
dpkg $install_options --purge tern >"$work/log" 2>&1 || { cat "$work/log" && fail "dpkg --purge"; }
left=$(cd "$root" && find . -type f ! -path './var/lib/dpkg/*')
[ -z "$left" ] || fail "left after a purge: $left"
echo "purged"

# The image: the RUN step of the Dockerfile, then the program alone in that root.
sh "$source/broker/packaging/image.sh" "$build/deb" "$work/image"
if unshare -r chroot "$work/image" /usr/bin/tern -v >/dev/null 2>&1; then
  TERN_MODULE_PATH=/usr/lib/tern # as the Dockerfile says
  run "$work/image" unshare -r chroot "$work/image" /usr/bin/tern
  echo "image: $(du -sh "$work/image" | cut -f1), runs with nothing else around it"
else
  echo "no unprivileged chroot here: the image was put together, not run"
fi
