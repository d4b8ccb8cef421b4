# Everything sets itself up: each target makes what it needs. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help install start check agents test test-systemd test-agents record faults bench clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tetherd needs Python 3.11 or newer: make PYTHON=python3.12 install" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	@echo "installing what is needed into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $@

install: $(READY) ## a virtual environment with tetherd and what its tests need

start: $(READY) ## the daemon in the foreground, with a demo session that waits for you
	@$(BIN)/tether start --demo

check: $(READY) ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

agents: $(READY) ## the real agents the tests run, by npm, at exact versions
	@$(BIN)/python -m tests.agents.programs

test: agents ## all tests; those of real agents that are not there are counted
	$(BIN)/pytest

test-agents: agents ## every real agent through every step
	$(BIN)/pytest -m agents

record: agents ## what real agents say, anew, into tests/agents/transcripts
	$(BIN)/python -m tests.agents.record

test-systemd: $(READY) ## the service and its agents below a real systemd (root)
	$(BIN)/python -m tests.systemd.boot

faults: agents ## rounds of kill -9 with real processes: 100 with the demo agent, 50 each with Claude Code and Codex, 200 in a chat
	$(BIN)/python -m tests.faults.kills
	$(BIN)/python -m tests.faults.claude_kills
	$(BIN)/python -m tests.faults.codex_kills
	$(BIN)/python -m tests.faults.chat_kills

bench: $(READY) ## speed and size, each beside its floor
	$(BIN)/python -m tests.bench

clean: ## away with the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
