# Thin on purpose: what needs more than a line is a script in scripts/.
.DEFAULT_GOAL := help
.PHONY: help demo footprint test cross-test test-firmware soak lint bench cross deb test-deb clean-demo fuzz test-brokers chaos loss test-fleet test-powercut test-hardware image test-image

help: ## say what the targets do
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: ## run gateway, broker and monitor here; ARGS="--for 30s --outage 10s --json"
	cargo build --workspace --all-features --bins
	$${CARGO_TARGET_DIR:-target}/debug/wardlink demo $(ARGS)

test: ## run every test: unit, property, end to end with real brokers, and on emulated ARM
	scripts/test-tools.sh
	cargo build --workspace --all-features --bins
	scripts/tests.sh
	cargo test --workspace --all-features --doc
	scripts/cross.sh test

test-powercut: ## cut the power of an emulated machine in mid-write; look what it kept
	scripts/powercut.sh

test-hardware: ## boot the agent on emulated ARM boards, read their sensor, pull the power cord
	scripts/hardware.sh

test-fleet: ## roll out to 50 real agents and to 5,000 light gateways; some minutes
	cargo build --workspace --all-features --bins
	ulimit -n 16384 && WARDLINK_FLEET=50 WARDLINK_LIGHT_FLEET=5000 \
	    cargo test -p wardlink-tests --all-features --test rollout -- --nocapture --test-threads 1

cross-test: ## run the tests of wire and store built for aarch64, under qemu-user
	scripts/cross.sh test

test-firmware: ## build the sensor board's firmware, run it under QEMU and read it
	scripts/firmware.sh test

test-brokers: ## everything arrives once through RabbitMQ, rumqttd and a cluster of NATS servers
	scripts/brokers.sh

chaos: ## faults of network, broker, monitor and agent at random, until told to stop
	cargo build --workspace --all-features --bins
	cargo test --workspace --all-features --test chaos -- --ignored --nocapture until_told_to_stop

loss: ## what MQTT clients lose under our ledger, through hundreds of faults
	cargo test --workspace --all-features --test loss -- --ignored --nocapture

soak: ## power cuts and failing media against the store's model, until stopped
	cargo test -p wardlink-agent --all-features --lib -- --ignored --exact store::tests::powercut::soak --nocapture

fuzz: ## fuzz what reads bytes from outside; ARGS="60 segment": seconds each, one target (or decoders)
	scripts/fuzz.sh $(ARGS)

lint: ## rustfmt, clippy, rustdoc, cargo-deny; none may complain
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps
	scripts/deny.sh

bench: ## measure encode, seal, append and the peers
	cargo bench --profile fast --workspace --all-features --bench '*'

cross: ## build the agent for aarch64 and armv7 Linux and check its size
	scripts/cross.sh build $(ARGS)

footprint: ## measure memory, start, CPU and flash life of the release program; writes docs/footprint.md
	scripts/footprint.sh

deb: ## pack the agent for Debian, arm64 and armhf
	scripts/deb.sh $(ARGS)

test-deb: ## try install, upgrade, removal and purge of the package; rate the unit (root)
	scripts/test-deb.sh

image: ## make a disk image of a gateway, and the same as a signed update
	scripts/image.sh

test-image: ## boot the image under QEMU, update it, break it
	scripts/image.sh test

clean-demo: ## remove what the demo left
	rm -rf demo-out .wardlink
