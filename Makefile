# Two commands: `make run` and `make test`. CARGO_TARGET_DIR and npm's own settings are respected.

.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help setup setup-test assets run check test test-rust test-browser test-docs lint-infra bench

# Templates are sources of the style sheet: the classes they use are what goes into it. Folders are listed as well, so that
# a removed file counts as a change.
ASSET_SOURCES := $(shell find assets templates translations -name node_modules -prune -o -path assets -o -print 2>/dev/null)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what `make run` needs and this machine lacks
	@infra/setup.sh run

setup-test: ## Install what `make test` needs and this machine lacks
	@infra/setup.sh test
	@infra/python.sh

assets: static/manifest.json ## Build the style sheets and scripts into static/, if their sources changed

assets/node_modules/.installed: assets/package-lock.json assets/package.json | setup
	npm --prefix assets ci
	@touch $@

static/manifest.json: assets/node_modules/.installed $(ASSET_SOURCES) | setup
	npm --prefix assets run build
	@touch $@

run: setup assets ## Set up, build and start everything with a demo provider; ARGS="..." goes to `lastmile dev`
	cargo run --locked --bin lastmile -- dev $(ARGS)

check: setup assets ## The quick checks: format and lints
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

test: setup-test check test-rust test-docs lint-infra test-browser ## Set up, then every check there is
	@echo 'make test: all passed'

test-rust: setup-test assets tests/vendors/node_modules/.installed ## Unit tests and integration tests; ARGS="..." goes to cargo test
	cargo test --locked --no-fail-fast $(ARGS)

test-docs: setup assets ## The documentation of the code builds without a warning
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

lint-infra: ## Lint the scripts and deployment files with the tools that are installed
	@infra/lint.sh

tests/vendors/node_modules/.installed: tests/vendors/package-lock.json tests/vendors/package.json tests/vendors/documents.mjs | setup
	npm --prefix tests/vendors ci --ignore-scripts
	cd tests/vendors && node documents.mjs
	@touch $@

tests/browser/node_modules/.installed: tests/browser/package-lock.json tests/browser/package.json | setup
	npm --prefix tests/browser ci
	@touch $@

# The folder comes with the first page; `npm test` in it starts its own server.
ifneq ($(wildcard tests/browser/package.json),)
test-browser: setup-test assets tests/browser/node_modules/.installed ## The tests in a real browser
	cargo build --locked --bin lastmile --example fake_providers
	npm --prefix tests/browser test
else
test-browser:
endif

bench: setup assets ## Measure, and fail on a missed figure
	cargo bench --locked
