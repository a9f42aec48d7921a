#!/usr/bin/env bash
# footprint.sh: measures what the release program takes of a machine, and writes docs/footprint.md. About forty-five
# minutes once it is built; nothing else should run meanwhile. WARDLINK_FOOTPRINT_SECONDS=n: seconds of each
# load. WARDLINK_FOOTPRINT_KEEP=1: what was measured in target/footprint before is not measured again.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/test-tools.sh
scripts/packages.sh "make footprint" mke2fs=e2fsprogs
[ "$(id -u)" -eq 0 ] || { echo "make footprint: needs root, for a block device of its own" >&2; exit 1; }
target=${CARGO_TARGET_DIR:-target}
room=$target/footprint
mkdir -p "$room"/{native,emulated}

cargo build --workspace --all-features --bins
cargo build --locked --release -p wardlink-agent --bin wardlink-agent
cargo test -p wardlink-tests --all-features --test footprint --no-run
measure() { # FOLDER OUT [VARIABLE=VALUE...]
    [ "${WARDLINK_FOOTPRINT_KEEP:-}" = 1 ] && [ -s "$room/$2" ] && return
    env WARDLINK_BIN_DIR="$PWD/$room/$1" WARDLINK_FOOTPRINT_OUT="$PWD/$room/$2" "${@:3}" \
        cargo test -p wardlink-tests --all-features --test footprint -- --ignored --nocapture
}
for folder in native emulated; do ln -sf "$(realpath "$target/debug/wardlink")" "$room/$folder/wardlink"; done
cp "$target/release/wardlink-agent" "$room/native/wardlink-agent"
measure native native.md

arm=$target/cross/aarch64-unknown-linux-gnu/release/wardlink-agent
emulated="Not measured: \`make cross\` had not been run, or there was no qemu-aarch64-static."
if [ -x "$arm" ] && command -v qemu-aarch64-static >/dev/null; then
    cat >"$room/emulated/wardlink-agent" <<RUN
#!/bin/sh
exec qemu-aarch64-static -L /usr/aarch64-linux-gnu "$(realpath "$arm")" "\$@"
RUN
    chmod +x "$room/emulated/wardlink-agent"
    measure emulated emulated.md WARDLINK_FOOTPRINT_COUNTS=1
    emulated=$(cat "$room/emulated.md")
fi

size() { [ -f "$1" ] && echo "$(stat --format=%s "$1") bytes" || echo "not built"; }
split() { awk -v part="$1" 'BEGIN { n = 1 } /^$/ { n++ } n == part' "$room/native.md"; }
cat >docs/footprint.md <<REPORT
# Footprint

Written by \`make footprint\` on $(date --utc +%Y-%m-%d), with $(nproc) cores of $(uname -m), Linux $(uname -r | cut -d. -f1,2), the
release program of version $(git describe --always --dirty), $(sed -n 's/^opt-level = \(.*\)/opt-level = \1/p' Cargo.toml | head -2 | tail -1). The
broker is mosquitto, all on one machine over mutual TLS. Times and CPU are those of this machine; a gateway's are
longer. Memory, bytes and counts hold for any.

## Program

| | |
| --- | --- |
| aarch64, stripped | $(size "$arm") |
| armv7, stripped | $(size "$target/cross/armv7-unknown-linux-gnueabihf/release/wardlink-agent") |
| x86-64, stripped | $(size "$target/release/wardlink-agent") |
$(split 1)

## Loads

Each for ${WARDLINK_FOOTPRINT_SECONDS:-240} s, connected and delivering. "Written" is what reached the block
device of the store's own ext4, its journal included: records, sealed and synced, and the receipts that settle them. "8 GiB of eMMC last" is
8 GiB x 3000 erasures / (4 x bytes a day): 3000 is what MLC flash is commonly rated at, and 4 stands for what the
device moves by itself; both are assumptions, to be replaced by those of your part.
$(split 2)

## On aarch64

The same loads, but for the oximeter, with the cross-built program under qemu-user, for what an emulator does not change. Its own memory and
speed say nothing.
$emulated

## Beside others

Published figures, not measured here:

| program | memory | program size, start | source |
| --- | --- | --- | --- |
| AWS Greengrass Lite, nine daemons | PSS 14.8 MB x86-64, 15.8 MB aarch64, 12.4 MB armv7, light load | installed 0.83 to 1.10 MB; start 1.3 s x86, 1.7 s Pi 4 | its docs/RESOURCE_LIMITS.md and benchmark/REPORT.md, 2026-07 |
| thin-edge.io | RSS about 8 MiB a daemon, mosquitto 10, gateway 34 in all | | its docs/src/references/supported-platforms.md, 2026-08 |
REPORT
echo "docs/footprint.md is written"
