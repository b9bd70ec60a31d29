# Everything from nothing: needs python3 >= 3.11 and the package index. `make` alone lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
UP_FLAGS := $(if $(PORT),--port $(PORT)) $(if $(FEED),--feed $(FEED)) $(if $(SPEED),--speed $(SPEED))
# An environment with the tools of development holds everything that running needs.
RUN_STAMP := $(if $(wildcard $(VENV)/.dev),$(VENV)/.dev,$(VENV)/.base)
LOCK = uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup run test servers check bench faults lock python

help: ## List the targets
	@sed -nE 's/^([a-z]+):.*## (.*)$$/  make \1|\2/p' Makefile | while IFS='|' read -r name what; do \
		printf '%-14s %s\n' "$$name" "$$what"; done

setup: $(VENV)/.dev ## Build the environment in .venv
	@echo "Ready: $(VENV) holds the product and its tools."

run: $(RUN_STAMP) ## Start everything in one process (PORT=, FEED=, SPEED= to change)
	@exec $(BIN)/python manage.py up $(UP_FLAGS)

test: $(VENV)/.dev ## Run the whole suite with coverage (report in var/coverage/html)
	@$(BIN)/python -m pytest -q -n auto --dist worksteal --cov --cov-report=html

servers: $(VENV)/.dev ## Run the suite on PostgreSQL and Redis: those that answer here, else some started for it
	@$(BIN)/python -m tradingsite.tests.on_servers $(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow"

check: $(VENV)/.dev ## Lint, types, import contracts, migrations, settings
	@mkdir -p var
	@echo "Lint";             $(BIN)/ruff check --quiet --output-format concise
	@echo "Format";           $(BIN)/ruff format --check --quiet || { echo "Run .venv/bin/ruff format"; exit 1; }
	@echo "Types";            $(BIN)/mypy --no-error-summary
	@echo "Import contracts"; $(BIN)/lint-imports --no-logo > var/contracts.txt 2>&1 || { cat var/contracts.txt; exit 1; }
	@echo "Migrations";       $(TESTING) $(BIN)/python manage.py makemigrations --check --dry-run > var/migrations.txt || { cat var/migrations.txt; exit 1; }
	@echo "Settings";         $(TESTING) $(BIN)/python manage.py check --fail-level WARNING > /dev/null
	@if [ -f compose.yml ]; then echo "Compose file"; \
		$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yml; fi
check: TESTING = DJANGO_SETTINGS_MODULE=tradingsite.test_settings

bench: $(VENV)/.dev ## Measure speed and memory beside floors and peers (BENCH_FLAGS="--runs 5 --minutes 60" for more)
	@$(BIN)/python -m bench $(BENCH_FLAGS)

faults: $(VENV)/.dev ## Break the real processes on purpose and count what is lost (RUNS=20, ONLY=F1:40,F8,storm)
	@$(BIN)/python -m faults $(if $(RUNS),--runs $(RUNS)) $(if $(ONLY),--only $(ONLY)) $(FAULTS_FLAGS)

lock: ## Compile requirements/*.in after a change (needs uv)
	@$(LOCK) requirements/base.in -o requirements/base.txt
	@$(LOCK) -c requirements/base.txt requirements/dev.in -o requirements/dev.txt

# --- The environment -------------------------------------------------------------------------------------

$(VENV)/.base: requirements/base.txt
	@$(MAKE) -s python
	@$(call install,base,what the product needs)
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/base.txt
	@$(MAKE) -s python
	@$(call install,dev,the product and its tools)
	@touch $(VENV)/.base $@

# uv is quicker; where it is missing or does not reach the index, pip does the same.
define install
	echo "Installing $(2) into $(VENV) (about a minute, once)."; \
	{ [ -n "$(UV)" ] && $(UV) pip install --quiet --require-hashes --python $(BIN)/python -r requirements/$(1).txt 2>/dev/null; } || \
	{ { [ -x $(BIN)/pip ] || $(BIN)/python -m ensurepip --default-pip >/dev/null; } && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$(1).txt; } || \
	{ echo "The packages could not be installed; the lines above say why."; exit 1; }
endef

python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed, and $(PYTHON) is not installed."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -c 'import platform; print(platform.python_version())'). Try make PYTHON=python3.12."; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(if $(UV),--without-pip) $(VENV) >/dev/null 2>&1 || { \
		rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment: install its venv module (Debian: apt install python3-venv)."; exit 1; }
