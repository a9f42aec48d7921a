#!/usr/bin/env bash
# firmware.sh build: the sensor board of firmware/ for a Cortex-M4F. firmware.sh test: build it, run it under
# QEMU on a machine with an emulated TMP105, and read it with the gateway's decoder.
#
# With `rustup target add thumbv7em-none-eabihf` the build is a plain one. Without that target, Debian's own
# Rust brings the sources of core and alloc, and the build makes them too.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:?build or test}
target=thumbv7em-none-eabihf
tools=()
[ "$what" = build ] || tools+=(qemu-system-arm=qemu-system-arm)
cargo=(cargo)
std=()
env=()
if ! rustup target list --installed 2>/dev/null | grep -qx $target; then
    tools+=(
        /usr/bin/rustc=rustc-web
        /usr/bin/cargo=cargo-web
        /usr/lib/rustlib/src/rust/library/core/Cargo.toml=rust-web-src
    )
    env=(RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1)
    cargo=(/usr/bin/cargo)
    std=("-Zbuild-std=core,alloc")
fi
# rustup's own linker, or Debian's
linker=$(find "$(rustc --print sysroot)/lib/rustlib" -name rust-lld 2>/dev/null | head -n 1)
[ -n "$linker" ] || { tools+=(ld.lld=lld); linker=ld.lld; }
scripts/packages.sh "make test-firmware" "${tools[@]}"

out=$PWD/${CARGO_TARGET_DIR:-target}/firmware
env "${env[@]}" CARGO_TARGET_DIR="$out" \
    CARGO_TARGET_THUMBV7EM_NONE_EABIHF_LINKER="$linker" \
    CARGO_TARGET_THUMBV7EM_NONE_EABIHF_RUSTFLAGS="-C link-arg=-Tlink.x" \
    "${cargo[@]}" build "${std[@]}" --locked --release --target $target --manifest-path firmware/Cargo.toml
elf=$out/$target/release/sensor-board
echo "$elf: $(stat --format=%s "$elf") bytes"
[ "$what" = build ] || WARDLINK_SENSOR_BOARD=$elf \
    cargo test -p wardlink-firmware-shim --all-features --test board_emulated -- --ignored --nocapture
