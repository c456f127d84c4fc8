# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The set-up shared by ./broker/run and ./tests/run: looks for every program and library that is needed, says what is
# missing and what it is for, and installs it from the distribution (apt, dnf, apk, pacman or zypper).
#
# Source it, then call `setup_install broker` or `setup_install tests`. What is there already is found first, so a
# machine that has everything is left alone and needs no network. One table says it all (setup_table); a package that
# only some tests need is optional: without it those tests are reported as skipped, everything else goes on.
# Plain POSIX sh: a fresh Alpine has no bash. Nothing here asks a question, except sudo for its password.

# /usr/sbin holds some servers and is not on every user's path.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

# who | what | why | check | apt | dnf | apk | pacman | zypper
#   who     broker: needed to build and run the broker (and by the tests); tests: needed by the tests;
#           rival: compared with by ./bench/run and by some of the tests, which do without
#           some: needed by some of the tests, which are skipped without it
#   check   how to see that it is there: cmd:PROGRAM, atleast:PROGRAM:VERSION, pc:PKG-CONFIG-NAME, or fn:FUNCTION below
#   apt...  what the distribution calls it; `-` where it has no such package
setup_table() {
  cat <<'TABLE'
broker | C compiler      | compiles everything               | fn:has_compiler         | gcc libc6-dev    | gcc                       | build-base         | gcc            | gcc
broker | CMake           | builds everything                 | atleast:cmake:3.25      | cmake            | cmake                     | cmake              | cmake          | cmake
broker | Ninja           | builds everything                 | cmd:ninja               | ninja-build      | ninja-build               | samurai            | ninja          | ninja
broker | pkg-config      | finds the libraries               | cmd:pkg-config          | pkg-config       | pkgconf-pkg-config        | pkgconf            | pkgconf        | pkgconf-pkg-config
broker | liburcu         | lock-free registry                | pc:liburcu-qsbr         | liburcu-dev      | pkgconfig(liburcu-qsbr)   | userspace-rcu-dev  | liburcu        | pkgconfig(liburcu-qsbr)
broker | libxxhash       | hashing of subjects               | pc:libxxhash            | libxxhash-dev    | pkgconfig(libxxhash)      | xxhash-dev         | xxhash         | pkgconfig(libxxhash)
broker | libjansson      | JSON in CONNECT and INFO          | pc:jansson              | libjansson-dev   | pkgconfig(jansson)        | jansson-dev        | jansson        | pkgconfig(jansson)
broker | libmicrohttpd   | monitoring over HTTP              | pc:libmicrohttpd        | libmicrohttpd-dev | pkgconfig(libmicrohttpd) | libmicrohttpd-dev  | libmicrohttpd  | pkgconfig(libmicrohttpd)
broker | OpenSSL         | TLS                               | pc:libssl               | libssl-dev       | pkgconfig(libssl)         | openssl-dev        | openssl        | pkgconfig(libssl)
broker | libcrypt        | bcrypt hashes of passwords        | fn:has_crypt            | libcrypt-dev     | libxcrypt-devel           | musl-dev           | libxcrypt      | libxcrypt-devel
tests  | Python          | runs and counts the tests         | atleast:python3:3.9     | python3          | python3                   | python3            | python         | python3
tests  | cmocka          | unit tests                        | pc:cmocka               | libcmocka-dev    | pkgconfig(cmocka)         | cmocka-dev         | cmocka         | pkgconfig(cmocka)
some   | gcc sanitizers  | address and thread checks         | fn:has_gcc_sanitizers   | gcc libc6-dev    | libasan libubsan libtsan  | -                  | gcc            | libasan8 libubsan1 libtsan2
some   | clang           | fuzzing                           | fn:has_libfuzzer        | clang libclang-rt-dev | clang compiler-rt    | clang compiler-rt  | clang compiler-rt | clang
some   | clang-format    | format check                      | cmd:clang-format        | clang-format     | clang-tools-extra         | clang-extra-tools  | clang          | clang-tools
some   | clang-tidy      | static analysis                   | cmd:clang-tidy          | clang-tidy       | clang-tools-extra         | clang-extra-tools  | clang          | clang-tools
some   | shellcheck      | checks the scripts                | cmd:shellcheck          | shellcheck       | ShellCheck                | shellcheck         | shellcheck     | ShellCheck
some   | Doxygen         | reference documentation           | cmd:doxygen             | doxygen          | doxygen                   | doxygen            | doxygen        | doxygen
some   | valgrind        | memory checks, instruction counts | cmd:valgrind            | valgrind         | valgrind                  | valgrind           | valgrind       | valgrind
some   | spin            | models of the concurrent parts    | cmd:spin                | spin             | spin                      | -                  | -              | spin
some   | openssl         | certificates for tests of TLS     | cmd:openssl             | openssl          | openssl                   | openssl            | openssl        | openssl
some   | libnats         | tests with the NATS C client      | pc:libnats              | libnats-dev      | pkgconfig(libnats)        | nats.c-dev         | -              | pkgconfig(libnats)
rival  | nats-server     | tests side by side with it        | cmd:nats-server         | nats-server      | /usr/bin/nats-server      | nats-server        | nats-server    | nats-server
some   | Node.js         | tests with the NATS npm client    | cmd:node                | nodejs           | nodejs                    | nodejs             | nodejs         | nodejs-default
some   | npm             | fetches the NATS npm client       | cmd:npm                 | npm              | npm                       | npm                | npm            | npm-default
some   | Chromium        | tests of pages in a browser       | fn:has_chromium         | chromium         | chromium                  | chromium           | chromium       | chromium
rival  | redis           | load tests side by side with it   | cmd:redis-server        | redis-server     | redis                     | redis              | redis          | redis
some   | mandoc          | checks the manual pages           | cmd:mandoc              | mandoc           | mandoc                    | mandoc             | mandoc         | mandoc
some   | systemd-analyze | checks the unit of the service    | cmd:systemd-analyze     | systemd          | systemd                   | -                  | systemd        | systemd
some   | netcat          | raw protocol tests                | cmd:nc                  | netcat-openbsd   | netcat                    | netcat-openbsd     | openbsd-netcat | netcat-openbsd
TABLE
}

# One line of the set-up's own, told apart from what package managers print.
say() { printf 'setup: %s\n' "$*"; }

compiles() { # compiles COMPILER FLAG...
  printf 'int main(void) { return 0; }\n' | "$@" -x c - -o /dev/null >/dev/null 2>&1
}
has_compiler() { compiles cc || compiles gcc || compiles clang; }
has_crypt() {
  printf '#include <crypt.h>\nint main(void) { static struct crypt_data d; return crypt_r("", "*", &d) == 0; }\n' |
    cc -x c - -o /dev/null -lcrypt >/dev/null 2>&1
}
has_gcc_sanitizers() { compiles cc -fsanitize=address,undefined && compiles cc -fsanitize=thread; }
has_libfuzzer() {
  printf 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n == 7; }\n' |
    clang -fsanitize=address,undefined,fuzzer -x c - -o /dev/null >/dev/null 2>&1
}

has_chromium() { command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1; }

# at_least PROGRAM VERSION: it is there and its first printed number is no lower.
at_least() {
  found=$("$1" --version 2>/dev/null | sed -n '1s/^[^0-9]*\([0-9]*\.[0-9]*\).*/\1/p')
  [ -n "$found" ] || return 1
  [ "$(printf '%s\n%s\n' "$2" "$found" | sort -t. -k1,1n -k2,2n | head -n 1)" = "$2" ]
}

# present CHECK: the third column's check holds.
present() {
  check_rest=${1#*:}
  case $1 in
    cmd:*) command -v "$check_rest" >/dev/null 2>&1 ;;
    pc:*) pkg-config --exists "$check_rest" 2>/dev/null ;;
    atleast:*) at_least "${check_rest%%:*}" "${check_rest#*:}" ;;
    fn:*) "$check_rest" ;;
    *) say "bad check in the table: $1" && return 1 ;;
  esac
}

# Sets manager to the distribution's package manager and column to its place among the five names.
find_manager() {
  column=0
  for manager in apt-get dnf apk pacman zypper; do
    column=$((column + 1))
    if command -v "$manager" >/dev/null 2>&1; then return 0; fi
  done
  manager=none
  return 1
}

# rows GROUP...: the table's rows of these groups without the padding around the bars.
rows() {
  wanted=" $* "
  setup_table | sed 's/ *| */|/g; s/ *$//' | while IFS= read -r row; do
    case $wanted in *" ${row%%|*} "*) printf '%s\n' "$row" ;; esac
  done
}

# missing GROUP...: of those rows, the ones whose check fails, as `who|what|why|check|names for this distribution`.
missing() {
  rows "$@" | while IFS='|' read -r who what why check apt dnf apk pacman zypper; do
    if present "$check"; then continue; fi
    case $manager in
      apt-get) names=$apt ;;
      dnf) names=$dnf ;;
      apk) names=$apk ;;
      pacman) names=$pacman ;;
      zypper) names=$zypper ;;
      *) names=- ;;
    esac
    printf '%s|%s|%s|%s|%s\n' "$who" "$what" "$why" "$check" "$names"
  done
}

# The command line that installs packages, without sudo; for people to read and for install_packages to run.
install_command() {
  case $manager in
    apt-get) echo "apt-get install -y --no-install-recommends" ;;
    dnf) echo "dnf install -y" ;;
    apk) echo "apk add" ;;
    pacman) echo "pacman -S --needed --noconfirm" ;;
    zypper) echo "zypper --non-interactive install --no-recommends" ;;
  esac
}

# refresh_command: what brings the lists of packages up to date, where installing does not do it by itself.
refresh_command() {
  case $manager in
    apt-get) echo "apt-get update" ;;
    apk) echo "apk update" ;;
    pacman) echo "pacman -Sy" ;;
    *) echo "" ;;
  esac
}

# as_root COMMAND...: with no input, so that nothing can ask.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@" </dev/null
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@" </dev/null
  fi
}

# Debian's packages nats-server and redis-server start services on their usual ports; only the programs are wanted.
# Masked while installing, they cannot start; disabled afterwards, they stay off until their owner decides otherwise.
hold_services() { # hold_services mask|release PACKAGE...
  hold=$1
  shift
  [ -d /run/systemd/system ] && [ "$manager" = apt-get ] || return 0
  for service in nats-server redis-server; do
    case " $* " in *" $service "*) ;; *) continue ;; esac
    if [ "$hold" = mask ]; then
      as_root systemctl mask "$service.service" >/dev/null 2>&1 || true
    else
      as_root systemctl unmask "$service.service" >/dev/null 2>&1 || true
      as_root systemctl disable "$service.service" >/dev/null 2>&1 || true
    fi
  done
}

# refresh: brings the lists of packages up to date.
refresh() {
  refresh_with=$(refresh_command)
  [ -n "$refresh_with" ] || return 0
  say "refreshing the lists of packages: $refresh_with"
  # shellcheck disable=SC2086 # several words
  as_root $refresh_with || say "'$refresh_with' failed: is there a network?"
}

# lists_know NAME...: false when apt's lists, which a fresh system may not have at all, lack one of these.
lists_know() {
  [ "$manager" = apt-get ] || return 0
  for package in "$@"; do
    apt-cache show "$package" >/dev/null 2>&1 || return 1
  done
}

# install_packages NAME...: all in one go; when that fails once more with fresh lists, then each by itself so that one
# unknown name does not cost the others. Success is judged afterwards by the checks, not here.
install_packages() {
  install_with=$(install_command)
  hold_services mask "$@"
  if ! lists_know "$@"; then refresh; fi
  # shellcheck disable=SC2086 # several words
  if ! as_root $install_with "$@"; then
    refresh
    if ! as_root $install_with "$@"; then
      say "not all of it could be installed together; trying one by one"
      for package in "$@"; do
        as_root $install_with "$package" || say "$manager could not install $package"
      done
    fi
  fi
  hold_services release "$@"
}

# Prints what `missing` found, one line each.
show_missing() {
  printf '%s\n' "$1" | while IFS='|' read -r who what why _ names; do
    case $who in some | rival) optional=" (optional)" ;; *) optional= ;; esac
    if [ "$names" = - ]; then
      names="no such package is known here"
    else
      names="package: $names"
    fi
    say "  $what: $why$optional; $names"
  done
}

# package_names MISSING: every name once.
package_names() {
  printf '%s\n' "$1" | cut -d'|' -f5 | tr ' ' '\n' | grep -v '^-*$' | sort -u | tr '\n' ' '
}

# has_required MISSING: among what is missing is something that is not optional.
has_required() { printf '%s\n' "$1" | grep -qv -e '^some|' -e '^rival|'; }

# may_install: root, or a user whom sudo lets (it may ask for a password here, the only question ever).
may_install() {
  [ "$(id -u)" -eq 0 ] && return 0
  command -v sudo >/dev/null 2>&1 && sudo true </dev/null
}

# setup_check_after GROUP...: ends the program when something required is still not there.
setup_check_after() {
  left=$(missing "$@")
  if [ -z "$left" ]; then
    say "everything needed is there now"
    return 0
  fi
  say "still missing:"
  show_missing "$left"
  if has_required "$left"; then
    case $left in
      *atleast:cmake*) command -v cmake >/dev/null 2>&1 && say "CMake 3.25 is needed; this is $(cmake --version | head -n 1)" ;;
    esac
    say "without these it cannot be built: check the network, or install them another way, and run this again"
    exit 1
  fi
  say "going on without; what needs them is left out, and said to be"
}

# setup_install broker|bench|tests
setup_install() {
  case $1 in
    broker) groups=broker ;;
    bench) groups="broker rival" ;;
    *) groups="broker tests rival some" ;;
  esac
  find_manager || true
  # shellcheck disable=SC2086 # groups are words
  lacking=$(missing $groups)
  if [ -z "$lacking" ]; then
    say "everything needed is there"
    return 0
  fi
  say "missing:"
  show_missing "$lacking"
  packages=$(package_names "$lacking")
  if [ -z "$packages" ]; then
    # shellcheck disable=SC2086
    setup_check_after $groups
    return 0
  fi
  if ! may_install; then
    say "installing needs root, and sudo is not there or does not let $(id -un). As root, run:"
    say "  $(install_command) $packages"
    if has_required "$lacking"; then exit 1; fi
    say "going on without; what needs them is left out, and said to be"
    return 0
  fi
  say "installing from the distribution: $(install_command) $packages"
  # shellcheck disable=SC2086
  install_packages $packages
  # shellcheck disable=SC2086
  setup_check_after $groups
}

# setup_can_write DIRECTORY: ends the program with a clear message when a build left by somebody else is in the way.
setup_can_write() {
  directory=$1
  while [ ! -e "$directory" ]; do directory=$(dirname "$directory"); done
  [ -w "$directory" ] && return 0
  say "$(id -un) may not write to $directory, which belongs to $(stat -c %U "$directory"): remove it, or build as its owner"
  exit 1
}
