#!/usr/bin/env bash
# Boots the agent on two emulated ARM boards with a sensor on a real I2C bus, and pulls a third one's power cord
# (docs/hardware.md). Needs no root once the tools are there. WARDLINK_BOARD_CUTS=n: other than 20 cuts.
# The programs come from `make cross`; WARDLINK_BOARD_AARCH64 and WARDLINK_BOARD_ARMV7 name others.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

if [ "$(uname -m)" != x86_64 ]; then
    echo "make test-hardware: the emulator is unpacked for x86-64 machines" >&2
    exit 1
fi
scripts/packages.sh "make test-hardware" cpio=cpio mke2fs=e2fsprogs dpkg-deb=dpkg modprobe=kmod xz=xz-utils \
    mosquitto=mosquitto qemu-system-aarch64=qemu-system-arm \
    /usr/aarch64-linux-gnu/lib/libc.so.6=libc6-dev-arm64-cross \
    /usr/arm-linux-gnueabihf/lib/libc.so.6=libc6-dev-armhf-cross

target=$PWD/${CARGO_TARGET_DIR:-target}
room=$target/boards
# I2C of these boards works in QEMU 10, not in 7.2; its libraries are those of Debian's own QEMU
scripts/unpacked.sh "$room" qemu-system-arm:amd64/bookworm-backports qemu-system-common:amd64/bookworm-backports \
    qemu-system-data:all/bookworm-backports linux-image-arm64:arm64/bookworm-backports linux-image-armmp:armhf \
    busybox-static:arm64 busybox-static:armhf

cross=${CARGO_TARGET_DIR:-target}/cross
aarch64=${WARDLINK_BOARD_AARCH64:-$cross/aarch64-unknown-linux-gnu/release/wardlink-agent}
armv7=${WARDLINK_BOARD_ARMV7:-$cross/armv7-unknown-linux-gnueabihf/release/wardlink-agent}
[ -n "${WARDLINK_BOARD_AARCH64:-}" ] || scripts/cross.sh build aarch64
[ -n "${WARDLINK_BOARD_ARMV7:-}" ] || scripts/cross.sh build armv7

# initrd NAME KERNEL-ROOM BUSYBOX LIBRARIES AGENT MODULE...: a root of busybox, agent and modules
initrd() {
    local name=$1 kernel=$2 busybox=$3 libraries=$4 agent=$5 root=$room/$1.root version count=100 module
    shift 5
    version=$(basename "$kernel"/boot/vmlinuz-* | sed 's/^vmlinuz-//')
    rm -rf "$root"
    mkdir -p "$root"/{bin,sbin,dev,proc,sys,run,tmp,etc/init.d,lib,modules,usr/bin,usr/sbin,usr/libexec,var/lib}
    cp "$busybox" "$root/bin/busybox"
    ln -s bin/busybox "$root/init"
    cp "$agent" "$root/usr/bin/wardlink-agent"
    cp -L "$libraries"/{ld-linux*.so.*,libc.so.6,libm.so.6,libgcc_s.so.1} "$root/lib/"
    install -m 755 configs/init/wardlink-agent.busybox "$root/usr/libexec/"
    cp configs/boards/rcS "$root/etc/init.d/rcS"
    cp configs/boards/witness "$root/bin/"
    cp configs/boards/{inittab,passwd,group} "$root/etc/"
    [ -e "$kernel/lib/modules/$version/modules.dep" ] || depmod -b "$kernel" "$version"
    for module in "$@"; do
        modprobe -d "$kernel" -S "$version" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
    done | awk '!seen[$0]++' | while read -r module; do
        # numbered in the order in which they need each other
        count=$((count + 1))
        case $module in
        *.xz) xz -dc "$module" >"$root/modules/$count-$(basename "$module" .xz)" ;;
        *) cp "$module" "$root/modules/$count-$(basename "$module")" ;;
        esac
    done
    chmod -R go=u-w "$root"
    (cd "$root" && find . | cpio --quiet -R 0:0 -o -H newc | gzip -1) >"$room/$name.initrd.gz"
}
arm64=$room/linux-image-arm64.arm64
armhf=$room/linux-image-armmp.armhf
initrd raspi3b "$arm64" "$room/busybox-static.arm64/bin/busybox" /usr/aarch64-linux-gnu/lib "$aarch64" \
    ext4 bcm2835_wdt i2c-dev i2c-bcm2835 bcm2835 dwc2 phy-generic cdc_ether rndis_host
initrd virt "$arm64" "$room/busybox-static.arm64/bin/busybox" /usr/aarch64-linux-gnu/lib "$aarch64" \
    ext4 virtio_pci virtio_mmio virtio_blk virtio_net
initrd mcimx6ul "$armhf" "$room/busybox-static.armhf/bin/busybox" /usr/arm-linux-gnueabihf/lib "$armv7" \
    ext4 gpio-mxc spi-gpio i2c-dev i2c-imx sdhci-esdhc-imx smsc micrel fec

cargo build --workspace --all-features --bins
WARDLINK_BOARDS=$room cargo test --workspace --all-features --test hardware -- --ignored --nocapture \
    --test-threads 1 --skip image:: "$@"
