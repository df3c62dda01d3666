# One command runs the main job, another the tests; each does all the set-up it needs.

TARGET := $(or $(CARGO_TARGET_DIR),target)

# Cargo would otherwise take make's number of jobs for its own.
unexport MAKEFLAGS MFLAGS

.PHONY: help setup build demo test lint deny wheel dist install bench bench-quality bench-validation bench-evaluation bench-store \
	bench-script bench-messages bench-dashboard simulate-faults build-tests dashboard check-dashboard test-dashboard test-tools \
	test-search test-faults test-trainer test-rest format clippy docs-site record check-exports check-ray check-manifests libtorch pytorch check-examples check-wheel

help:
	@echo "make demo     search hyperparameters for the real MiniLM on real triplets, about 10 minutes on 2 cores"
	@echo "make test     everything that CI runs"
	@echo "make install  install hpo and its trainer with cargo; the libtorch in .cache must stay where it is"
	@echo "make wheel    make the Python package, with hpo and a module for scripts and notebooks"
	@echo "make dist     pack hpo, its trainer and what they need of libtorch into dist/, an archive that runs wherever it is unpacked"
	@echo "make setup    fetch libtorch, the model and the data into .cache, once"
	@echo "make bench    compare the trainer's speed with sentence-transformers and PyTorch (5 GB, half an hour)"
	@echo "make bench-quality  compare the configurations that hpo, Optuna, Syne Tune, SMAC, NePS, HEBO and Rustuna find with equal epochs, on surfaces drawn by seed, formulas and measured curves (days; Python 3.11)"
	@echo "make bench-validation  measure which validation loss foretells how good a model is on test data (an hour; Debian or Ubuntu)"
	@echo "make bench-evaluation  measure the time and memory that it takes to measure a model on a corpus of 100,000 texts (minutes)"
	@echo "make bench-store    measure the time and memory it takes to open studies of up to 100,000 trials"
	@echo "make bench-script   measure what a trial of a script costs beside its process, with hpo, Optuna and Ray Tune (minutes)"
	@echo "make bench-dashboard  measure how long the dashboard's page takes to show and to filter 10,000 trials"
	@echo "make bench-messages  measure how many reports a second one scheduler takes from up to 256 workers (minutes)"
	@echo "make simulate-faults  simulate 100,000 small studies with every kind of failure"
	@echo "make check-exports  read exported trials with the tools that they are for (1 GB)"
	@echo "make check-examples  search with the examples of scripts that need scikit-learn, PyTorch and sentence-transformers (1.6 GB)"
	@echo "make check-wheel  make the Python package, and search with it and sentence-transformers (1.6 GB, minutes)"
	@echo "make check-ray  search on a real Ray cluster on this machine, and kill what can be killed (1 GB, minutes)"
	@echo "make dashboard  build the dashboard's page into src/dashboard/assets"
	@echo "make docs-site  the documentation as a site, in $(TARGET)/site"
	@echo "make record   record the session in a terminal and the pages that the documentation shows (minutes; Chromium)"
	@echo "make lint     formatting and clippy"
	@echo "make deny     licences, versions and sources of all dependencies"

setup:
	python3 tools/setup.py

build: setup
	cargo build --locked --release -p hpo -p hpo-trial-embedding

demo: build
	$(TARGET)/release/hpo search search_spaces/minilm-wordnet.toml --studies studies

lint: format clippy

format:
	cargo fmt --all --check

clippy: setup
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Known vulnerabilities are not checked: their database is not in a package registry. If you can reach it, run
# `cargo deny check advisories`.
deny:
	python3 tools/setup.py deny
	.cache/cargo-deny/cargo-deny --locked --workspace check licenses bans sources

test: lint test-search test-faults test-trainer test-rest check-examples test-dashboard deny check-dashboard test-tools docs-site check-manifests

dashboard/node_modules/ready: dashboard/package-lock.json
	cd dashboard && npm ci --ignore-scripts --no-audit --no-fund --silent
	touch $@

# The page of `hpo dashboard`. What is built is checked in, so that cargo alone builds hpo.
dashboard: dashboard/node_modules/ready
	cd dashboard && node build.mjs ../src/dashboard/assets

check-dashboard: dashboard/node_modules/ready
	cd dashboard && node_modules/.bin/tsc && rm -rf node_modules/.built && node build.mjs node_modules/.built
	diff -rq dashboard/node_modules/.built src/dashboard/assets || { echo "src/dashboard/assets is not what is built from dashboard: run make dashboard" >&2; exit 1; }
	cd dashboard && node --test test/units.test.mjs

# In a real browser; skipped where there is none.
test-dashboard: dashboard/node_modules/ready build-tests
	HPO=$(TARGET)/debug/hpo node --test dashboard/test/page.test.mjs

test-tools: setup
	python3 tools/test_tools.py
	python3 tools/test_docs.py

# All that a build needs, so that it begins while the rest is fetched.
libtorch:
	python3 tools/setup.py libtorch

# Always the whole workspace: part of it would have its dependencies built with other features, once more.
build-tests: libtorch
	cargo test --locked --workspace --no-run

# Many of these tests wait for a disk or a worker, so twice as many run at a time as there are cores.
TEST = RUST_TEST_THREADS=$$((2 * $$(getconf _NPROCESSORS_ONLN))) cargo test --locked --workspace
FAULTS := durability kills
# With a test of hpo among them: dependencies would have other features without, and be built once more.
TRAINER := models training worker architecture
# By the name of its file or directory.
TESTS := $(basename $(notdir $(patsubst %/main.rs,%,$(wildcard tests/*.rs tests/*/main.rs trials/*/tests/*.rs trials/*/tests/*/main.rs))))

test-search: build-tests setup
	$(TEST) --test search

test-faults: build-tests setup
	$(TEST) $(FAULTS:%=--test %)

test-trainer: build-tests setup
	cargo test --locked --workspace $(TRAINER:%=--test %)

# With the examples in the documentation it is made itself, without a warning.
test-rest: build-tests setup
	$(TEST) --lib --bins $(patsubst %,--test %,$(filter-out search $(FAULTS) $(TRAINER),$(TESTS)))
	RUSTDOC="$(CURDIR)/tools/rustdoc" $(TEST) --doc

docs-site:
	python3 tools/setup.py mdbook
	python3 tools/site.py .cache/mdbook/mdbook $(TARGET)/site

# `hpo --version` names the commit of what is installed or packed.
COMMIT = $(shell git rev-parse --short=12 HEAD 2>/dev/null)

# The Python package: `hpo` and its module, in target/wheels.
wheel:
	python3 tools/setup.py maturin
	cd python && HPO_COMMIT=$(COMMIT) ../.cache/maturin/maturin build --locked --release

install: setup
	HPO_COMMIT=$(COMMIT) cargo install --locked --path .
	cargo install --locked --path trials/embedding

# This trainer looks for libtorch beside itself; the next build links it anew to where libtorch is here.
dist: setup
	HPO_COMMIT=$(COMMIT) HPO_LIBTORCH_RPATH='$$ORIGIN/../lib/hpo' cargo build --locked --release -p hpo -p hpo-trial-embedding
	python3 tools/dist.py $(TARGET)/release $${LIBTORCH:-.cache/libtorch}/lib dist

bench: setup
	cargo build --locked --release -p hpo-trial-embedding --example throughput
	python3 benches/training.py --trainer $(TARGET)/release/examples/throughput

bench-quality:
	cargo build --locked --release -p hpo
	python3 benches/quality_surfaces.py --hpo $(TARGET)/release/hpo
	python3 benches/quality.py --hpo $(TARGET)/release/hpo

bench-validation: setup
	cargo build --locked --release -p hpo-trial-embedding --example embeddings_by_epoch
	python3 benches/validation_losses.py --trainer $(TARGET)/release/examples/embeddings_by_epoch

bench-evaluation: setup
	cargo build --locked --release -p hpo-trial-embedding
	python3 benches/evaluation.py --worker $(TARGET)/release/hpo-trial-embedding

bench-store:
	cargo build --locked --release -p hpo --bin hpo --example big_journal
	python3 benches/store.py --hpo $(TARGET)/release/hpo --generate $(TARGET)/release/examples/big_journal

# The Python packages that a check needs.
define packages
	python3 -m venv $(@D)
	$(@D)/bin/python -m pip install -q -r $<
	touch $@
endef
.cache/%/ready: tests/%/requirements.txt
	$(packages)
.cache/record/ready: tools/record-requirements.txt
	$(packages)

check-exports: .cache/export/ready
	cargo build --locked -p hpo
	.cache/export/bin/python tests/export/check.py $(TARGET)/debug/hpo optuna pandas polars tensorboard mlflow

# The same for what CI runs, where a venv may have no pip: all that it takes, by name, version and digest.
define modules
	rm -rf $(@D)
	python3 -m pip install -q --root-user-action ignore --no-deps --only-binary :all: --no-compile --target $(@D) -r $<
	touch $@
endef
SCHEMAS := .cache/kubernetes
$(SCHEMAS)/ready: tests/kubernetes/requirements.txt
	$(modules)
SCRIPTS := .cache/scripts
$(SCRIPTS)/ready: tests/examples/requirements.txt
	$(modules)

# Against the schemas of Kubernetes, with no cluster.
check-manifests: $(SCHEMAS)/ready
	PYTHONPATH=$(SCHEMAS) python3 -m kubernetes_validate --strict --quiet examples/kubernetes/*.yaml

pytorch:
	python3 tools/setup.py pytorch

# The examples that need Python alone are run by the tests.
check-examples: $(SCRIPTS)/ready pytorch build-tests
	PYTHONPATH=$(abspath $(SCRIPTS)):$(abspath .cache/pytorch) python3 tests/examples/check.py $(TARGET)/debug/hpo scikit pytorch sentence_transformers_triplets

check-wheel: pytorch $(SCRIPTS)/ready wheel
	python3 -m venv --clear .cache/wheel
	.cache/wheel/bin/python -m pip install -q --no-deps $(TARGET)/wheels/hpo-*.whl
	printf '%s\n' $(abspath $(SCRIPTS)) $(abspath .cache/pytorch) >$$(echo .cache/wheel/lib/python3*/site-packages)/packages.pth
	.cache/wheel/bin/python tools/check_wheel.py

check-ray: .cache/ray/ready
	cargo build --locked -p hpo
	.cache/ray/bin/python tests/ray/check.py $(TARGET)/debug/hpo

bench-dashboard: dashboard/node_modules/ready
	cargo build --locked --release -p hpo --bin hpo --example big_journal
	HPO=$(TARGET)/release/hpo node dashboard/test/measure.mjs

# The pictures in the documentation, of a real search.
record: build .cache/record/ready dashboard/node_modules/ready
	.cache/record/bin/python tools/record.py $(TARGET)/release/hpo .cache/model/all-MiniLM-L6-v2 .cache/data/wordnet docs/images
	HPO=$(TARGET)/release/hpo node dashboard/test/screenshot.mjs docs/images/dashboard.png

bench-script:
	cargo build --locked --release -p hpo --bin hpo
	python3 benches/script.py --hpo $(TARGET)/release/hpo

bench-messages:
	cargo build --locked --release -p hpo --bin hpo
	python3 benches/messages.py --hpo $(TARGET)/release/hpo

simulate-faults:
	HPO_STUDIES=100000 cargo test --locked --profile simulation -p hpo --test simulation -- --nocapture
