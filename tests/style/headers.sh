#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# headers.sh ROOT c|c++ COMPILER: each public header compiles by itself, without help from what was included before.
set -eu
cd "$1/include"
case $2 in
  c) flags="-x c -std=c11 -pedantic" ;;
  c++)
    command -v "$3" >/dev/null || { echo "skipped: no C++ compiler is installed" && exit 77; }
    flags="-x c++ -std=c++11"
    ;;
esac
count=0
for header in tern/*.h; do
  # shellcheck disable=SC2086 # flags are words
  printf '#include <%s>\n#include <%s>\nint not_empty;\n' "$header" "$header" |
    "$3" $flags -Wall -Wextra -Werror -I. -fsyntax-only - || { echo "include/$header does not compile alone" && exit 1; }
  count=$((count + 1))
done
echo "$count headers compile alone"
