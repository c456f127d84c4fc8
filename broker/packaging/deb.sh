#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deb.sh [DIRECTORY]: builds the Debian package into a directory (build/deb unless given) and prints its path.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$top/build/deb}
mkdir -p "$build"
{
  cmake -S "$top" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr -DTERN_TESTS=OFF
  cmake --build "$build"
  cd "$build" && cpack
} >"$build.log" 2>&1 || { tail -n 30 "$build.log" >&2 && exit 1; }
ls "$build"/tern_*.deb
