# Everything a contributor runs. A bare `make` lists the targets.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --root-user-action=ignore

# What the program needs, and what its tests and checks need as well: one environment, the second installed over the first.
PROGRAM_LOCKS := requirements/train.txt requirements/build.txt
ALL_LOCKS := requirements/dev.txt

# A stamp names what is installed and where: another lock, another pyproject.toml or another folder installs anew.
stamp = $(VENV)/.installed-$(1)-$(shell { echo '$(CURDIR)'; cat $(2) pyproject.toml; } | cksum | tr ' ' '-')
PROGRAM := $(call stamp,program,$(PROGRAM_LOCKS))
ALL := $(call stamp,all,$(ALL_LOCKS))

# Prints the first interpreter that is new enough and can make environments; explains itself when there is none.
define FIND_PYTHON
incomplete=; \
for candidate in $${PYTHON:-python3 python3.13 python3.12 python3.11}; do \
  "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
  "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1 || { incomplete="$$incomplete $$candidate"; continue; }; \
  echo "$$candidate"; exit 0; \
done; \
if [ -n "$$incomplete" ]; then \
  echo "make: found$$incomplete, but without ensurepip it cannot make an environment." >&2; \
  echo "make: on Debian or Ubuntu: apt-get install python3-venv" >&2; \
else \
  echo "make: no Python 3.11 or newer among $${PYTHON:-python3, python3.13, python3.12, python3.11}." >&2; \
  echo "make: install one, or name it: make setup PYTHON=/path/to/python3" >&2; \
fi; \
exit 1
endef

.PHONY: help
help: ## list the targets
	@echo 'usage: make TARGET'; echo
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# Installs the packages of the given lock files, and the project itself.
define INSTALL
@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
  python=$$($(FIND_PYTHON)); \
  echo "Making $(VENV) with $$("$$python" --version) ($$python)"; \
  "$$python" -m venv --clear $(VENV); \
fi
@total=$$(grep -h '^[a-zA-Z0-9]' $(1) | grep -v "== 'win32'" | cut -d= -f1 | sort -u | wc -l); \
echo "Installing the $$total pinned packages; the first time takes a few minutes"; \
$(PIP_INSTALL) --no-deps --require-hashes $(addprefix -r ,$(1)) \
  | awk '/^(Collecting|Processing) / && ++n % 25 == 0 {print "  " n " packages fetched"; fflush()} \
         /^Installing collected/ {print "  unpacking " n " packages"; fflush()}'
@$(PIP_INSTALL) --quiet --no-deps --no-build-isolation --editable .
@rm -f $(VENV)/.installed-*
endef

.PHONY: setup
setup: $(ALL) ## make .venv with all pinned requirements (the first time takes minutes)

$(PROGRAM) $(ALL): export PYTHON := $(PYTHON)

$(ALL):
	$(call INSTALL,$(ALL_LOCKS))
	@touch $(PROGRAM) $(ALL)
	@echo "Ready: $(BIN)/modelport"

$(PROGRAM):
	$(call INSTALL,$(PROGRAM_LOCKS))
	@touch $(PROGRAM)
	@echo "Ready: $(BIN)/modelport"

.PHONY: demo
demo: $(PROGRAM) ## train, gate, register, score a file, answer one prediction
	@$(BIN)/modelport demo $(ARGS)

.PHONY: experiments
experiments: setup ## how the model was chosen: ladder, search, ten splits, training, one page (minutes)
	@$(BIN)/modelport experiments run $(ARGS)
	@$(BIN)/modelport experiments seeds
	@$(BIN)/modelport train || test $$? -eq 3
	@$(BIN)/modelport experiments report --notebooks docs/experiments

.PHONY: test
test: setup ## all tests with coverage (JOBS=2 processes)
	@$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term $(ARGS)

.PHONY: check
check: setup ## format, lint, types, import contracts, measures of the code, docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q tests/unit/test_measures.py
	@$(BIN)/python docs/reference/generate.py --check

.PHONY: docs
docs: setup ## write the reference pages under docs/reference/ anew from the code
	@$(BIN)/python docs/reference/generate.py

.PHONY: format
format: setup ## format the code and apply the linter's safe fixes
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

.PHONY: serve
serve: $(PROGRAM) ## serve the champion on http://127.0.0.1:8000 (options: ARGS='--port 9000')
	@exec $(BIN)/modelport serve $(ARGS)

.PHONY: bench
bench: setup ## measure side by side with peers (options: ARGS='…')
	@$(BIN)/python -m tests.benchmarks $(ARGS)

# The first file holds everything; as a constraint it makes the others agree on every version.
COMPILE = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' $(LOCK_FLAGS)

.PHONY: lock
lock: setup ## pin the requirements anew (newer versions: LOCK_FLAGS=--upgrade)
	@$(COMPILE) pyproject.toml --all-extras -o requirements/dev.txt
	@$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/api.txt
	@$(COMPILE) pyproject.toml --extra train --extra mlflow --extra sql \
	  -c requirements/dev.txt -o requirements/train.txt
	@printf 'hatchling\neditables\n' | $(COMPILE) - -c requirements/dev.txt -o requirements/build.txt
	@echo dvc | $(COMPILE) - -o requirements/dvc.txt
	@echo schemathesis | $(COMPILE) - -o requirements/schemathesis.txt
	@echo openapi-python-client | $(COMPILE) - -o requirements/openapi-python-client.txt
	@echo 'tritonclient[http]' | $(COMPILE) - -o requirements/tritonclient.txt

.PHONY: clean
clean: ## remove .venv, caches and reports (artifacts/, outputs/ and data stay)
	@rm -rf $(VENV) .tools .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis \
	  .coverage .coverage.* htmlcov build dist
	@find src tests -type d -name __pycache__ -prune -exec rm -rf {} +
