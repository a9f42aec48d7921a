#!/usr/bin/env bash
# Runs every fuzz target for some seconds each, from the inputs kept in fuzz/kept/. Needs no nightly compiler and no
# cargo-fuzz: the flags below are the coverage that libFuzzer listens to; without address sanitizer, as the
# workspace forbids unsafe code.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-20}
target=${2:-}
host=$(rustc -vV | sed -n 's/^host: //p')
flags="--cfg fuzzing -C debug-assertions -C codegen-units=1 -C passes=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=" -C llvm-args=-sanitizer-coverage-$option"
done
# With --target, so that build scripts and procedural macros are left alone.
RUSTFLAGS=$flags cargo build --release --manifest-path fuzz/Cargo.toml --target "$host" \
    --target-dir "${CARGO_TARGET_DIR:-target}/fuzz" ${target:+--bin "$target"}
for source in fuzz/fuzz_targets/*.rs; do
    name=$(basename "$source" .rs)
    if [ -n "$target" ] && [ "$name" != "$target" ]; then
        continue
    fi
    # What is found new goes to the build directory; `-merge=1 fuzz/kept/NAME FOUND` keeps what adds something.
    found=${CARGO_TARGET_DIR:-target}/fuzz/corpus/$name
    mkdir -p "$found"
    kept=()
    if [ -d "fuzz/kept/$name" ]; then
        kept=("fuzz/kept/$name")
    fi
    echo "make fuzz: $name, $seconds s"
    "${CARGO_TARGET_DIR:-target}/fuzz/$host/release/$name" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=512 -print_final_stats=1 -artifact_prefix="$found/crash-" "$found" "${kept[@]}"
done
