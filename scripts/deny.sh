#!/usr/bin/env bash
# cargo-deny over the whole workspace: licences, sources, bans and security advisories (deny.toml).
# The advisories are the live database where the network has it, else the copy in $WARDLINK_ADVISORY_DB.
set -euo pipefail
cd "$(dirname "$0")/.."

database=https://github.com/RustSec/advisory-db
copy=${WARDLINK_ADVISORY_DB:-../shared/advisory-db}

if ! cargo deny --version >/dev/null 2>&1; then
    echo "deny: installing cargo-deny once, some minutes"
    cargo install --locked --quiet cargo-deny@0.20.2 --target-dir target/cargo-deny
    rm -rf target/cargo-deny
fi

cargo deny --log-level error check --hide-inclusion-graph -A duplicate licenses bans sources

if cargo deny fetch db 2>/dev/null; then
    cargo deny check --hide-inclusion-graph advisories
    echo "deny: advisories checked against the live database"
elif [ -d "$copy/crates" ]; then
    # cargo-deny takes the database from git only: git finds the copy under the database's name
    repository=$PWD/target/advisory-copy
    rm -rf "$repository" target/advisory-dbs
    mkdir -p "$repository"
    cp -r --no-preserve=mode "$copy/." "$repository"
    git -C "$repository" init --quiet --initial-branch=main
    git -C "$repository" add --force --all
    git -C "$repository" -c user.name=wardlink -c user.email=wardlink@localhost -c commit.gpgsign=false \
        commit --quiet --message "copy of the advisory database"
    GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.file://$repository.insteadOf" GIT_CONFIG_VALUE_0=$database \
        cargo deny check --hide-inclusion-graph advisories
    newest=$(grep -rhoE '^date = "[0-9-]{10}"' "$repository/crates" | sort | tail -1 | tr -dc '0-9-')
    echo "deny: advisories checked against the copy in $copy, whose newest advisory is of $newest"
else
    echo "deny: ADVISORIES NOT CHECKED: no network, and no copy of $database in $copy" >&2
    echo "deny: clone it there, or set WARDLINK_ADVISORY_DB to a clone, and run this again" >&2
fi
