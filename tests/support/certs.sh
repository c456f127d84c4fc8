#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# certs.sh DIR: makes the certificates and keys TLS tests need, fresh ones each time, with openssl(1). NAME.pem is a
# certificate, NAME.key its key:
#
#   ca        who vouches for all others but stranger
#   server    localhost, 127.0.0.1 and ::1; a key for P-256
#   rsa       the same names; a key for RSA
#   other     other.example.com; a key for P-256
#   client    CN=alice,O=Example with an e-mail address, a host name and a URI
#   chain     client, with ca behind it
#   expired   the same names as server; not valid any more
#   stranger  localhost; vouches for itself
set -eu
command -v openssl >/dev/null || { echo "openssl is not installed" >&2 && exit 77; }
mkdir -p "$1"
cd "$1"
umask 077

ec="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
here="subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"

quietly() { "$@" 2>log || { cat log >&2 && exit 1; }; }

# make NAME SUBJECT ALTERNATIVE-NAMES DAYS KEY-OPTION...
make() {
  name=$1 subject=$2 names=$3 days=$4
  shift 4
  printf '%s\n' "$names" >"$name.ext"
  quietly openssl req -new "$@" -subj "$subject" -keyout "$name.key" -out "$name.csr"
  quietly openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -set_serial "$serial" -days "$days" \
    -extfile "$name.ext" -out "$name.pem"
  serial=$((serial + 1))
  rm "$name.csr" "$name.ext"
}

serial=$(date +%s)
# shellcheck disable=SC2086 # options are words
{
  quietly openssl req -x509 $ec -subj "/CN=tern test authority" -days 2 -keyout ca.key -out ca.pem
  quietly openssl req -x509 $ec -subj "/CN=stranger" -addext "$here" -days 2 -keyout stranger.key -out stranger.pem
  make server "/CN=localhost" "$here" 2 $ec
  make rsa "/CN=localhost" "$here" 2 -newkey rsa:2048 -nodes
  make other "/CN=other" "subjectAltName=DNS:other.example.com" 2 $ec
  make client "/O=Example/CN=alice" \
    "subjectAltName=email:alice@example.com,DNS:client.example.com,URI:urn:example:alice" 2 $ec
  cat client.pem ca.pem >chain.pem
  cp client.key chain.key
  make expired "/CN=localhost" "$here" -1 $ec
}
rm -f log
