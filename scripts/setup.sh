#!/usr/bin/env bash
# Brings what leeward's sandbox and tests need from the system's package manager, and says what and why. Quiet when all is there.
# usage: setup.sh run|test
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1; }

postgres_bin() {
  local candidate
  for candidate in "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
    if [[ -x $candidate/initdb && -x $candidate/pg_basebackup && -x $candidate/postgres ]]; then
      echo "$candidate"
      return
    fi
  done
  if have initdb && have pg_basebackup && have postgres; then dirname "$(command -v initdb)"; fi
}

as_root() {
  if ((EUID == 0)); then "$@"; elif have sudo; then sudo "$@"; else
    echo "setup: error: this needs root and there is no sudo: $*" >&2
    exit 1
  fi
}

updated=
# install WHY DEBIAN FEDORA HOMEBREW
install() {
  local why=$1 debian=$2 fedora=$3 brew=$4
  if have apt-get; then
    echo "setup: installing $debian: $why"
    if [[ -z $updated ]]; then as_root apt-get update -qq; updated=1; fi
    # Debian's package starts a server of its own otherwise; only the programs are needed.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq $debian >/dev/null
  elif have dnf; then
    echo "setup: installing $fedora: $why"
    as_root dnf install -y -q $fedora
  elif have brew; then
    echo "setup: installing $brew: $why"
    brew install -q $brew
  else
    echo "setup: error: no apt-get, dnf or brew here; please install ${debian// /, }: $why" >&2
    exit 1
  fi
}

have cargo || {
  echo "setup: error: cargo is not there; install Rust 1.95 or newer (https://rustup.rs)" >&2
  exit 1
}
have cc || install "the TLS library is C" gcc gcc gcc
[[ -n $(postgres_bin) ]] || install "the sandbox runs a real PostgreSQL primary and replica" postgresql postgresql-server postgresql@16

if [[ ${1:-run} == test ]]; then
  have named || [[ -x /usr/sbin/named ]] || install "the DNS adapter is tested against BIND" bind9 bind bind
  have dig || install "the sandbox's DNS server is tested with dig and nsupdate" bind9-dnsutils bind-utils bind
fi
