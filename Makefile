# Everything runs in .venv, made on first use; only Python 3.11+ and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Functional tests run beside each other, for they wait more than they compute; 0: alone.
AT_ONCE ?= 4

.PHONY: help demo dev start bench test check unit functional scenarios chaos format build clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(READY): setup.cfg setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which with PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(READY)  ## the whole thing once: embedded server, two workers, example orders
	$(BIN)/wfworker demo

dev: $(READY)  ## the example app with autoreload, debug logs and an embedded server
	cd examples && ../$(BIN)/wfworker dev --app orders:app

start: $(READY)  ## the service, configured by the environment and .env
	$(BIN)/wfworker start

test: check unit functional scenarios  ## what CI runs

check: $(READY)  ## format, lint, types, import layers, file sizes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_sizes.py

unit: $(READY)  ## tests without Redis and without processes
	$(BIN)/pytest tests/unit

functional: $(READY)  ## tests on real servers with real workers
	$(BIN)/pytest -n $(AT_ONCE) --dist worksteal tests/functional tests/tutorial

scenarios: $(READY)  ## kills and outages under load, then the books are checked
	$(BIN)/pytest -n 2 --dist worksteal tests/chaos

chaos: $(READY)  ## a million events and 500 faults, about 20 minutes; writes docs/chaos
	$(BIN)/python -m tests.chaos.campaign --write

bench: $(READY)  ## speed beside all peers, about 45 minutes; writes docs/bench
	$(BIN)/python scripts/bench

format: $(READY)  ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

build: $(READY)  ## wheel and source archive in dist/
	$(BIN)/python -m build

clean:  ## remove what was made here
	rm -rf $(VENV) .bench build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
