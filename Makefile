# Every target does its own set-up; `make setup` leaves .venv/bin/barnabas.
PYTHON ?= python3
WORKERS ?= auto
BIN := .venv/bin
NATIVE_SOURCES := hatch_build.py tools/build_native.py $(wildcard protocol/records/*.c)
PACKAGES := barnabas broker config protocol raft storage

.PHONY: help setup run cluster check format test unit conformance conformance-table tools-table crash sim kafka-tests
.PHONY: bench docs wheel compose-test

help:
	@echo "make setup        a virtual environment in .venv with everything, barnabas among it"
	@echo "make run          a node on 127.0.0.1:9092, data in ./data"
	@echo "make cluster      three nodes that are one cluster, brokers on 127.0.0.1:9092 to 9094, data in ./data-cluster"
	@echo "make check        lint, format, types, import rules"
	@echo "make format       let the formatter rewrite what it would complain about"
	@echo "make test         all tests; those that need Java, kcat or Prometheus say so where it is missing"
	@echo "make unit         the fast tests only"
	@echo "make conformance  compare with Apache Kafka (needs Java and Maven)"
	@echo "make conformance-table   write down what is compared: docs/conformance.md (after a change of the cases)"
	@echo "make tools-table  have Kafka's own tools ask both; writes docs/tools.md (needs Java and Maven)"
	@echo "make crash        kill and break nodes under load"
	@echo "make sim          clusters in virtual time under drawn faults: a fixed set, then random seeds for SECONDS=300"
	@echo "make kafka-tests  run Apache Kafka's own tests here; writes docs/kafka-tests.md (needs Java and Maven; an hour)"
	@echo "make bench        side by side with Apache Kafka; writes bench/RESULTS.md (needs Java and Maven; 45 minutes)."
	@echo "                  BENCH='--rows lz4' for some rows, BENCH=--resume to go on with a run that was broken off"
	@echo "make docs         write what is generated: docs/*.md, config/attributes.py"
	@echo "make wheel        a wheel in dist/"
	@echo "make compose-test docker-compose.yml on a real engine, with a node killed under load (needs Docker)"

.venv/.setup: pyproject.toml $(NATIVE_SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; say which: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv 2> /dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get > /dev/null \
		&& apt-get update -qq && apt-get install -qq -y --no-install-recommends python3-venv > /dev/null \
		&& $(PYTHON) -m venv --clear .venv; } \
		|| { echo "$(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv"; exit 1; }
	@echo "installing into .venv ..."
	@$(BIN)/pip install --quiet --upgrade pip
	@$(BIN)/pip install --quiet -e '.[dev]'
	@touch $@

# Bytecode as an installed package has it: without, every start compiles all sources where Python may not keep it
# (PYTHONDONTWRITEBYTECODE, which many containers set). What is up to date is left alone.
setup: .venv/.setup
	@$(BIN)/python -m compileall -q $(PACKAGES)

run: setup
	$(BIN)/barnabas serve

cluster: setup
	$(BIN)/python -m tools.cluster

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup
	$(BIN)/pytest -n $(WORKERS)

unit: setup
	$(BIN)/pytest -n $(WORKERS) tests/unit

conformance: setup
	$(BIN)/pytest -n $(WORKERS) tests/oracle tests/conformance

# What the cases ask and Apache Kafka answers, written down anew: after a case was added or changed.
conformance-table: setup
	$(BIN)/pytest -n 0 tests/conformance --write-inventory --ignore tests/conformance/test_inventory.py
	$(BIN)/python -m tests.conformance.table

# A few of the same commands are in tests/tools.
tools-table: setup
	$(BIN)/python -m tests.tools.table

crash: setup
	$(BIN)/pytest -n $(WORKERS) tests/crash

# Whole clusters in virtual time: a fixed set, planted bugs among it, then random seeds for SECONDS.
SECONDS ?= 300
sim: setup
	$(BIN)/python -m tests.simulation --fixed --random $(SECONDS)

kafka-tests: setup
	$(BIN)/python -m tests.kafka_suite.run --write $(SUITE)

bench: setup
	$(BIN)/python -m bench.run --write $(BENCH)

docs: setup
	$(BIN)/python -m config.document
	$(BIN)/python -m broker.metrics.document
	$(BIN)/python -m tests.conformance.differences
	$(BIN)/python -m tests.kafka_suite.table
	$(BIN)/python -m tests.conformance.table

wheel: setup
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

# PYTHON_IMAGE and PROMETHEUS_IMAGE name other images, where no registry is reached.
compose-test: setup
	$(BIN)/python -m tests.compose $(COMPOSE)
