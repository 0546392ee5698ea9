# Everything runs in .venv, made on first use; only Python 3.11+ and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo dev start test check unit functional chaos format build clean

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

test: check unit functional chaos  ## what CI runs

check: $(READY)  ## format, lint, types, import layers, file sizes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_sizes.py

unit: $(READY)  ## tests without Redis and without processes
	$(BIN)/pytest tests/unit

functional: $(READY)  ## tests on real servers with real workers
	$(BIN)/pytest tests/functional tests/tutorial

chaos: $(READY)  ## kills and outages under load, then the books are checked
	$(BIN)/pytest tests/chaos

format: $(READY)  ## put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

build: $(READY)  ## wheel and source archive in dist/
	$(BIN)/python -m build

clean:  ## remove what was made here
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
