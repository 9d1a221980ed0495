# The two commands: `make drill` and `make test`. Both install what they lack, say what and why, and ask for nothing.

CARGO ?= cargo
export PATH := $(HOME)/.cargo/bin:$(PATH)

.PHONY: help drill build test check fmt clippy docs deny picture setup setup-test

help:
	@echo "make drill        build the release binary, start the sandbox, open the console with the scenario region outage"
	@echo "make test         the whole test suite"
	@echo "make check        fmt, clippy, deny (where installed), docs"
	@echo "make conformance  the same failover on real servers; see tests/conformance/README.md"
	@echo "make picture      the README's picture, made from the running program"

drill: build
	./target/release/leeward drill

build: setup
	$(CARGO) build --release --locked

test: setup-test
	$(CARGO) test --locked --lib --bins --tests

check: fmt clippy deny docs

fmt:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features -- -D warnings

deny:
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --offline check bans licenses sources; \
	else echo "cargo-deny is not installed: licences and sources are not checked (cargo install cargo-deny)"; fi

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

picture: build
	scripts/picture.sh

setup:
	@scripts/setup.sh run

setup-test:
	@scripts/setup.sh test

-include mk/*.mk
