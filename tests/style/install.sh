#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD COMPILER [C++ COMPILER]: `cmake --install` into an empty directory gives what a user of the library needs: a small
# program outside the tree compiles, links and runs against it by way of pkg-config, shared and static; the shared
# library exports tern_* and nothing else; the programs are there and start.
set -eu
build=$1
compiler=$2
cxx=${3:-}
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
DESTDIR=$stage cmake --install "$build" >"$stage/log" || { cat "$stage/log" && exit 1; }

pc=$(find "$stage" -name tern.pc)
[ -n "$pc" ] || { echo "no tern.pc was installed" && exit 1; }
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$stage
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
library=$(dirname "$PKG_CONFIG_PATH")

cat >"$stage/user.c" <<'C'
#include <stdio.h>
#include <string.h>
#include <tern/error.h>
#include <tern/worker.h>
int main(void) {
  struct tern_workers *workers = NULL;
  struct tern_workers_options options = {.count = 1};
  int error = tern_workers_new(&options, &workers);
  if (error) return puts(tern_strerror(error)), 1;
  tern_workers_free(workers);
  return strlen(tern_strerror(TERN_EFULL)) == 0;
}
C
warnings="-std=c11 -Wall -Wextra -Werror"
# shellcheck disable=SC2086,SC2046 # flags are words
"$compiler" $warnings $(pkg-config --cflags tern) "$stage/user.c" -o "$stage/shared" $(pkg-config --libs tern)
LD_LIBRARY_PATH=$library "$stage/shared"
LD_LIBRARY_PATH=$library ldd "$stage/shared" | grep -q "libtern.so.*$stage" || { echo "not linked to the shared library" && exit 1; }
echo "shared: compiles, links and runs"

# The same with the archive in the shared library's place; what it needs in turn comes from --static.
# shellcheck disable=SC2086,SC2046
"$compiler" $warnings $(pkg-config --cflags tern) "$stage/user.c" -o "$stage/static" \
  $(pkg-config --static --libs tern | sed 's/-ltern\b/-l:libtern.a/')
"$stage/static"
if ldd "$stage/static" | grep libtern; then echo "the static program needs the shared library" && exit 1; fi
readelf -Ws "$library/libtern.a" | grep -q 'FUNC .* tern_strerror$' || {
  echo "the archive holds no ordinary code: only the compiler that made it could link it"
  exit 1
}
echo "static: compiles, links and runs"

# C++ sees the functions as what they are, C functions. Linked as C: the program needs nothing of C++'s library.
if command -v "$cxx" >/dev/null; then
  printf '#include <tern/error.h>\nint main() { return tern_strerror(TERN_EFULL)[0] == 0; }\n' >"$stage/user.cc"
  # shellcheck disable=SC2046
  "$cxx" -Wall -Wextra -Werror $(pkg-config --cflags tern) -c "$stage/user.cc" -o "$stage/user.o"
  # shellcheck disable=SC2046
  "$compiler" "$stage/user.o" -o "$stage/from_cxx" $(pkg-config --libs tern)
  LD_LIBRARY_PATH=$library "$stage/from_cxx"
  echo "C++: compiles, links and runs"
fi

exported=$(nm -D --defined-only "$library/libtern.so" | awk '{print $3}')
echo "$exported" | grep -q '^tern_strerror' || { echo "tern_strerror is not exported" && exit 1; }
if echo "$exported" | grep -v '^tern_[^_]'; then echo "exported, but not tern_*" && exit 1; fi
echo "exported: $(echo "$exported" | wc -l) functions, all tern_*"

for program in tern tern-bench; do
  path=$(find "$stage" -path "*/bin/$program")
  [ -n "$path" ] || { echo "$program was not installed" && exit 1; }
  LD_LIBRARY_PATH=$library "$path" --help >/dev/null || { echo "$program --help fails" && exit 1; }
done
echo "programs: installed and start"
