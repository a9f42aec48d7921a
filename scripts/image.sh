#!/usr/bin/env bash
# image.sh [test]: a disk image of a gateway and an update for it, in target/image (docs/image.md); with `test` they
# are booted, updated and broken under QEMU. Mounts nothing. Debian's arm64 root is made by mmdebstrap, once; the
# rest takes a minute or two.
# WARDLINK_IMAGE_KEYS: folder with update.pem and update.key, which sign updates; else a pair for trials is made.
# WARDLINK_IMAGE_AGENT: another agent than the one of `make cross`. WARDLINK_IMAGE_VERSION: how it is called.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin

scripts/packages.sh "make image" mmdebstrap=mmdebstrap newuidmap=uidmap arch-test=arch-test \
    qemu-aarch64-static=qemu-user-static fakeroot=fakeroot mksquashfs=squashfs-tools genimage=genimage mcopy=mtools \
    mkfs.vfat=dosfstools mke2fs=e2fsprogs rauc=rauc openssl=openssl depmod=kmod cpio=cpio xz=xz-utils dpkg-deb=dpkg
target=$PWD/${CARGO_TARGET_DIR:-target}
room=$target/boards
out=$target/image
mkdir -p "$out"
scripts/unpacked.sh "$room" linux-image-arm64:arm64/bookworm-backports busybox-static:arm64 grub-efi-arm64-bin:arm64
agent=${WARDLINK_IMAGE_AGENT:-}
if [ -z "$agent" ]; then
    scripts/cross.sh build aarch64
    agent=${CARGO_TARGET_DIR:-target}/cross/aarch64-unknown-linux-gnu/release/wardlink-agent
fi
[ "${1:-}" != test ] || WARDLINK_IMAGE_VERSION=first
version=${WARDLINK_IMAGE_VERSION:-$(git describe --always --dirty 2>/dev/null || echo unversioned)}

# Debian's programs run in there while it is made: the kernel has to know who runs them
emulator=/proc/sys/fs/binfmt_misc/qemu-aarch64
if [ ! -e "$out/base.tar" ] && [ ! -e $emulator ] && [ "$(uname -m)" != aarch64 ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "make image: aarch64 programs do not run here; install binfmt-support and qemu-user-static" >&2
        exit 1
    fi
    [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    printf '%s' ":qemu-aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):OCF" >/proc/sys/fs/binfmt_misc/register
    # as it was before, once the root is made
    trap 'echo -1 >$emulator' EXIT
fi
if [ ! -e "$out/base.tar" ]; then
    mirror=$(awk '/^deb/ {print $3; exit}' "$room/apt/sources.list")
    mmdebstrap --quiet --architectures=arm64 --variant=minbase \
        --include=systemd-sysv,udev,dbus,kmod,iproute2,rauc,rauc-service,grub-common,e2fsprogs,systemd-resolved,systemd-timesyncd \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$out/base.part.tar" "$mirror"
    mv "$out/base.part.tar" "$out/base.tar"
fi

keys=${WARDLINK_IMAGE_KEYS:-$out/keys}
if [ ! -e "$keys/update.key" ]; then
    mkdir -p "$keys"
    (umask 077 && openssl req -x509 -newkey rsa:3072 -nodes -days 7300 -subj "/CN=wardlink trial updates" \
        -keyout "$keys/update.key" -out "$keys/update.pem" 2>/dev/null)
    echo "make image: $keys holds a new pair of keys, for trials; keep your own elsewhere (WARDLINK_IMAGE_KEYS)"
fi

# root NAME VERSION [FOLDER-TO-LAY-OVER]: the squashfs of a slot
root() {
    rm -rf "$out/stage"
    fakeroot scripts/image-root.sh "$out" "$room/linux-image-arm64.arm64" "$room/busybox-static.arm64/bin/busybox" \
        "$agent" "$keys/update.pem" "$2" "${3:-}" "$out/$1.squashfs"
}
# bundle NAME VERSION: the signed update that brings NAME.squashfs
bundle() {
    rm -rf "$out/bundle" "$out/$1.raucb"
    mkdir "$out/bundle"
    ln "$out/$1.squashfs" "$out/bundle/rootfs.img"
    sed "s/@VERSION@/$2/" configs/image/manifest.raucm >"$out/bundle/manifest.raucm"
    rauc --cert "$keys/update.pem" --key "$keys/update.key" bundle "$out/bundle" "$out/$1.raucb" >/dev/null
    rm -rf "$out/bundle"
}
root wardlink "$version"
bundle wardlink "$version"

rm -rf "$out/esp" "$out/data" "$out/genimage"
mkdir -p "$out"/esp/EFI/{BOOT,debian} "$out"/data/{wardlink,slots}
cp "$room/grub-efi-arm64-bin.arm64/usr/lib/grub/arm64-efi/monolithic/grubaa64.efi" "$out/esp/EFI/BOOT/BOOTAA64.EFI"
cp configs/image/grub.cfg "$out/esp/EFI/debian/grub.cfg"
# an environment block of GRUB: 1024 bytes, what is not used is #
{ printf '# GRUB Environment Block\nORDER=A B\nA_OK=1\nA_TRY=0\nB_OK=0\nB_TRY=0\n'; printf '%01024d' 0 | tr 0 '#'; } |
    head -c 1024 >"$out/esp/EFI/debian/grubenv"
rm -f "$out/data.ext4"
fakeroot mke2fs -q -t ext4 -L data -d "$out/data" "$out/data.ext4" 64M
genimage --config configs/image/genimage.cfg --rootpath "$out/esp" --tmppath "$out/genimage" --inputpath "$out" \
    --outputpath "$out" --loglevel 0
rm -rf "$out/genimage" "$out/stage"
ls -l "$out/wardlink.img" "$out/wardlink.raucb"

[ "${1:-}" = test ] || exit 0
scripts/packages.sh "make test-image" mosquitto=mosquitto qemu-system-aarch64=qemu-system-arm
scripts/unpacked.sh "$room" qemu-system-arm:amd64/bookworm-backports qemu-system-common:amd64/bookworm-backports \
    qemu-system-data:all/bookworm-backports qemu-efi-aarch64:all u-boot-qemu:all
# what comes next, and one in which the agent never gets up
rm -rf "$out/broken"
mkdir -p "$out/broken/etc/systemd/system/wardlink-agent.service.d"
printf '[Service]\nExecStart=\nExecStart=/bin/false\n' >"$out/broken/etc/systemd/system/wardlink-agent.service.d/broken.conf"
root next next && bundle next next
root broken broken "$out/broken" && bundle broken broken
cargo build --workspace --all-features --bins
WARDLINK_BOARDS=$room WARDLINK_IMAGE=$out cargo test --workspace --all-features --test hardware -- \
    --ignored --nocapture --test-threads 1 image::
