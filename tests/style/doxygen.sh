#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# doxygen.sh DOXYFILE: the reference of the public headers builds without a warning: nothing public is undocumented.
set -eu
command -v doxygen >/dev/null || { echo "skipped: doxygen is not installed" && exit 77; }
doxygen "$1"
