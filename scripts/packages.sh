#!/usr/bin/env bash
# packages.sh WHY PROBE=PACKAGE...: makes sure that programs (by name) and files (by path) are there, each with
# the Debian package that brings it. Installs what is missing when it may (root), else says what to install and
# fails. Starts no service: what is wanted here are programs and libraries.
set -euo pipefail
PATH=$PATH:/usr/sbin

why=$1
shift
missing=()
for wanted in "$@"; do
    command -v "${wanted%%=*}" >/dev/null || [ -e "${wanted%%=*}" ] || missing+=("${wanted#*=}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "$why needs: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi

echo "$why: installing ${missing[*]}"
# Debian starts the services it installs, unless this file says no (invoke-rc.d(8), exit status 101)
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 </dev/null
}
# the package lists may be missing or old
install || { apt-get -qq update >"$log" 2>&1 && install; } || {
    cat "$log" >&2
    echo "$why: apt-get could not install ${missing[*]}" >&2
    exit 1
}
rm -f "$log"
