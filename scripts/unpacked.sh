#!/usr/bin/env bash
# unpacked.sh ROOM NAME:ARCHITECTURE[/SUITE]...: packages of Debian 12 of any architecture, each unpacked into
# ROOM/NAME.ARCHITECTURE. Installs nothing and leaves the package manager alone: its state is one of its own, in
# ROOM/apt, filled from the mirror that this machine uses. What is there already is not fetched again.
set -euo pipefail

room=$1
shift
mkdir -p "$room"
room=$(realpath "$room")
wanted=()
for package in "$@"; do
    name=${package%%/*}
    [ -e "$room/${name/:/.}/.done" ] || wanted+=("$package")
done
[ ${#wanted[@]} -gt 0 ] || exit 0

apt=$room/apt
options=(-o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache"
    -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root
    -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Architectures::=armhf)
if [ ! -e "$apt/ready" ]; then
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mirror() {
        # shellcheck disable=SC2016 # apt's own variables
        apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -1
    }
    from=$(mirror)
    if [ -z "$from" ] && [ "$(id -u)" -eq 0 ]; then
        apt-get -qq update
        from=$(mirror)
    fi
    if [ -z "$from" ] || [ ! -e $keyring ]; then
        echo "unpacked.sh: needs a Debian machine that knows a mirror (apt-get update) and debian-archive-keyring" >&2
        exit 1
    fi
    mkdir -p "$apt"/{state/lists/partial,cache/archives/partial}
    touch "$apt/status"
    for suite in bookworm bookworm-backports; do
        echo "deb [signed-by=$keyring] $from $suite main"
    done >"$apt/sources.list"
    apt-get "${options[@]}" -qq update
    touch "$apt/ready"
fi

for package in "${wanted[@]}"; do
    name=${package%%/*}
    real=$package
    case $name in
    linux-image-*)
        # the package of that name only names the newest kernel
        real=$(apt-cache "${options[@]}" depends "$package" | awk '/Depends: linux-image/ {print $2; exit}')
        real=${real%%:*}:${name#*:}
        case $package in */*) real+=/${package#*/} ;; esac
        ;;
    esac
    into=$room/${name/:/.}
    rm -rf "$into"
    mkdir -p "$into"
    (cd "$into" && apt-get "${options[@]}" -qq download "$real")
    dpkg-deb --extract "$into"/*.deb "$into"
    rm "$into"/*.deb
    touch "$into/.done"
    echo "unpacked.sh: $real"
done
