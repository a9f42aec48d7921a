#!/usr/bin/env bash
# image-root.sh OUT KERNEL BUSYBOX AGENT CERTIFICATE VERSION OVER SQUASHFS: the root of a slot, made under fakeroot
# from OUT/base.tar and configs/image. Called by image.sh.
set -euo pipefail
out=$1 kernel=$2 busybox=$3 agent=$4 certificate=$5 version=$6 over=$7 squashfs=$8
root=$out/stage
mkdir -p "$root"
tar -C "$root" -xf "$out/base.tar" --exclude=./dev/* --exclude=./var/cache/* --exclude=./var/lib/apt/*
release=$(basename "$kernel"/boot/vmlinuz-* | sed 's/^vmlinuz-//')

cp -r --no-preserve=ownership configs/image/root/. "$root/"
chmod 755 "$root"/usr/libexec/wardlink-*
install -m 755 "$agent" "$root/usr/bin/wardlink-agent"
install -m 644 configs/systemd/wardlink-agent.service "$root/usr/lib/systemd/system/"
install -m 644 configs/udev/60-wardlink.rules "$root/usr/lib/udev/rules.d/"
install -m 644 "$certificate" "$root/etc/rauc/update.pem"
echo "$version" >"$root/etc/wardlink-image"
# numbers that no update changes: the data partition knows its owner by number
for group in wardlink:900: i2c:901:wardlink spi:902:wardlink gpio:903:wardlink; do
    echo "${group%%:*}:x:${group#*:}" >>"$root/etc/group"
done
sed -i 's/^dialout:.*:$/&wardlink/' "$root/etc/group"
echo 'wardlink:x:900:900:Wardlink agent:/var/lib/wardlink:/usr/sbin/nologin' >>"$root/etc/passwd"
echo 'wardlink:*:19000::::::' >>"$root/etc/shadow"
mkdir -p "$root/data" "$root/boot/efi"
: >"$root/etc/machine-id"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
for unit in multi-user.target.wants/{wardlink-agent,wardlink-claim,wardlink-slot,systemd-networkd,systemd-resolved}.service \
    sysinit.target.wants/systemd-timesyncd.service; do
    mkdir -p "$root/etc/systemd/system/${unit%/*}"
    ln -sf "/usr/lib/systemd/system/${unit#*/}" "$root/etc/systemd/system/$unit"
done
# what keeps an installed Debian in order has nothing to do on a read-only root
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all; do
    ln -sf /dev/null "$root/etc/systemd/system/$timer.timer"
done
[ -z "$over" ] || cp -r --no-preserve=ownership "$over/." "$root/"

# no screen, no camera, no loudspeaker, no wireless: their firmware is not in Debian's main part anyway
mkdir -p "$root/usr/lib/modules"
cp -r "$kernel/lib/modules/$release" "$root/usr/lib/modules/"
(cd "$root/usr/lib/modules/$release/kernel" &&
    rm -rf sound drivers/{gpu,media,infiniband,net/wireless,net/ethernet/mellanox,scsi/lpfc,accel,staging})
depmod -b "$root/usr" "$release" 2>/dev/null || depmod -b "$root" "$release"
cp "$kernel/boot/vmlinuz-$release" "$root/boot/vmlinuz"

# first root: finds the slot and hands over
first=$out/first
rm -rf "$first"
mkdir -p "$first"/{bin,dev,proc,sys,root,modules}
cp "$busybox" "$first/bin/busybox"
cp configs/image/init "$first/init"
chmod 755 "$first/init"
count=100
for module in squashfs virtio_pci virtio_mmio virtio_blk nvme ahci sdhci-pci sdhci-iproc bcm2835 sdhci-esdhc-imx \
    xhci-pci usb-storage; do
    modprobe -d "$kernel" -S "$release" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
done | awk '!seen[$0]++' | while read -r module; do
    count=$((count + 1))
    xz -dc "$module" >"$first/modules/$count-$(basename "$module" .xz)"
done
(cd "$first" && find . | cpio --quiet -R 0:0 -o -H newc | gzip -1) >"$root/boot/initrd.gz"
rm -rf "$first"

rm -f "$squashfs"
# gzip, because GRUB reads the kernel from it
mksquashfs "$root" "$squashfs" -comp gzip -noappend -quiet -no-progress
