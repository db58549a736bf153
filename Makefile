# Everything works from a bare clone: the virtual environment is made on first use.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2

.PHONY: help demo up check test test-unit chaos bench metrics schemas clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

# Installing again is quick, and needed only when the declared packages change.
.venv/run: setup.cfg constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ticketstream needs Python 3.11 or later: set PYTHON=python3.11")'
	@test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

.venv/dev: .venv/run
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[model,parquet,dev]'
	@touch $@

demo: .venv/run  ## three tenants, 60 webhooks, 56 notes, from nothing
	$(BIN)/ticketstream demo $(DEMO)

up: .venv/run    ## the local stack, until Ctrl-C
	$(BIN)/ticketstream up

check: .venv/dev ## format, lint, types, import contracts, secrets in the tree and its history
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	.ci/secrets $(BIN)/kingfisher

test: .venv/dev  ## all tests, on a real Kafka and a real PostgreSQL for each of two workers; TESTS=path WORKERS=0 for one
	$(BIN)/pytest --numprocesses $(WORKERS) $(TESTS)

test-unit: .venv/dev ## only what needs neither Kafka nor PostgreSQL
	$(BIN)/pytest tests/unit

chaos: .venv/dev ## 3,000 tickets of 20 tenants under every fault there is; SEED=n as in an earlier run, SHORT=1 in two minutes
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(SHORT),--short) $(CHAOS)

bench: .venv/dev ## the figures that README and handbook name, measured here; more than an hour
	@set -e; for name in ingest chain throughput burst fairness memory search rotation lag scrape telemetry scaling investigate console; do \
		echo "ticketstream bench $$name"; $(BIN)/ticketstream bench $$name; done

metrics: .venv/run ## infra/handbook/metrics.md, from what the processes declare
	$(BIN)/python -m infra.ops.metrics.catalogue

schemas: .venv/run ## infra/handbook/schemas.md, from the Avro files
	$(BIN)/python -m infra.ops.analysts.schema_page

clean:           ## forget the local stack's data
	rm -rf .state build *.egg-info
