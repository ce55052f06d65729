.PHONY: help run build static image test check torture fuzz bench screenshots

# The target of a static binary: musl where rustup has it, which gives a smaller file; else glibc.
MUSL = $(shell uname --machine)-unknown-linux-musl
STATIC = $(if $(wildcard $(shell rustc --print target-libdir --target $(MUSL))),$(MUSL),$(MUSL:musl=gnu))

# Whatever reads a Dockerfile: docker, podman, buildah.
DOCKER ?= docker

FUZZ_SECONDS ?= 60

help: ## list what make can do
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand --tabs=16

run: ## build the release and serve; ARGS='--timeout 120' passes options
	cargo run --release -- $(ARGS)

build: ## build the release: target/release/orderpay
	cargo build --release

# At a fixed address, as Go's are: 50 kB of relocations less.
static: ## build one static binary: target/static/orderpay
	RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static' \
		cargo build --release --target $(STATIC)
	install -D target/$(STATIC)/release/orderpay target/static/orderpay

image: static ## build an image of that file alone; DOCKER=podman does it too
	$(DOCKER) build --tag orderpay --file Dockerfile target/static

test: static ## run every test
	cargo test

check: ## what CI runs: format, lints and docs without a warning, every test
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --features httparse -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
	$(MAKE) test
	cargo test --features httparse --lib --test differential --test hostile

torture: ## kill a server with a journal 200 times under 100,000 payments: is one lost?
	cargo test --release --test torture -- --ignored --nocapture

fuzz: ## fuzz what reads bytes, with cargo-fuzz on nightly; FUZZ_SECONDS=600 for each target
	@cargo +nightly fuzz --version || { echo 'first: cargo install cargo-fuzz'; exit 1; }
	cargo +nightly fuzz run --fuzz-dir tests/fuzz request -- \
		-dict=tests/fuzz/http.dict -max_len=13000 -max_total_time=$(FUZZ_SECONDS)
	cargo +nightly fuzz run --fuzz-dir tests/fuzz framing -- \
		-max_len=4096 -max_total_time=$(FUZZ_SECONDS)

bench: ## measure it, beside the least that could do it and what people use instead
	cargo bench --bench bench

screenshots: ## make pictures of the page in three engines to look at: tests/screenshots
	cargo test --test page -- --ignored --nocapture screenshots
