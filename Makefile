# Each target sets up what it needs. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The image, the tests and the lock files have the same; pyproject.toml refuses any other.
PYTHON_VERSION := 3.11
PYTHON ?= $(shell command -v python$(PYTHON_VERSION) || echo python3)
VENV := .venv
PY := $(VENV)/bin/python
UV := $(PY) -m uv
LOCAL := $(PY) -m serinus_local
PYTEST := $(PY) -m pytest
# What an extra asks for by itself: the image of what runs beside models holds nothing of the operator's.
EXTRA := $(PY) -c 'import sys, tomllib; extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; print(*(line for name in sys.argv[1:] for line in extras[name]), sep="\n")'
INSTALLED := $(VENV)/.installed
ARGS ?=
# Tests start hundreds of Python processes: none should compile its libraries again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help built demo up down image test check explore lint crds pictures bench bench-switch bench-fetch soak soak-traffic lock clean fmt test-quick test-api test-node test-alone test-statistics bench-statistics

help: ## Show this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{printf "  %-18s %s\n", $$1, $$2}'

$(INSTALLED): requirements/dev.txt pyproject.toml
	@echo "setup: Python packages into $(VENV)"
	@[ -x $(PY) ] || $(PYTHON) -m venv $(VENV) 2>/dev/null || bash scripts/install-venv.sh $(PYTHON) $(VENV)
	@$(PY) -m uv --version >/dev/null 2>&1 || $(PY) -m pip install --quiet --require-hashes --no-deps -r requirements/bootstrap.txt
	@$(UV) pip sync --quiet --python $(PY) --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation -e .
	@touch $@

demo: $(INSTALLED) ## Show a good version reach 100 % and bad ones be rolled back (ARGS="--json FILE", KEEP=1, CLUSTER=current)
	$(LOCAL) demo $(ARGS)

up: $(INSTALLED) ## Start a local cluster with the operator; prints the lines to paste
	$(LOCAL) up $(ARGS)

down: $(INSTALLED) ## Stop the local cluster and leave nothing behind
	$(LOCAL) down $(ARGS)

image: $(INSTALLED) ## Build an image without Docker: dist/serinus.tar, an OCI archive (needs root; ARGS=serving: what fetches models)
	$(LOCAL) image $(ARGS)

test: $(INSTALLED) ## Everything: lint, unit, scenarios, contract, cluster, end to end (ARGS go to those that need a cluster)
	@echo "tests: five parts side by side, each is printed when it is done"
	@$(MAKE) --no-print-directory -j 6 --output-sync=target lint test-quick test-api test-node test-alone

built: $(INSTALLED)
	$(LOCAL) build

# What runs on a node waits most of the time: two files at a time share one stack, what stops or changes a part of it
# has a second stack, and the rest has room beside them, as long as it gives way. Of what needs an API server each process
# has its own.
test-quick: $(INSTALLED) ## Unit tests, scenarios and statistics, at the lowest priority
	nice -n 19 $(PYTEST) -q -n 2 --dist worksteal --timeout 600 tests/unit tests/scenarios tests/statistics

test-api: built ## The adapters and the operator against a real API server, and our images
	nice -n 10 $(PYTEST) -q -m "not node" -n 2 --dist loadfile tests/contract tests/cluster $(ARGS)

test-node: built ## Triton, the local stack and what happens on it end to end
	nice -n 5 $(PYTEST) -q -m "node and not alone" -n 2 --dist loadfile tests/contract tests/e2e $(ARGS)

test-alone: built ## What stops or changes a part of the stack, on one of its own
	SERINUS_STACK=$$($(PY) -c 'from serinus_local.stack import default_state; print(default_state())')-alone \
	$(PYTEST) -q -m "node and alone" tests/contract tests/e2e $(ARGS)

check: lint ## Lint, unit tests and scenarios: about six minutes
	$(PYTEST) -q -n 2 --dist worksteal tests/unit tests/scenarios $(ARGS)

explore: $(INSTALLED) ## Tell hundreds of new random stories that must not break an invariant: about ten minutes
	THOROUGH=1 $(PYTEST) -q -n 2 tests/scenarios/test_anything.py tests/scenarios/test_groups_and_anything.py $(ARGS)

lint: $(INSTALLED) ## Format, lint, types, layers, sizes
	$(VENV)/bin/ruff format --check --quiet operator tests scripts benchmarks
	$(VENV)/bin/ruff check --quiet operator tests scripts benchmarks
	$(VENV)/bin/mypy --no-error-summary
	$(VENV)/bin/lint-imports > .lint-imports.log || { cat .lint-imports.log; exit 1; }
	$(PY) scripts/check_sizes.py operator tests scripts benchmarks

fmt: $(INSTALLED) ## Format the code
	$(VENV)/bin/ruff format --quiet operator tests scripts benchmarks
	$(VENV)/bin/ruff check --fix --quiet operator tests scripts benchmarks

crds: $(INSTALLED) ## Generate crds/, the chart's copy and docs/api-fields.md from the models
	$(PY) -m serinus.api.crds

pictures: $(INSTALLED) ## Draw the pictures of docs/strategies.md: each strategy is played on virtual time
	$(PY) -m scripts.pictures

bench: $(INSTALLED) ## Measure reverts, CPU, memory and requests against a real API server (ARGS="--full --json FILE", "--only live idle")
	$(LOCAL) build --only control-plane
	$(PY) -m benchmarks $(ARGS)

bench-switch: $(INSTALLED) ## Measure a blue-green switch and its way back on the local stack, as callers see them
	$(LOCAL) build
	$(PY) -m benchmarks.switch $(ARGS)

bench-fetch: $(INSTALLED) ## Measure serinus-fetch beside rclone and s5cmd, and a warm cache beside none (ARGS="--json FILE")
	$(PY) -m benchmarks.fetch $(ARGS)

soak: $(INSTALLED) ## See that the operator's memory stays flat while rollouts come and go: a smoke test of minutes (ARGS=--hour: the proof)
	$(LOCAL) build --only control-plane
	$(PY) -m benchmarks.memory $(ARGS)

soak-traffic: $(INSTALLED) ## Lose no request in 300 promotions, reverts, scale-downs and deleted pods on each routing API
	$(LOCAL) build
	$(PY) -m benchmarks.soak $(ARGS)

test-statistics: $(INSTALLED) ## Check the statistics against the design's numbers, in under three minutes
	$(PYTEST) tests/statistics $(ARGS)

bench-statistics: $(INSTALLED) ## Regenerate docs/statistics-results.md in full (an hour and a half on two cores; ARGS="--kept FOLDER" goes on where it was)
	$(PY) -m serinus.simulation --out docs/statistics-results.md $(ARGS)

lock: $(INSTALLED) ## Update the lock files (hashes, no addresses)
	$(UV) pip compile --quiet --upgrade --python-version $(PYTHON_VERSION) --python-platform linux --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements/runtime.txt
	$(UV) pip compile --quiet --upgrade --python-version $(PYTHON_VERSION) --python-platform linux --generate-hashes --no-emit-index-url --no-annotate --no-header --extra dev pyproject.toml -o requirements/dev.txt
	$(EXTRA) serving | $(UV) pip compile --quiet --upgrade --python-version $(PYTHON_VERSION) --python-platform linux --generate-hashes --no-emit-index-url --no-annotate --no-header - -o requirements/serving.txt
	grep -A40 '^uv==' requirements/dev.txt | awk 'NR>1 && !/^ /{exit} {print}' > requirements/bootstrap.txt

clean: ## Remove everything that the targets built here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .lint-imports.log build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
