# Every target does its own set-up; `make setup` leaves .venv/bin/barnabas.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup run check test

.venv/.setup: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -e '.[dev]'
	touch $@

setup: .venv/.setup

run: setup
	$(BIN)/barnabas serve

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup
	$(BIN)/pytest
