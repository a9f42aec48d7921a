#!/usr/bin/env bash
# What the package promises, tried in a copy of this machine that vanishes at the end (an overlay in a mount
# namespace of its own): an upgrade keeps store and identity, a removal keeps the store, a purge erases the key
# first. And how much the unit leaves exposed. Needs root and a Debian machine.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" -ne 0 ]; then
    echo "make test-deb: needs root, for a mount namespace of its own" >&2
    exit 1
fi

unit=configs/systemd/wardlink-agent.service
systemd-analyze security --offline=true --threshold=20 $unit | tail -1
scripts/deb.sh amd64
export DEB=$PWD/target/debian/wardlink-agent_amd64.deb

exec unshare --mount --propagation private bash -euo pipefail <<'INSIDE'
rooms=$(mktemp -d)
mount -t tmpfs -o size=2g none "$rooms"
mkdir "$rooms"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$rooms/upper,workdir=$rooms/work" "$rooms/root"
root=$rooms/root
mount -t proc none "$root/proc"
mount --bind /dev "$root/dev"
cp "$DEB" "$root/tmp/wardlink.deb"
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
passed=0
promise() {
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok  $what"
    else
        echo "NOT $what" >&2
        exit 1
    fi
}
owner() { inside stat --format='%U:%G %a' "$1"; }

inside dpkg -i --force-depends /tmp/wardlink.deb >/dev/null
promise "the program runs" inside /usr/bin/wardlink-agent --version
promise "the agent has a user without a shell" test "$(inside getent passwd wardlink | cut -d: -f7)" = /usr/sbin/nologin
promise "that user may open buses and lines" test "$(inside id -nG wardlink | tr ' ' '\n' | grep -cxE 'i2c|spi|gpio|dialout')" = 4
promise "the store's folder is its own" test "$(owner /var/lib/wardlink)" = "wardlink:wardlink 700"
promise "the unit is enabled" test -L "$root/etc/systemd/system/multi-user.target.wants/wardlink-agent.service"
promise "the unit is one that systemd accepts" inside systemd-analyze verify wardlink-agent.service
promise "before it is enrolled a command says what is missing" \
    grep -q "/var/lib/wardlink/agent.toml: cannot be read" <<<"$(inside /usr/bin/wardlink-agent doctor 2>&1 || true)"

echo key >"$root/var/lib/wardlink/store.key"
echo "schema = 1" >"$root/var/lib/wardlink/agent.toml"
mkdir "$root/var/lib/wardlink/store"
echo batches >"$root/var/lib/wardlink/store/segment"

inside dpkg -i --force-depends /tmp/wardlink.deb >/dev/null
promise "an upgrade keeps the identity" test "$(cat "$root/var/lib/wardlink/store.key")" = key
promise "an upgrade keeps the store" test "$(cat "$root/var/lib/wardlink/store/segment")" = batches

inside dpkg --remove wardlink-agent >/dev/null
promise "a removal takes the program" test ! -e "$root/usr/bin/wardlink-agent"
promise "a removal keeps the store" test "$(cat "$root/var/lib/wardlink/store/segment")" = batches
promise "a removal keeps the key" test "$(cat "$root/var/lib/wardlink/store.key")" = key

inside dpkg --purge wardlink-agent >/dev/null
promise "a purge erases the key" test ! -e "$root/var/lib/wardlink/store.key"
promise "a purge leaves nothing of the store" test ! -e "$root/var/lib/wardlink"
promise "a purge takes the user" test -z "$(inside getent passwd wardlink || true)"
echo "$passed passed, 0 failed"
INSIDE
