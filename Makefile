# Every target sets itself up: a fresh clone and Python 3.11+ are enough to start.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

PYTHON ?= python3
CACHE  := $(or $(SLUICE_CACHE),$(HOME)/.cache/sluice)
VENV   := .venv
BIN    := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## List the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## Create .venv from the lock file

$(VENV)/.installed: requirements.lock pyproject.toml
	@echo "==> Python environment in $(VENV) (from requirements.lock; about a minute)"
	$(PYTHON) -c 'import sys; sys.exit("Sluice needs Python 3.11 or newer; set PYTHON=" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements.lock)"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

lock: setup ## Bring the lock files up to date with pyproject.toml
	uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal \
	  --group dev pyproject.toml --output-file requirements.lock
	# The image runs the very versions that were tested.
	uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal \
	  --constraint requirements.lock pyproject.toml --output-file requirements-runtime.lock

crds: setup ## Write the CRDs and their reference from the models
	sluice crds --output-dir crds --output-dir deploy/helm/sluice/crds --docs-dir docs/reference

lint: setup ## Formatting, lint, types, import layers
	ruff format --check .
	ruff check .
	mypy
	mypy e2e
	lint-imports

format: setup ## Format and fix what can be fixed
	ruff format .
	ruff check --fix .

.PHONY: help setup lock crds lint format
