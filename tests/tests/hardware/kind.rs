//! The boards that QEMU has, with the kernel that Debian has for each.

/// What is particular to a board.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) qemu: &'static str,
    pub(crate) machine: &'static [&'static str],
    /// The package of its kernel, and its device tree in there.
    pub(crate) kernel: &'static str,
    pub(crate) tree: Option<&'static str>,
    /// Where the guest finds disk, bus and network.
    pub(crate) command_line: &'static str,
    pub(crate) disk: &'static [&'static str],
}

pub(crate) const RASPI3B: Kind = Kind {
    name: "raspi3b",
    qemu: "qemu-system-aarch64",
    machine: &[
        "-M",
        "raspi3b",
        "-m",
        "1G",
        "-smp",
        "4",
        "-device",
        "tmp105,id=sensor,bus=i2c-bus.1,address=0x48",
        "-netdev",
        "user,id=net",
        "-device",
        "usb-net,netdev=net",
    ],
    kernel: "linux-image-arm64.arm64",
    tree: Some("broadcom/bcm2837-rpi-3-b.dtb"),
    command_line: "console=ttyAMA0,115200 board.disk=/dev/mmcblk0 board.bus=/dev/i2c-1",
    disk: &["-drive", "if=sd,format=raw,file="],
};

pub(crate) const MCIMX6UL: Kind = Kind {
    name: "mcimx6ul",
    qemu: "qemu-system-arm",
    machine: &[
        "-M",
        "mcimx6ul-evk",
        "-m",
        "512M",
        "-device",
        "tmp105,id=sensor,bus=i2c-bus.0,address=0x48",
        "-nic",
        "user",
        "-nic",
        "user",
    ],
    kernel: "linux-image-armmp.armhf",
    tree: Some("imx6ul-14x14-evk.dtb"),
    command_line: "console=ttymxc0,115200 board.disk=/dev/mmcblk0 board.bus=/dev/i2c-0",
    disk: &["-drive", "if=sd,format=raw,file="],
};

pub(crate) const VIRT: Kind = Kind {
    name: "virt",
    qemu: "qemu-system-aarch64",
    machine: &[
        "-M",
        "virt",
        "-cpu",
        "cortex-a72",
        "-m",
        "512M",
        "-netdev",
        "user,id=net",
        "-device",
        "virtio-net-pci,netdev=net,romfile=",
    ],
    kernel: "linux-image-arm64.arm64",
    tree: None,
    command_line: "console=ttyAMA0 board.disk=/dev/vda",
    disk: &[
        "-device",
        "virtio-blk-pci,drive=disk",
        "-drive",
        "if=none,id=disk,format=raw,file=",
    ],
};
