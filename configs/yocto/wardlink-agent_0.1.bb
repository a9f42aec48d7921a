# A recipe for Yocto (scarthgap and newer, whose oe-core has the cargo classes). Not built here: no Yocto
# tree was to be had. `bitbake -c update_crates wardlink-agent` writes the list of crates that it includes.
SUMMARY = "Medical-device telemetry agent: reads, seals, keeps and delivers"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE-MIT;md5=${WARDLINK_LICENSE_MD5}"

inherit cargo cargo-update-recipe-crates systemd useradd

# Where the sources are, and which commit: set both in the distribution's configuration.
SRC_URI = "${WARDLINK_SOURCE}"
SRCREV = "${WARDLINK_REVISION}"
S = "${WORKDIR}/git"
require ${BPN}-crates.inc

CARGO_BUILD_FLAGS += "-p wardlink-agent --bin wardlink-agent"

USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system i2c; --system spi; --system gpio; --system dialout"
USERADD_PARAM:${PN} = "--system --user-group --home-dir /var/lib/wardlink --no-create-home \
    --shell /sbin/nologin --groups i2c,spi,gpio,dialout wardlink"

SYSTEMD_SERVICE:${PN} = "wardlink-agent.service"

do_install:append() {
    install -D -m 0644 ${S}/configs/systemd/wardlink-agent.service ${D}${systemd_system_unitdir}/wardlink-agent.service
    install -D -m 0644 ${S}/configs/udev/60-wardlink.rules ${D}${nonarch_base_libdir}/udev/rules.d/60-wardlink.rules
    install -D -m 0644 ${S}/configs/systemd/wardlink.tmpfiles ${D}${nonarch_libdir}/tmpfiles.d/wardlink.conf
}

FILES:${PN} += "${systemd_system_unitdir} ${nonarch_base_libdir}/udev ${nonarch_libdir}/tmpfiles.d"
