# Every target sets itself up: a fresh clone and Python 3.11+ are enough to start.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

PYTHON ?= python3
CACHE  := $(or $(SLUICE_CACHE),$(HOME)/.cache/sluice)
WORKERS ?= auto
# Each process has a control plane of its own; the files of a folder share what is set up for it.
SIDE_BY_SIDE := -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder
VENV   := .venv
BIN    := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## List the targets
	@awk -F':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

manifests: setup ## Write what is made from the chart: manifests without Helm, golden renders, the reference of values
	UPDATE_GOLDEN=1 pytest -q tests/unit/chart -k "golden or manifests or reference"

lint: setup ## Formatting, lint, types, import layers
	ruff format --check .
	ruff check .
	mypy
	mypy e2e
	mypy benchmarks
	lint-imports
	sluice crds --check --output-dir crds --output-dir deploy/helm/sluice/crds --docs-dir docs/reference

format: setup ## Format and fix what can be fixed
	ruff format .
	ruff check --fix .

tools: setup ## Build and fetch what the tests need (cached; about twenty minutes the first time)
	@echo "==> Control plane, kubectl, Helm, Argo Rollouts, Flux, two Prometheus and PostgreSQL for the tests (cached in $(CACHE))"
	python -m e2e.harness build || echo "==> Not all of it can be had: the tests that need it say so at the end"

unit: setup ## Run the fast tests, which need nothing
	pytest $(SIDE_BY_SIDE) tests/unit

test: setup tools ## Run all tests: unit, integration, end to end
	@echo "==> All tests: unit, integration (real Prometheus and PostgreSQL), end to end (real control plane)"
	pytest $(SIDE_BY_SIDE) $(PYTEST)
	echo "TESTS PASSED"

e2e: setup tools ## Run the end-to-end tests only
	pytest $(SIDE_BY_SIDE) e2e $(PYTEST)
	echo "END-TO-END TESTS PASSED"

test-oldest: setup tools ## Run what meets the API server most on the oldest Kubernetes that is supported (builds it first)
	SLUICE_KUBERNETES=oldest pytest $(SIDE_BY_SIDE) e2e/manifests e2e/chart e2e/gate/test_verdicts.py e2e/gate/test_webhook.py \
	  e2e/story/test_story.py e2e/story/test_modes.py e2e/story/test_overrides.py e2e/story/test_workloads.py $(PYTEST)
	echo "TESTS PASSED"

demo: setup ## Tell the story on a real control plane; KEEP=1 leaves it up to play with
	@python -m e2e.harness build --cluster >/dev/null
	exec python -m e2e.demo $(if $(KEEP),--keep)

bench-accuracy: setup ## Compare measured budgets with the truth on both Prometheus (about ten minutes; builds Sloth and Pyrra once)
	exec python -m benchmarks.accuracy

bench-cost: setup ## Count the samples that Prometheus reads (about two minutes; builds Sloth and Pyrra once)
	exec python -m benchmarks.cost

bench-crowd: setup tools ## Let 1,000 budgets fall at once, and recover (about fifteen minutes)
	exec python -m benchmarks.crowd

bench-engines: setup ## Compare the budgets of both engines (about three minutes)
	exec python -m benchmarks.engines

bench-gate: setup tools ## Measure what a gate costs a deployment and how soon it freezes (needs an idle machine)
	exec python -m benchmarks.gate

bench-recorded: setup ## Count the samples that rules read, and weigh what is read back (a minute)
	exec python -m benchmarks.recorded

bench-scale: setup tools ## Measure a controller with 100 and 1,000 objectives (about twenty minutes)
	exec python -m benchmarks.scale

bench-thaw: setup tools ## Thaw 500 held Deployments in waves and at once (about ten minutes)
	exec python -m benchmarks.thaw

soak: setup tools ## Watch a controller for an hour: does anything grow?
	exec python -m benchmarks.soak

fuzz: setup ## Try 10,000 hostile manifests of each kind, answers of a Prometheus, and freezes (about twenty minutes)
	SLUICE_FUZZ=10000 exec pytest tests/unit/fuzz --timeout=0

wheel: setup ## Build the wheel into dist/
	python -m hatchling build --target wheel

clean: ## Remove what was built here (not the cache of tools)
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: help setup lock crds lint format tools unit test test-oldest e2e demo bench-accuracy bench-cost bench-crowd bench-engines bench-gate bench-recorded bench-scale bench-thaw soak fuzz wheel clean manifests
