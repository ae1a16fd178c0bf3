# The toolbox. Needs make and a Python from 3.11 to 3.13; everything else is installed into .venv on first use.
# Variables: PYTHON=/path/to/python3 (which Python makes the environment), ONCE=1 (the demo stops after the
# check), TORCH=... (the torch that tests install), ARGS=... (passed on to pytest and the benchmark).

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?=
ONCE ?=
ARGS ?=
# Pinned, because an unpinned torch moves the exporter that the torch way of the Keras ladder stands on.
TORCH ?= torch==2.13.0

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: help demo test lint format formats example-guide-cnn benchmark benchmark-metrics benchmark-codecs test-heavy clean

help: ## show this list
	@echo "make TARGET; the first use of a target installs what it needs into $(VENV)"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed-demo ## train a small CNN, deploy it, ask it one digit; ONCE=1 stops after the check
	@$(BIN)/python examples/digits/demo.py $(if $(filter-out 0 no false,$(ONCE)),--once)

test: lint ## ruff, mypy --strict, pytest (all but the heavy tests), two at a time
	$(BIN)/python -m pytest -m "not heavy" -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.installed-test ## ruff check, ruff format --check, mypy --strict
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: $(VENV)/.installed-test ## let ruff rewrite what it can
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

formats: $(VENV)/.installed-test ## make the tables of docs/reference/formats.md anew
	@$(BIN)/python scripts/write_formats.py

example-guide-cnn: $(VENV)/.installed-test ## train the 191-million-parameter guide CNN and deploy it (8 GB of memory)
	@$(BIN)/python examples/guide_cnn/run.py $(ARGS)

benchmark: $(VENV)/.installed-test ## CPU per request of serving, beside FastAPI and a raw loop; ARGS=--quick, --check
	@sh scripts/install_wrk.sh >/dev/null || true # else it makes its load in Python, and says so
	$(BIN)/python benchmarks/serving $(ARGS)

benchmark-metrics: $(VENV)/.installed-test ## seconds and memory of all metrics with intervals, a million rows by ten classes
	$(BIN)/python benchmarks/metrics.py $(ARGS)

benchmark-codecs: $(VENV)/.installed-test ## CPU per body of reading numbers from JSON, by lists and by buffers; ARGS=--quick
	$(BIN)/python benchmarks/codecs.py $(ARGS)

test-heavy: $(VENV)/.installed-test ## the tests that take minutes each
	$(BIN)/python -m pytest -m heavy $(ARGS)

clean: ## remove the environment, caches and everything that was built
	rm -rf $(VENV) build dist .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests examples benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +

# --group needs pip 25.1; a new environment has the older pip that came with Python.
$(VENV)/.ready:
	@python=$$(sh scripts/find_python.sh "$(PYTHON)") && \
	    echo "Making $(VENV) with $$python" && "$$python" -m venv $(VENV)
	@$(PIP) install --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.installed-demo: pyproject.toml | $(VENV)/.ready
	@echo "Installing Shipway, Keras and TensorFlow into $(VENV), once (2 GB on disk) ..."
	@$(PIP) install --editable ".[keras]"
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/.ready
	@echo "Installing Shipway, all frameworks and targets and the test tools into $(VENV), once (4 GB on disk) ..."
	@$(PIP) install --editable ".[all]" --group test --group benchmark "$(TORCH)"
	@sh scripts/install_chromium.sh >/dev/null || [ -z "$(CI)" ] # else the tests of pages skip, and say so
	@sh scripts/install_wrk.sh >/dev/null || [ -z "$(CI)" ] # else the benchmark makes its load in Python
	@touch $@ $(VENV)/.installed-demo
