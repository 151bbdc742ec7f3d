# make run and make test work from a clean clone with Python 3.11+, make and the package registries.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help env env-dev run dev test lint lint-scripts format unit verifier chaos bench screenshots docs lock system-tools vendor-check clean

# The first Python on the path that is new enough; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STATIC := src/tallystick/web/static/vendor
VERIFIER ?= build/tallystick-verify.pyz
# One more than there are cores: a test often waits for a disk, a server or a browser.
PYTEST_WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)
ARGS ?=

# The tests start some hundred processes, which are to read the compiled modules and not to compile all of them again.
unexport PYTHONDONTWRITEBYTECODE

help:  ## list what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

env: $(VENV)/.product  ## make .venv with the product

env-dev: $(VENV)/.development  ## make .venv with the product and what tests need

run: env  ## start Tallystick with the demo organization on http://127.0.0.1:8765
	exec $(BIN)/tallystick demo $(ARGS)

dev: env-dev  ## the same, from this tree, with the log on debug
	TALLYSTICK_LOG_LEVEL=debug exec $(BIN)/tallystick demo $(ARGS)

test: env-dev system-tools vendor-check lint unit  ## run every check and every test

lint: env-dev lint-scripts  ## style, types, and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Biome has a wheel for Linux on x86_64 alone.
lint-scripts: env-dev
	@if [ -x $(BIN)/biome ]; then $(BIN)/biome ci --error-on-warnings; \
		else echo "Scripts and stylesheets are not checked: Biome has no wheel for this platform"; fi

format: env-dev  ## put every file into the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	if [ -x $(BIN)/biome ]; then $(BIN)/biome check --write; fi

unit: env-dev  ## the tests alone; ARGS chooses some
	$(BIN)/pytest -n $(PYTEST_WORKERS) --dist loadscope --max-worker-restart 0 --durations=25 $(ARGS)

verifier:  ## pack the stand-alone verifier into one file, build/tallystick-verify.pyz
	@rm -rf $(VERIFIER).parts && mkdir -p $(VERIFIER).parts/tallystick
	@cp src/tallystick/__init__.py $(VERIFIER).parts/tallystick/
	@mkdir $(VERIFIER).parts/tallystick/verify && cp src/tallystick/verify/*.py $(VERIFIER).parts/tallystick/verify/
	@$(PYTHON) -m zipapp $(VERIFIER).parts --compress --main tallystick.verify.__main__:run \
		--python "/usr/bin/env python3" --output $(VERIFIER)
	@rm -r $(VERIFIER).parts && echo "$(VERIFIER): needs Python 3.11 and cryptography"

chaos: env-dev  ## the longest tests in their full size: fifty power cuts in a heavy ingest, and more
	TALLYSTICK_TEST_SIZE=full $(BIN)/pytest --timeout 7200 -m full_size $(ARGS)

bench: env-dev  ## measure recording, finding, memory and bytes (ARGS=--large for 10 million events)
	$(BIN)/python -m benchmarks $(ARGS)

screenshots: env-dev system-tools  ## pictures of the pages, into screenshots/
	$(BIN)/python -m tests.screenshots $(ARGS)

system-tools:
	@tests/system_tools.sh

vendor-check:
	@if [ -f $(STATIC)/HASHES ]; then cd $(STATIC) && sha256sum --quiet -c HASHES && echo "vendored files: as locked"; fi

docs: env-dev  ## write the pages of docs/ that come from the code
	$(BIN)/python -m tests.house.pages

# The product is installed without what its libraries require for things it does not do: examples in Litestar's own API
# description (polyfactory, faker), data frames (pandas). tests/cli/test_lean_installation.py runs without them.
# openapi-python-client bounds typer for its own command line, which no test uses: the product's typer stays.
lock:  ## write requirements*.txt anew from pyproject.toml
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet uv
	echo typer > build/lock/overrides.txt
	printf "%s ; python_version < '3'\n" faker polyfactory pandas > build/lock/left-out.txt
	cd . && for set in "requirements.txt --extra build --override build/lock/left-out.txt" \
		"requirements-dev.txt --extra build --extra dev --constraint requirements.txt --override build/lock/overrides.txt"; do \
		env -u PIP_FIND_LINKS build/lock/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 \
			--generate-hashes --no-header --no-emit-index-url --no-emit-find-links $(ARGS) pyproject.toml --output-file $$set > /dev/null; \
	done

clean:  ## remove what was made, except data
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Tallystick needs Python 3.11 or newer; name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.product: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing the product into $(VENV) (about a minute the first time)"
	$(PIP) install --quiet --no-deps --require-hashes --requirement requirements.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.development: requirements-dev.txt $(VENV)/.product
	@echo "Installing what the tests need"
	$(PIP) install --quiet --no-deps --require-hashes --requirement requirements-dev.txt
	@touch $@
