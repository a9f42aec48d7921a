#!/usr/bin/env bash
# Unit, property and end-to-end tests: by cargo-nextest (https://nexte.st) where it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --workspace --all-features --no-fail-fast
fi
echo "make test: cargo-nextest is not installed; going on with cargo test"
exec cargo test --workspace --all-features --lib --bins --tests --no-fail-fast
