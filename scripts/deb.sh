#!/usr/bin/env bash
# deb.sh [arm64|armhf|amd64]...: Debian packages of the agent, in target/debian; arm64 and armhf if none is named.
# cargo-deb packs what `make cross` built; amd64 is for trying the package on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=("$@")
[ ${#packages[@]} -gt 0 ] || packages=(arm64 armhf)

if ! cargo deb --version >/dev/null 2>&1; then
    echo "deb: installing cargo-deb once, some minutes"
    cargo install --locked --quiet cargo-deb@3.8.0 --target-dir target/cargo-deb
    rm -rf target/cargo-deb
fi

out=target/debian
mkdir -p $out
for package in "${packages[@]}"; do
    case $package in
    arm64)
        scripts/cross.sh build aarch64
        target=aarch64-unknown-linux-gnu
        built=target/cross/$target/release/wardlink-agent
        ;;
    armhf)
        scripts/cross.sh build armv7
        target=armv7-unknown-linux-gnueabihf
        built=target/cross/$target/release/wardlink-agent
        ;;
    amd64)
        cargo build --locked --release -p wardlink-agent --bin wardlink-agent
        target=x86_64-unknown-linux-gnu
        built=target/release/wardlink-agent
        ;;
    *)
        echo "deb.sh: arm64, armhf or amd64, not $package" >&2
        exit 2
        ;;
    esac
    # cargo-deb looks for the program where cargo would have put it for this target
    where=target/packing/$target/release
    mkdir -p "$where"
    cp "$built" "$where/wardlink-agent"
    CARGO_TARGET_DIR=target/packing cargo deb -p wardlink-agent --no-build --no-strip --target $target \
        --output "$out/wardlink-agent_$package.deb" --quiet
    dpkg-deb --info "$out/wardlink-agent_$package.deb" | grep -E '^ (Package|Version|Architecture|Depends|Installed-Size):'
    echo "$out/wardlink-agent_$package.deb: $(stat --format=%s "$out/wardlink-agent_$package.deb") bytes"
done
