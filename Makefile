# Liandong (联动). Needs a Rust toolchain, a C compiler and make; the tests also PostgreSQL and RabbitMQ, which
# deploy/services installs from the distribution where they are missing.
#
# ARGS hands options on:  make demo ARGS=--keep   make bench ARGS=--help

CARGO ?= cargo
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test soak bench audit protolock tools

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

demo: ## Build and run the main job: real messages from end to end, checked
	$(CARGO) build --release --locked
	$(CARGO) run --release --locked --quiet -- demo $(ARGS)

demo-production: ## The same on PostgreSQL and RabbitMQ, with two hubs and two workers as processes
	$(CARGO) build --release --locked
	deploy/services/run sh -c 'LIANDONG_POSTGRES_URL=$$LIANDONG_TEST_POSTGRES_URL \
		LIANDONG_AMQP_URL=$$LIANDONG_TEST_AMQP_URL exec "$$@"' demo \
		$(CARGO) run --release --locked --quiet -- demo --production $(ARGS)

test: tools ## Check formatting and lints, run every test
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	deploy/services/run $(CARGO) test --locked

soak: ## Kill and hang what can be, ten rounds of 20,000 messages a fault (ROUNDS, MESSAGES); adds to docs/soak
	CARGO="$(CARGO)" tests/soak

bench: ## Measure the hub against the limits of this machine
	$(CARGO) build --release --locked
	$(CARGO) run --release --locked --quiet -- bench $(ARGS)

bench-production: ## Measure the hub on PostgreSQL and RabbitMQ against the limits of this machine
	$(CARGO) build --release --locked
	deploy/services/run sh -c 'LIANDONG_POSTGRES_URL=$$LIANDONG_TEST_POSTGRES_URL \
		LIANDONG_AMQP_URL=$$LIANDONG_TEST_AMQP_URL exec "$$@"' bench \
		$(CARGO) run --release --locked --quiet -- bench --store postgres --bus amqp $(ARGS)

audit: ## Check licences, advisories and banned crates (ARGS=--offline where no network is)
	@$(CARGO) deny --version >/dev/null 2>&1 || { \
		echo "cargo-deny is not installed; install it with: cargo install --locked cargo-deny" >&2; exit 1; }
	$(CARGO) deny --locked $(ARGS) check

protolock: ## Add what is new in proto/ to the lock of numbers and names in use
	LIANDONG_PROTO_LOCK=add $(CARGO) test --locked --test it proto_lock

tools:
	@$(CARGO) fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@$(CARGO) clippy --version >/dev/null 2>&1 || rustup component add clippy
