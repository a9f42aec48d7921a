#!/usr/bin/env bash
# What the end-to-end tests need beside Rust and a C compiler: mosquitto, as a second, real broker.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ]; then
    exit 0
fi
scripts/packages.sh "make test" mosquitto
# only the program is wanted: no broker of the system's now, nor at its next start
if command -v systemctl >/dev/null; then
    systemctl disable --quiet mosquitto.service 2>/dev/null || echo "make test: mosquitto.service could not be disabled" >&2
fi
