#!/usr/bin/env bash
# Cuts the power of a small machine while it appends, again and again, and looks what it kept (docs/powercut.md).
# The machine is QEMU's, with Debian's kernel for cloud guests and a busybox; nothing of this one is touched.
# Needs no root once the tools are there. WARDLINK_POWERCUT_CYCLES=n: other than 10 cuts of the log engine.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin

if [ "$(uname -m)" != x86_64 ]; then
    echo "make test-powercut: the guest is an x86-64 one, and so must be this machine" >&2
    exit 1
fi
scripts/packages.sh "make test-powercut" qemu-system-x86_64=qemu-system-x86 busybox=busybox-static \
    cpio=cpio mke2fs=e2fsprogs dpkg-deb=dpkg

room=$PWD/${CARGO_TARGET_DIR:-target}/powercut
mkdir -p "$room"
kernel=$(find "$room" -name 'vmlinuz-*' -print -quit)
if [ -z "$kernel" ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
    [ -n "$package" ] || { echo "make test-powercut: no kernel known here; apt-get update, then again" >&2; exit 1; }
    # as root apt-get wants to download as a user that may not write here, and warns
    (cd "$room" && apt-get -qq -o APT::Sandbox::User=root download "$package")
    dpkg-deb --extract "$room/$package"_*.deb "$room/kernel"
    kernel=$(find "$room" -name 'vmlinuz-*' -print -quit)
fi
modules=$room/kernel/lib/modules/${kernel##*/vmlinuz-}/kernel

cargo build -p wardlink-agent --all-features --example powercut
program=${CARGO_TARGET_DIR:-target}/debug/examples/powercut

root=$room/root
rm -rf "$root"
mkdir -p "$root"/{bin,dev,proc,sys,disk,modules}
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in sh mount umount insmod cat ls grep stty poweroff; do ln -s busybox "$root/bin/$applet"; done
cp "$program" "$root/bin/powercut"
strip "$root/bin/powercut"
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
done
# in the order in which they need each other
for module in virtio/virtio_ring virtio/virtio virtio/virtio_pci_legacy_dev virtio/virtio_pci_modern_dev \
    virtio/virtio_pci block/virtio_blk; do
    cp "$modules/drivers/$module.ko" "$root/modules/"
done
cat >"$root/init" <<'INIT'
#!/bin/sh
# The console carries the kernel's words, the second line ours.
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do
    insmod /modules/$module.ko
done
exec >/dev/ttyS1
stty raw -echo <&1
for word in $(cat /proc/cmdline); do
    case $word in
    engine=*) engine=${word#*=} ;;
    place=*) place=${word#*=} ;;
    last=*) last=${word#*=} ;;
    esac
done
# The copies first: vda is the disk that lives on.
for disk in $(ls /sys/block | grep '^vd[b-z]$') vda; do
    echo "disk $disk"
    if mount -t ext4 -o noinit_itable /dev/$disk /disk; then
        if [ $disk = vda ]; then
            powercut verify $engine /disk/store settle || echo "refused $disk"
            [ $last = yes ] || powercut append $engine /disk/store /dev/vda $place || echo "refused $disk"
        else
            powercut verify $engine /disk/store || echo "refused $disk"
        fi
        umount /disk
    else
        echo "unmountable $disk"
    fi
done
echo end
poweroff -f
INIT
chmod 755 "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$room/initrd.gz"

WARDLINK_POWERCUT_KERNEL=$kernel WARDLINK_POWERCUT_INITRD=$room/initrd.gz \
    cargo test -p wardlink-tests --all-features --test powercut -- --ignored --nocapture --test-threads 1 "$@"
