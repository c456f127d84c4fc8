#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# manual.sh SOURCE BUILD: the manual pages are well formed, name every scenario of tern-bench, and the configuration in them
# and in the package is valid.
set -eu
source=$1
build=$2
pages="$build/broker/packaging/tern.1 $build/broker/packaging/tern.conf.5 $source/broker/packaging/tern-bench.1"
# the example in the README is this file
sed -n "/^The configuration that comes with it:/,/^## /s/^    //p" "$source/README.md" | grep -v "^\$" >"$build/example.conf"
grep -v "^\$" "$source/broker/packaging/tern.conf" | cmp -s - "$build/example.conf" || { echo "README.md shows another tern.conf" && exit 1; }
"$build/bin/tern" -c "$source/broker/packaging/tern.conf" -t
"$build/bin/tern-bench" --help | sed -n 's/^ \{9\}\([a-z]*\) .*/\1/p' | while read -r scenario; do
  grep -q "$scenario" "$source/broker/packaging/tern-bench.1" || { echo "tern-bench.1 does not name $scenario" && exit 1; }
done
"$build/bin/tern" --help | sed "/does not support\|do not support/,\$d" | grep -o '^  -[a-zA-Z-]*' | sed 's/^ *-*//' | while read -r flag; do
  grep -q -- "fB.*-$flag" "$build/broker/packaging/tern.1" || { echo "tern.1 does not name -$flag" && exit 1; }
done
# a heading has something below it, and every key of the blocks that are read by table stands there
for page in $pages; do
  awk '/^\.S[SH]/ { if (heading ~ /^\.SS/ || (heading != "" && $1 == ".SH")) { print FILENAME ": nothing below " heading; wrong = 1 } heading = $0; next }
    { heading = "" } END { exit wrong }' "$page" || exit 1
done
sed -n '/^static const struct {/,/^}/s/^    {"\([a-z_]*\)[|"].*/\1/p' "$source/broker/ops/tls_block.c" | while read -r key; do
  case $key in insecure | ocsp_peer) continue ;; esac # of clients; not supported
  grep -q -- "$key" "$build/broker/packaging/tern.conf.5" || { echo "tern.conf.5 does not name $key" && exit 1; }
done
command -v mandoc >/dev/null || { echo "SKIP: no mandoc" && exit 77; }
for page in $pages; do
  mandoc -Tlint -W warning "$page" || { echo "$page is not well formed" && exit 1; }
done
