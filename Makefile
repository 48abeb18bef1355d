# Everything a person needs here; `make` alone lists it. Needs Python 3.11 or later and make, nothing else.
# Each target makes what it stands on: .venv, from the lock files, once and again when a lock file changes.

ARGS ?=
N ?= 2000
VENV := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
PIP_INSTALL := $(PYTHON_IN_VENV) -m pip install --quiet --disable-pip-version-check
# Hashes for all, and wheels only: building from source would fetch build requirements that no lock file names.
FROM_LOCK := --require-hashes --only-binary :all:

.PHONY: help demo test test-all simulate fuzz crash replicas faults bench alerts docs lint format types build sbom audit lock clean distclean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s  %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.run-installed ## the whole service on sample events, with Kafka and ChartMogul built in; ARGS="--json"
	@$(PYTHON_IN_VENV) -m consumer demo $(ARGS)

test: $(VENV)/.dev-installed ## all tests but the slow ones; on real Kafka too where it can be had; ARGS="-k lanes"
	@$(PYTHON_IN_VENV) -m tests.kafka.discover
	@$(PYTHON_IN_VENV) -m pytest $(ARGS)

test-all: $(VENV)/.dev-installed ## every test, the slow ones included
	@$(PYTHON_IN_VENV) -m tests.kafka.discover
	@$(PYTHON_IN_VENV) -m pytest --slow $(ARGS)

simulate: $(VENV)/.dev-installed ## histories of crashes, rebalances and outages against the promise; N=2000, ARGS="--seed 7"
	@$(PYTHON_IN_VENV) -m tests.simulation.run --histories $(N) $(ARGS)

fuzz: N = 1000000
fuzz: $(VENV)/.dev-installed ## broken records through every format and envelope, a million of them; N=20000, SEED=7
	@DECODE_FUZZ_INPUTS=$(N) DECODE_FUZZ_SEED=$(or $(SEED),1) $(PYTHON_IN_VENV) -m pytest -s --timeout 0 tests/unit/kafka/test_decode_fuzz.py $(ARGS)

crash: $(VENV)/.dev-installed ## kill the service again and again on real Kafka, and account for every event; ARGS="--rounds 50"
	@$(PYTHON_IN_VENV) tests/crash/crash.py $(ARGS)

replicas: $(VENV)/.dev-installed ## three replicas join, leave and die: the sum keeps to the rate; on real Kafka
	@$(PYTHON_IN_VENV) tests/crash/replicas.py $(ARGS)

faults: $(VENV)/.dev-installed ## brokers, dead-letter topic, webhook and clock fail on real Kafka; ARGS="clock webhook-down"
	@$(PYTHON_IN_VENV) tests/crash/faults.py $(ARGS)

bench: $(VENV)/.dev-installed ## what the measured claims are measured with; alone it lists them; ARGS="pipeline --all"
	@$(PYTHON_IN_VENV) benchmarks/run.py $(ARGS)

alerts: $(VENV)/.dev-installed ## every alert and panel: the service in each state, a real Prometheus; needs Debian's prometheus
	@$(PYTHON_IN_VENV) -m pytest --slow tests/deploy_metrics $(ARGS)

docs: $(VENV)/.dev-installed ## reference pages, JSON Schemas and dashboard again, from the code
	@$(PYTHON_IN_VENV) docs/generate.py $(ARGS)
	@$(PYTHON_IN_VENV) deploy/grafana/dashboard.py $(ARGS)
	@$(PYTHON_IN_VENV) deploy/render.py $(ARGS)

lint: $(VENV)/.dev-installed ## ruff: rules and format
	@$(PYTHON_IN_VENV) -m ruff check
	@$(PYTHON_IN_VENV) -m ruff format --check

format: $(VENV)/.dev-installed ## ruff: put right what it can by itself
	@$(PYTHON_IN_VENV) -m ruff check --fix
	@$(PYTHON_IN_VENV) -m ruff format

types: $(VENV)/.dev-installed ## mypy, strict
	@$(PYTHON_IN_VENV) -m mypy

build: $(VENV)/.dev-installed ## wheel and source archive into dist/
	@rm -rf dist
	@$(PYTHON_IN_VENV) -m build --no-isolation

sbom: $(VENV)/.release-installed ## what the service is made of, from the lock file: dist/…cdx.json (CycloneDX)
	@mkdir -p dist
	@version=$$($(PYTHON_IN_VENV) -m hatchling version) && \
	sed "s/^dynamic = .*/version = \"$$version\"/" pyproject.toml > dist/pyproject.toml && \
	PYTHONWARNINGS=ignore $(VENV)/bin/cyclonedx-py requirements --pyproject dist/pyproject.toml --output-reproducible \
		--short-PURLs -o "dist/segment_chartmogul_consumer-$$version.cdx.json" requirements.lock && \
	rm dist/pyproject.toml

audit: $(VENV)/.release-installed ## known vulnerabilities of what requirements.lock names, where advisories can be asked
	@$(PYTHON_IN_VENV) deploy/audit.py $(ARGS)

LOCK := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock: $(VENV)/.uv-installed ## the lock files again after a change of pyproject.toml; ARGS="--upgrade" for newer versions
	@$(VENV)/bin/uv $(LOCK) $(ARGS) pyproject.toml -o requirements.lock
	@$(VENV)/bin/uv $(LOCK) $(ARGS) -c requirements.lock --group dev pyproject.toml -o requirements-dev.lock
	@$(VENV)/bin/uv $(LOCK) $(ARGS) -c requirements-dev.lock --group release -o requirements-release.lock

clean: ## remove what was built, measured and cached; .venv stays
	@rm -rf dist build .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find consumer tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## clean, and remove .venv
	@rm -rf $(VENV)

# The stamps carry the state: a stamp older than its lock file is made again. They stand in one row, not side by side,
# because two pips in one environment (make -j) break it. The demo needs the first two only.

# A .venv that works is taken as it is; one that does not (half made, or its Python was upgraded away) is made anew.
NEW_ENOUGH := import sys, venv; sys.exit(sys.version_info < (3, 11))
$(VENV)/.made:
	@if $(PYTHON_IN_VENV) -c '$(NEW_ENOUGH)' 2>/dev/null && $(PYTHON_IN_VENV) -m pip --version >/dev/null 2>&1; then \
		touch $@; exit 0; \
	fi; \
	for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		"$$candidate" -c '$(NEW_ENOUGH)' 2>/dev/null || continue; \
		echo "Making $(VENV) with $$("$$candidate" --version)" >&2; \
		rm -rf $(VENV); \
		"$$candidate" -m venv $(VENV) >&2 || continue; \
		touch $@; exit 0; \
	done; \
	echo "Needed: Python 3.11 or later that can make virtual environments (Debian, Ubuntu: apt install python3-venv)." >&2; \
	echo "Tried $(PYTHON) python3, python3.14 to python3.11; another is named by: make PYTHON=/path/to/python" >&2; \
	exit 1

$(VENV)/.run-installed: requirements.lock $(VENV)/.made
	@echo "Installing what the service needs" >&2
	@$(PIP_INSTALL) $(FROM_LOCK) -r requirements.lock
	@touch $@

# The project itself is not installed for the demo: that takes a build backend, and `python -m consumer` runs it as it is.
$(VENV)/.dev-installed: requirements-dev.lock pyproject.toml $(VENV)/.run-installed
	@echo "Installing what the tests need" >&2
	@$(PIP_INSTALL) $(FROM_LOCK) -r requirements-dev.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.release-installed: requirements-release.lock $(VENV)/.dev-installed
	@echo "Installing what a release is checked with" >&2
	@$(PIP_INSTALL) $(FROM_LOCK) -r requirements-release.lock
	@touch $@

$(VENV)/.uv-installed: $(VENV)/.made
	@$(PIP_INSTALL) uv
	@touch $@
