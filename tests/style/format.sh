#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# format.sh ROOT: every .c and .h is as clang-format leaves it. Versions differ in details; 14 is the one that counts.
set -eu
cd "$1"
command -v clang-format >/dev/null || { echo "skipped: clang-format is not installed" && exit 77; }
clang-format --version | grep -q 'version 14\.' ||
  { echo "skipped: the format is that of clang-format 14; this is $(clang-format --version)" && exit 77; }
list=$(mktemp)
trap 'rm -f "$list"' EXIT
find lib broker bench include tests -name node_modules -prune -o -name '*.[ch]' -print >"$list"
[ -s "$list" ] || { echo "no files to look at" && exit 1; }
if ! found=$(xargs clang-format --dry-run -Werror --style=file <"$list" 2>&1); then
  echo "$found" | grep ' error: ' || echo "$found"
  echo "clang-format -i puts this right"
  exit 1
fi
echo "$(wc -l <"$list") files are formatted"
