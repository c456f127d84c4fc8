#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts.sh ROOT: shellcheck over every shell script.
set -eu
cd "$1"
command -v shellcheck >/dev/null || { echo "skipped: shellcheck is not installed" && exit 77; }
list=$(mktemp)
trap 'rm -f "$list"' EXIT
find .ci lib broker bench tests cmake -name node_modules -prune -o -type f \
  \( -name '*.sh' -o \( -name run ! -exec grep -q '^#!.*python' {} \; \) \) -print >"$list"
[ -s "$list" ] || { echo "no files to look at" && exit 1; }
xargs shellcheck -x --source-path=SCRIPTDIR/.. <"$list"
echo "$(wc -l <"$list") scripts are clean"
