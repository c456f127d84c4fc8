#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# image.sh BUILD ROOT: puts what a minimal image needs under ROOT: the program, its modules, and the shared libraries all of
# them are linked with, at the paths the loader looks at; a /tmp and certificates of the authorities if there are some.
set -eu
build=$1
root=$2
mkdir -p "$root/usr/bin" "$root/usr/lib/tern" "$root/tmp" "$root/etc/ssl/certs"
install -s -m 755 "$build/bin/tern" "$root/usr/bin/tern"
for module in "$build"/lib/tern/*.so; do
  install -s -m 644 "$module" "$root/usr/lib/tern/"
done
chmod 1777 "$root/tmp"
# what the programs name, and what that names in turn (ldd lists it all); the loader itself has a fixed path
ldd "$root/usr/bin/tern" "$root"/usr/lib/tern/*.so |
  awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\/.*ld-/ {print $1}' | sort -u |
  while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"; fi
printf 'nobody:x:65534:65534:nobody:/:/\n' >"$root/etc/passwd"
