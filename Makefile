.PHONY: help run build static install image test check steps fresh torture fuzz bench screenshots rust

# The target of a static binary: musl where rustup has it, which gives a smaller file; else glibc.
MUSL = $(shell uname --machine)-unknown-linux-musl
STATIC = $(if $(wildcard $(shell rustc --print target-libdir --target $(MUSL))),$(MUSL),$(MUSL:musl=gnu))

# Whatever reads a Dockerfile: docker, podman, buildah.
DOCKER ?= docker

# Where tests say what they had to skip, for cargo shows nothing of a test that passes.
SKIPPED = $(CURDIR)/target/skipped

# What follows is about the same source with a crate's parser, which cargo may have to fetch.
HTTPARSE = cd tests/httparse && CARGO_TARGET_DIR=../../target/httparse

FUZZ_SECONDS ?= 60

help: ## list what make can do
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand --tabs=16

rust:
	@cargo metadata --no-deps --offline --format-version 1 >/dev/null || \
		{ echo 'This takes Rust 1.85 or later: README.md says where it comes from.'; exit 1; }

run: rust ## build the release and serve; ARGS='--timeout 120' passes options
	cargo run --release -- $(ARGS)

build: rust ## build the release: target/release/orderpay
	cargo build --release

# At a fixed address, as Go's are: 50 kB of relocations less.
static: ## build one static binary: target/static/orderpay
	RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static' \
		cargo build --release --target $(STATIC)
	install -D target/$(STATIC)/release/orderpay target/static/orderpay

# Builds only what is missing, so that `sudo make install` needs no Rust.
RELEASE ?= target/release/orderpay
PREFIX ?= /usr/local
install: ## put the program on the PATH; PREFIX=~/.local takes no root
	@[ -x $(RELEASE) ] || $(MAKE) build
	install -D $(RELEASE) $(DESTDIR)$(PREFIX)/bin/orderpay

image: static ## build an image of that file alone; DOCKER=podman does it too
	$(DOCKER) build --tag orderpay --file Dockerfile target/static

test: rust ## run every test; at the end stands what this machine lacks
	@$(MAKE) --no-print-directory static || { rm -f target/static/orderpay; echo 'so without a static binary:'; }
	@mkdir -p target && : >$(SKIPPED)
	@ORDERPAY_TEST_SKIPPED=$(SKIPPED) cargo test; status=$$?; \
	[ ! -s $(SKIPPED) ] || { echo 'Skipped, how often, why, and what would change that:'; \
		sort $(SKIPPED) | uniq -c | sort -rn; }; exit $$status

check: ## what CI runs: format, lints and docs without a warning, every test
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	$(HTTPARSE) cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
	$(MAKE) test
	$(HTTPARSE) cargo test

steps: rust ## from forty lines to this program: each question, and the test of its answer
	@sed -n 's|^//! *||; /^# From these/,/^# One payment/p' src/lib.rs | while IFS= read -r line; do \
		case $$line in \
			'`cargo '*) echo "   $$line"; \
				$$(echo "$$line" | tr -d '`') 2>&1 </dev/null | sed -n 's/^test \(.*\.\.\.\)/      \1/p' ;; \
			'# '* | '' | '`make'*) ;; \
			*) printf '%s\n' "$$line" ;; \
		esac; done

fresh: ## what this file says, on a Debian that has nothing: installs it, tests it, removes it
	tests/fresh.sh

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
