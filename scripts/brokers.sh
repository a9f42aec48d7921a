#!/usr/bin/env bash
# brokers.sh TEST...: has the brokers besides mosquitto (RabbitMQ, rumqttd, a cluster of three NATS servers) and
# runs the tests that want them, one after the other. RabbitMQ and NATS are Debian packages. rumqttd is built from
# its crate into target/, once: it is a peer of the tests only, and carries advisories that must not come into the
# lock file of what is shipped.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/packages.sh "make test-brokers" mosquitto=mosquitto nats-server=nats-server \
    /usr/lib/rabbitmq/bin/rabbitmq-server=rabbitmq-server

rumqttd=target/brokers/bin/rumqttd
if [ ! -x $rumqttd ]; then
    # not --locked: the crate's own lock file names a release of metrics that today's compiler refuses
    cargo install rumqttd --version 0.20.0 --debug --no-default-features \
        --features use-rustls,verify-client-cert --root target/brokers --target-dir target/rumqttd
    rm -rf target/rumqttd
fi
WARDLINK_RUMQTTD=$PWD/$rumqttd
export WARDLINK_RUMQTTD

cargo build --workspace --all-features --bins
cargo test --workspace --all-features --test interop -- --ignored --test-threads 1 "$@"
