#!/usr/bin/env bash
# cross.sh build [aarch64|armv7]...: the agent for ARM Linux; both if none is named.
# cross.sh test: the tests of wire and store, built for aarch64 and run under qemu-user, which proves the code
# on ARM but not the kernel below it.
#
# With `rustup target add <target>` the build is a plain one. Without that target, Debian's own Rust brings the
# sources of its standard library, and the build makes the library too.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:?build, test or tools}
shift
processors=("$@")
[ ${#processors[@]} -gt 0 ] || processors=(aarch64 armv7)
[ "$what" = build ] || processors=(aarch64)
ceiling=$((6 << 20)) # bytes; docs/design.md

if [ "${WARDLINK_SKIP_CROSS:-}" = 1 ]; then
    echo "cross $what: SKIPPED, because WARDLINK_SKIP_CROSS=1" >&2
    exit 0
fi

target_of() {
    case $1 in
    aarch64) echo aarch64-unknown-linux-gnu ;;
    armv7) echo armv7-unknown-linux-gnueabihf ;;
    *)
        echo "cross.sh: aarch64 or armv7, not $1" >&2
        return 2
        ;;
    esac
}

tools=()
own_std=no
for processor in "${processors[@]}"; do
    target=$(target_of "$processor")
    case $processor in
    aarch64) tools+=(
        aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu
        /usr/aarch64-linux-gnu/include/stdio.h=libc6-dev-arm64-cross
    ) ;;
    armv7) tools+=(
        arm-linux-gnueabihf-gcc=gcc-arm-linux-gnueabihf
        /usr/arm-linux-gnueabihf/include/stdio.h=libc6-dev-armhf-cross
    ) ;;
    esac
    rustup target list --installed 2>/dev/null | grep -qx "$target" || own_std=yes
done
[ "$what" = build ] || tools+=(qemu-aarch64-static=qemu-user-static)
cargo=(cargo)
std=()
if [ $own_std = yes ]; then
    tools+=(
        /usr/bin/rustc=rustc-web
        /usr/bin/cargo=cargo-web
        /usr/lib/rustlib/src/rust/library/std/Cargo.toml=rust-web-src
    )
    export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1
    cargo=(/usr/bin/cargo)
    std=("-Zbuild-std=std,panic_unwind,test")
fi
scripts/packages.sh "make cross" "${tools[@]}" || {
    echo "(or: rustup target add $target; or set WARDLINK_SKIP_CROSS=1 to do without)" >&2
    exit 1
}

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/cross
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CC_armv7_unknown_linux_gnueabihf=arm-linux-gnueabihf-gcc
export CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER=arm-linux-gnueabihf-gcc

case $what in
build)
    for processor in "${processors[@]}"; do
        target=$(target_of "$processor")
        "${cargo[@]}" build "${std[@]}" --locked --release --target "$target" -p wardlink-agent --bin wardlink-agent
        binary=$CARGO_TARGET_DIR/$target/release/wardlink-agent
        size=$(stat --format=%s "$binary")
        echo "$binary: $size bytes, at most $ceiling are allowed"
        [ "$size" -le $ceiling ]
    done
    ;;
test)
    # emulation is slow: faster code, and fewer rounds of what has run natively already
    export CARGO_PROFILE_TEST_OPT_LEVEL=1 CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=0
    export WARDLINK_FUZZ_ROUNDS=${WARDLINK_FUZZ_ROUNDS:-5000}
    # one build for both, so that what they share is built once
    log=$CARGO_TARGET_DIR/built.log
    mkdir -p "$CARGO_TARGET_DIR"
    "${cargo[@]}" test "${std[@]}" --locked --target "$target" -p wardlink-wire -p wardlink-agent \
        --lib --test contract --no-run 2>&1 | tee "$log"
    emulated() {
        local binary
        binary=$(sed -n "s/.*Executable .*(\(.*\/$1-[0-9a-f]*\))$/\1/p" "$log")
        qemu-aarch64-static -L /usr/aarch64-linux-gnu "$binary" "${@:2}" 2>&1 | tee "$CARGO_TARGET_DIR/ran.log"
        if grep -q '^test result: ok. 0 passed' "$CARGO_TARGET_DIR/ran.log"; then
            echo "cross test: $* ran no test" >&2
            exit 1
        fi
    }
    emulated wardlink_wire
    emulated contract
    # a program under qemu-user cannot start itself again, and what these mount is the host's; of the eight
    # shares of power cuts two are enough here: all of it runs natively in `make test`
    natively=(store::tests::crash:: store::tests::readonly:: a_disk_filled_to_the_last_byte room_of_removed_files
        a_power_cut_right_after_a_commit)
    for share in 3 4 5 6 7 8; do natively+=("power_cuts_lose_nothing_that_was_promised_${share}_of_8"); done
    echo "cross test: not under emulation: ${natively[*]}"
    skip=()
    for name in "${natively[@]}"; do skip+=(--skip "$name"); done
    emulated wardlink_agent store:: "${skip[@]}"
    ;;
tools) ;;
*)
    echo "cross.sh: build, test or tools, not $what" >&2
    exit 2
    ;;
esac
