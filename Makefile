# Every target sets up what it needs itself; a second run starts at once.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-unit test-web test-e2e torture fuzz check docs bench wheel clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .make/run ## two people's windows and a video call between them (ARGS="--help" shows options)
	@$(BIN)/simplex-calls demo $(ARGS)

test: test-unit test-web test-e2e ## all tests

test-unit: .make/dev ## unit tests of the Python floors
	$(BIN)/pytest tests -n auto --maxprocesses 4 --dist worksteal $(ARGS)

test-web: .make/dev ## unit tests of the pages
	npm --prefix web test

test-e2e: .make/dev ## calls between real browsers and windows (E2E_PICTURES=1: with pictures of all views)
	$(BIN)/pytest e2e -n auto --maxprocesses 2 --dist loadfile $(ARGS)

torture: .make/dev ## clients killed at any moment, 1,000 rounds (ARGS="--rounds 100 --seed 1")
	$(BIN)/python -m tests.torture $(ARGS)

fuzz: .make/dev ## search for bytes that a decoder fails on, 30 s each (ARGS="--seconds 600")
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz $(ARGS)

check: .make/dev ## style, types and import contracts of Python and JavaScript
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	npm --prefix web run check

docs: .make/dev ## draw the state diagrams of docs/ again from their tables
	$(BIN)/python -m simplex_calls.calls.diagram > docs/call-states.md
	$(BIN)/python -m simplex_calls.agent.diagram > docs/connection-states.md
	$(BIN)/python -m simplex_calls.agent.diagram ratchet > docs/ratchet-states.md
	$(BIN)/python -m simplex_calls.agent.diagram receiving-queue > docs/receiving-queue-states.md
	$(BIN)/python -m simplex_calls.agent.diagram sending-queue > docs/sending-queue-states.md

bench: .make/dev ## measure, and write docs/benchmarks.md
	$(BIN)/python -m bench $(ARGS)

wheel: .make/dev ## build the wheel with the pages inside
	$(BIN)/pip wheel --no-deps --wheel-dir dist .

clean: ## remove what was installed or built here
	rm -rf .venv .make dist artefacts web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# What `make run` needs: Debian's libraries for the window, the package, the page's one npm package.
.make/run: .make/debian-run .make/venv .make/web
	@touch $@

# What the tests and checks need besides.
.make/dev: .make/run .make/debian-test pyproject.toml constraints.txt web/package-lock.json
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	npm --prefix web ci --no-audit --no-fund
	@touch $@

.make/debian-%: tools/debian-packages.txt tools/setup-debian.sh
	@mkdir -p .make
	tools/setup-debian.sh $*
	@touch $@

.make/venv: pyproject.toml constraints.txt | .make/debian-run
	@mkdir -p .make
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: call make with PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.make/web: web/package.json web/package-lock.json | .make/debian-run
	@mkdir -p .make
	npm --prefix web ci --omit=dev --no-audit --no-fund
	@touch $@
