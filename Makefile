# Everything sets itself up: each target makes what it needs. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

NPM := $(shell command -v npm)
UI_READY := ui/node_modules/.ready
UI_BUILT := tetherd/web/index.html
UI_SOURCES := ui/index.html ui/package-lock.json ui/vite.config.ts ui/tsconfig.json $(shell find ui/src ui/public -type f)

.PHONY: help install start check agents test test-systemd test-agents record faults bench ui dev-ui ui-where-possible screenshots clean

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

$(UI_READY): ui/package-lock.json
	@command -v npm >/dev/null || { echo "the web app needs npm to be built; on Debian: apt install nodejs npm" >&2; exit 1; }
	cd ui && npm ci --silent
	@touch $@

$(UI_BUILT): $(UI_READY) $(UI_SOURCES)
	cd ui && npm run --silent check && npm run --silent build

ui: $(UI_BUILT) ## the web app, into tetherd/web

dev-ui: $(UI_READY) ## the web app with hot reload, for a daemon that runs: tether start --dev
	cd ui && npm run --silent dev

# Everything but the web app works without npm: / is then a plain page that says so.
ui-where-possible:
ifeq ($(NPM),)
	@echo "no npm here: the web app is not built (see make ui)" >&2
else
	@$(MAKE) --no-print-directory ui || echo "THE WEB APP COULD NOT BE BUILT; everything else goes on" >&2
endif

start: $(READY) ui-where-possible ## the daemon in the foreground, with a demo session that waits for you
	@$(BIN)/tether start --demo

check: $(READY) ui-where-possible ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

agents: $(READY) ## the real agents the tests run, by npm, at exact versions
	@$(BIN)/python -m tests.agents.programs

test: agents ui-where-possible ## all tests; what a missing agent, npm or chromium keeps from running is said
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

screenshots: $(READY) $(UI_BUILT) ## every screen of the web app, into scratch/screenshots
	$(BIN)/python -m tests.ui.screenshots scratch/screenshots

clean: ## away with the virtual environment, what was built, and caches
	rm -rf ui/node_modules tetherd/web $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
