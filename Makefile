.PHONY: help run build test check

help: ## list what make can do
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand --tabs=16

run: ## build the release and serve; ARGS='--timeout 120' passes options
	cargo run --release -- $(ARGS)

build: ## build the release: target/release/orderpay
	cargo build --release

test: ## run every test
	cargo test

check: ## what CI runs: format, lints and docs without a warning, every test
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --features httparse -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
	cargo test
