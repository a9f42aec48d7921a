#!/usr/bin/env bash
# fuzz.sh [SECONDS [TARGET]]: runs every fuzz target, or one, for some seconds each, from the inputs kept in fuzz/kept/;
# for TARGET `decoders` all but those of the agent's own files, which take long to build. With `20000r` in place of
# SECONDS each makes so many runs, the same ones every time. Needs no nightly compiler and no cargo-fuzz: the flags below are the coverage that libFuzzer listens to; without address sanitizer, as the
# workspace forbids unsafe code.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-20}
target=${2:-}
case "$seconds" in
*r) limit=(-seed=1 "-runs=${seconds%r}") ;;
*) limit=("-max_total_time=$seconds") ;;
esac
built=(--features agent)
[ -z "$target" ] || built+=(--bin "$target")
[ "$target" != decoders ] || built=()
host=$(rustc -vV | sed -n 's/^host: //p')
flags="--cfg fuzzing -C debug-assertions -C codegen-units=1 -C passes=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=" -C llvm-args=-sanitizer-coverage-$option"
done
# With --target, so that build scripts and procedural macros are left alone.
RUSTFLAGS=$flags cargo build --release --manifest-path fuzz/Cargo.toml --target "$host" \
    --target-dir "${CARGO_TARGET_DIR:-target}/fuzz" "${built[@]}"
for source in fuzz/fuzz_targets/*.rs; do
    name=$(basename "$source" .rs)
    case "$target" in
    "" | "$name") ;;
    decoders) ! grep -q wardlink_agent "$source" || continue ;;
    *) continue ;;
    esac
    # What is found new goes to the build directory; `-merge=1 fuzz/kept/NAME FOUND` keeps what adds something.
    found=${CARGO_TARGET_DIR:-target}/fuzz/corpus/$name
    if [[ "$seconds" == *r ]]; then
        # the same runs every time, so not from what earlier ones found
        found=${CARGO_TARGET_DIR:-target}/fuzz/once/$name
        rm -rf "$found"
    fi
    mkdir -p "$found"
    kept=()
    if [ -d "fuzz/kept/$name" ]; then
        kept=("fuzz/kept/$name")
    fi
    echo "make fuzz: $name, ${limit[*]}"
    "${CARGO_TARGET_DIR:-target}/fuzz/$host/release/$name" "${limit[@]}" -timeout=10 \
        -rss_limit_mb=512 -print_final_stats=1 -artifact_prefix="$found/crash-" "$found" "${kept[@]}"
done
