#!/usr/bin/env bash
# What the tests need beside Rust and a C compiler: mosquitto, as a second, real broker, a D-Bus daemon, which the
# tests start on a bus of their own, and what builds and runs ARM programs here.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin

if ! command -v mosquitto >/dev/null; then
    scripts/packages.sh "make test" mosquitto=mosquitto
    # only the program is wanted: no broker of the system's now, nor at its next start
    if command -v systemctl >/dev/null; then
        systemctl disable --quiet mosquitto.service 2>/dev/null ||
            echo "make test: mosquitto.service could not be disabled" >&2
    fi
fi
# networks of the tests' own take root: without it those tests say that they are not run
if [ "$(id -u)" -eq 0 ]; then
    scripts/packages.sh "make test" ip=iproute2 tc=iproute2 nft=nftables
fi
scripts/packages.sh "make test" dbus-daemon=dbus-daemon
scripts/cross.sh tools
