# The few words of this project. Each installs what it needs first; nothing else has to be typed before.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KILLS ?= 1000
BROKER_KILLS ?= 100
FRAMES ?= 100000

.PHONY: setup compiled demo serve test check bench soak parts format reference clean

setup: $(VENV)/.ready-dev

# As an installed wheel is. Where Python is told to write no bytecode, each process would compile all of it anew.
compiled: $(VENV)/.ready
	@$(BIN)/python -m compileall -q src

demo: compiled
	@$(BIN)/tidemill demo

serve: compiled
	@$(BIN)/tidemill serve

# By files, those first that take longest (tests/conftest.py), one for each of two processes: with three, brokers get too
# little of two cores to keep their own time limits. What is to be alone is looked for only where it is.
test: $(VENV)/.ready-dev compiled parts
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/pytest -m alone $$(grep -rl "mark.alone" tests --include="test_*.py")

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/unit/test_tidy.py

# What Tidemill is measured beside has an environment of its own: it asks for other versions of the Kafka client.
bench: $(VENV)/.ready-dev compiled .venv-rivals/.ready parts
	$(BIN)/python -m bench

soak: $(VENV)/.ready-dev compiled parts
	TIDEMILL_KILLS=$(KILLS) $(BIN)/pytest tests/faults/test_kills.py -s
	TIDEMILL_BROKER_KILLS=$(BROKER_KILLS) $(BIN)/pytest tests/faults/test_broker_kills.py -s
	TIDEMILL_FRAMES=$(FRAMES) $(BIN)/pytest tests/faults/test_rubbish.py -s

format: $(VENV)/.ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The pages of docs/reference/tasks and docs/reference/nodes.md, from the task types and nodes themselves.
reference: $(VENV)/.ready-dev
	$(BIN)/python -m tidemill.workflows.formats.conductor.reference examples/conductor docs/reference/tasks
	$(BIN)/python -m tidemill.rules.shown.reference examples/rulego docs/reference/nodes.md

# Java, Maven, PostgreSQL, MariaDB and Mosquitto, from Debian's packages where we may install them; else the tests say what is missing.
parts:
	@sh tests/parts/install.sh

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tidemill needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { echo "No venv module: install it (Debian: apt-get install python3-venv) and try again."; exit 1; }
	@echo "Installing Tidemill into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

.venv-rivals/.ready: bench/rivals/requirements.txt
	@test -x .venv-rivals/bin/pip || $(PYTHON) -m venv .venv-rivals
	@.venv-rivals/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
