# Teachset's commands. They need Python >= 3.11 and make, and put all the rest into .venv.

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
RECIPE  ?= recipes/quickstart.yaml
BENCH   ?=
WORKERS ?= 3
# Thousands of tiny queries: threads would only wait for each other. The workers share the cores;
# there is one more than two of them, as some wait for a server, a timeout or a process.
ONE_CORE_EACH := TEACHSET_THREADS=1 POLARS_MAX_THREADS=1
RECENT  := import sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON  ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$name -c '$(RECENT)' >/dev/null 2>&1 && { echo $$name; break; }; done)

# Runs and tests start many short processes: compiling every module in each would double the time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-slow check bench serve install clean

help:  ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

run: $(STAMP)  ## build the recipe's training set (RECIPE=recipes/quickstart.yaml)
	@$(BIN)/teachset run $(RECIPE)

test: $(STAMP)  ## the tests, without the slow ones
	@$(ONE_CORE_EACH) $(BIN)/python -m pytest -q -m "not slow" -n $(WORKERS) --dist worksteal

test-slow: $(STAMP)  ## the slow tests: whole runs, a Prefect server, kill -9
	@$(ONE_CORE_EACH) $(BIN)/python -m pytest -q -m slow -n $(WORKERS) --dist worksteal

check: $(STAMP)  ## lint, format, types and the bundled seeds
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m seeds.check

bench: $(STAMP)  ## the benchmarks, all or one (BENCH=engine)
	@$(BIN)/python -m benchmarks $(BENCH)

serve: $(STAMP)  ## Prefect's server, UI and the schedules of prefect.yaml
	@$(BIN)/teachset serve

install: $(STAMP)  ## make .venv and install into it what requirements.txt locks

clean:  ## remove .venv and caches; projects/ with what was paid for stays
	rm -rf $(VENV) .venv-trainers .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.txt pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "teachset needs Python 3.11 or newer; found: $$(python3 --version 2>&1)." >&2; \
		echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi
	@$(PYTHON) -c '$(RECENT)' || { \
		echo "$(PYTHON) is older than Python 3.11 or lacks the venv module." >&2; exit 1; }
	@[ -x $(BIN)/python ] && $(BIN)/python -m pip --version >/dev/null 2>&1 \
		|| { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); } || { rm -rf $(VENV); \
		echo "Python's venv module cannot make .venv." >&2; \
		echo "On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing Teachset into $(VENV) (once; a few minutes) …"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --editable .
	@touch $@
