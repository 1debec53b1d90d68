# Each target sets up what it needs; a second run starts at once.

PYTHON ?= $(shell for v in python3.13 python3.12 python3.11 python3 python; do \
	"$$v" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo "$$v" && break; done)
UV := .venv/bin/uv
READY := .venv/.ready

.PHONY: help dev demo test cover mutants lint types docs bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml uv.lock
	@test -n "$(PYTHON)" || { echo "assay needs Python 3.11, 3.12 or 3.13; none was found"; exit 2; }
	@test -x $(UV) || { "$(PYTHON)" -m venv .venv && .venv/bin/python -m pip install --quiet uv; }
	@$(UV) sync --quiet --frozen --inexact
	@touch $(READY)

dev: $(READY)  ## set up the virtual environment with the locked dependencies

demo: $(READY)  ## run the main job on real prices and write a report
	@.venv/bin/assay demo

test: $(READY) lint types  ## pass lint, types and every test
	@.venv/bin/python -m pytest -q -m "not slow"
	@.venv/bin/python -m pytest -q -m slow

cover: $(READY)  ## line and branch coverage of the quick tests: at least 95 %, ledger/ 100 %
	@.venv/bin/python -m pytest -q -m "not slow" --cov --cov-report=term:skip-covered --cov-fail-under=95
	@.venv/bin/python -m coverage report --include='ledger/*' --skip-covered --fail-under=100

mutants: $(READY)  ## change the ledger in thousands of ways; list what no test notices (hours)
	@$(UV) sync --quiet --frozen --inexact --group mutation
	@.venv/bin/mutmut run
	@.venv/bin/mutmut results

lint: $(READY)  ## style, formatting, allowed imports
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/lint-imports --no-cache > .venv/imports.txt || { cat .venv/imports.txt; exit 1; }

types: $(READY)  ## strict types
	@.venv/bin/mypy --no-error-summary flows ledger pipeline replay warehouse tests benchmarks

docs: $(READY)  ## write the generated pages of docs/
	@.venv/bin/python -m docs.generate

bench: $(READY)  ## print the benchmark tables
	@for f in benchmarks/*.py; do .venv/bin/python -m benchmarks.$$(basename $$f .py); done

clean:  ## remove what can be made again (never a workspace)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov mutants dist
