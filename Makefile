# Needs make and Python 3.11 to 3.14, nothing else. `make` says what there is.

# The first of these that runs, is of a version that the lock knows, and can make a virtual environment; a shim may
# exist and still fail.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
UV ?= uv
BIN := .venv/bin
LOCK := requirements/dev.txt

# What `make test` runs, with how many processes, and with which further options for pytest.
TESTS ?= tests
WORKERS ?= 3
PYTEST_ARGS ?=

# Wherever CI=true, a test that was skipped is a failure.
SEEDBED_FAIL_ON_SKIP ?= $(if $(filter true,$(CI)),1,0)
export SEEDBED_FAIL_ON_SKIP

# No test and no demo asks the instance metadata service who it is.
export AWS_EC2_METADATA_DISABLED = true

SOAK_RACES ?= 100
SOAK_KILLS ?= 100
SOAK_VERIFY_KILLS ?= 30
SOAK_BACKFILL_ROWS ?= 1000000
SOAK_BACKFILL_KILLS ?= 20
SOAK_DYNAMODB_ITEMS ?= 50000
SOAK_DYNAMODB_KILLS ?= 30
SOAK_NEO4J_RELATIONSHIPS ?= 200000
SOAK_NEO4J_KILLS ?= 20
SOAK_OPENSEARCH_DOCUMENTS ?= 20000
SOAK_EXAMPLES ?= 2000
export SOAK_RACES SOAK_KILLS SOAK_VERIFY_KILLS SOAK_BACKFILL_ROWS SOAK_BACKFILL_KILLS SOAK_DYNAMODB_ITEMS SOAK_DYNAMODB_KILLS
export SOAK_NEO4J_RELATIONSHIPS SOAK_NEO4J_KILLS SOAK_OPENSEARCH_DOCUMENTS

.DEFAULT_GOAL := help
.PHONY: help install demo test lint lint-ruff lint-format lint-types lint-imports format bench planted coverage aws-day soak soak-race soak-kill soak-verify_kill soak-backfill soak-dynamodb_kill soak-dynamodb_rate soak-neo4j_kill soak-opensearch_reindex soak-opensearch_shared soak-deploy soak-release soak-bypass soak-contract soak-property docs lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

install: .venv/.installed ## .venv with everything that is locked, and seedbed itself, editable

.venv/.installed: $(LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 to 3.14 that can make a virtual environment was found." >&2; \
		echo "  try:     install one (on Debian: apt-get install python3-venv), or make PYTHON=/path/to/python3" >&2; exit 2; }
	@$(BIN)/python -c 'import pip' >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "installing $$(grep -c == $(LOCK)) packages into .venv: 1 GB, most of it the CDK's; pip says how far it is"
	@# --no-compile: half a minute for the CDK's modules alone, of which most are never imported.
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile --only-binary :all: --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## the whole platform on embedded engines: planned, migrated, seeded, verified
	$(BIN)/seedbed -C edtech demo

# What is compiled stays, whatever the environment says, and not beside the sources: to compile the tests anew takes
# each worker half of what it takes to collect them.
test: export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.venv/pycache
test: install ## every test (TESTS=tests/unit WORKERS=2 PYTEST_ARGS=...); with CI=true a skip is a failure
	@code=0; \
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(if $(filter true,$(CI)),--durations=40) $(PYTEST_ARGS) $(TESTS) || code=$$?; \
	echo "make test leaves to make soak: $(SOAK_RACES) races, $(SOAK_KILLS) kills, verify ended $(SOAK_VERIFY_KILLS) times, a backfill of $(SOAK_BACKFILL_ROWS) rows killed $(SOAK_BACKFILL_KILLS) times, a transformation of $(SOAK_DYNAMODB_ITEMS) items killed $(SOAK_DYNAMODB_KILLS) times, a refactoring of $(SOAK_NEO4J_RELATIONSHIPS) relationships killed $(SOAK_NEO4J_KILLS) times, an index of $(SOAK_OPENSEARCH_DOCUMENTS) documents reindexed under writes and killed in every state, deployments killed before and between updates and while an index is built, two deployments at once of several updates, environments killed at each change that they ask AWS for, as they come up, as they go and as they are collected, a base and its environments one command at a time, all of edtech used through a task, releases killed after each change of their records, edtech released through staging and production and killed at each kind of change between two writes of its record, snapshots taken, restored and dropped by processes killed at each request, an attribute, a label and an index brought back after a release, and deleted while they come up, two whole ones in one base at once, Neo4j's schema changed in every way of the contract, edtech's volume in OpenSearch, $(SOAK_EXAMPLES) examples of each property"; \
	exit $$code

lint: lint-ruff lint-format lint-types lint-imports ## ruff, mypy, import-linter (make -k lint: all of them, whatever fails)

lint-ruff: install
	$(BIN)/ruff check

lint-format: install
	$(BIN)/ruff format --check

lint-types: install
	$(BIN)/mypy

lint-imports: install
	$(BIN)/lint-imports

format: install ## what ruff can mend by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: install ## the benchmarks
	$(BIN)/python -m benchmarks.apply
	$(BIN)/python -m benchmarks.backfill
	$(BIN)/python -m benchmarks.dynamodb
	$(BIN)/python -m benchmarks.neo4j
	$(BIN)/python -m benchmarks.opensearch
	$(BIN)/python -m benchmarks.release
	$(BIN)/python -m benchmarks.runs
	$(BIN)/python -m benchmarks.shared
	$(BIN)/python -m benchmarks.verify

soak: soak-race soak-kill soak-verify_kill soak-backfill soak-dynamodb_kill soak-dynamodb_rate soak-neo4j_kill soak-opensearch_reindex soak-deploy soak-release soak-bypass soak-contract soak-property ## what takes long (SOAK_RACES, SOAK_KILLS, SOAK_BACKFILL_ROWS, SOAK_NEO4J_KILLS, SOAK_OPENSEARCH_DOCUMENTS, SOAK_EXAMPLES, …)

soak-race soak-kill soak-verify_kill soak-backfill soak-dynamodb_kill soak-dynamodb_rate soak-neo4j_kill soak-opensearch_reindex: soak-%: install
	$(BIN)/python -m tests.soak.$*

soak-opensearch_shared: install ## every test of OpenSearch below a prefix, on a domain that another environment shares; but those that share one themselves
	SEEDBED_TESTS_PREFIX=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests/integration/opensearch --ignore tests/integration/opensearch/test_sharing.py

soak-deploy: install ## deployments killed before and during an update, while an index is built, and between two; two at once; an environment killed at each step of coming up and going; one that comes up while it is deleted; ten databases each in two at once; a whole graph, down and up again; databases on a shared server, killed at each message
	$(BIN)/python -m pytest -m soak -n 2 --dist worksteal -o faulthandler_timeout=0 tests/integration --ignore tests/integration/releases --ignore tests/integration/bypass

soak-release: install ## a release whose operator is killed after each change of its record, and in the midst of each command; one of edtech, in staging and production, killed at each kind of change between two writes of its record, refused where it has to be, and taken back
	$(BIN)/python -m pytest -m soak -n 2 --dist worksteal -o faulthandler_timeout=0 tests/integration/releases

soak-bypass: install ## every command against every way round a protected environment; UPDATE_GOLDEN=1 writes docs/reference/what-is-refused.md
	$(BIN)/python -m pytest -m soak -s -o faulthandler_timeout=0 tests/integration/bypass

soak-contract: install ## the parts of the contract that make test keeps on one DynamoDB server, on the other one; that of OpenSearch below a prefix; Neo4j's schema in every way
	$(BIN)/python -m pytest -m soak -n 2 --dist worksteal tests/contract

soak-property: install ## every property, on SOAK_EXAMPLES examples
	SEEDBED_EXAMPLES=$(SOAK_EXAMPLES) $(BIN)/python -m pytest -n 2 --dist worksteal tests/property

planted: install ## planted faults: each of them has to be caught by the tests that it names (PLANTED="--only dynamodb")
	$(BIN)/python -m tools.planted_faults --jobs $(WORKERS) $(PLANTED)

coverage: install ## what the tests cover of each room, beside the baseline (COVERAGE=--check)
	$(BIN)/python -m tools.coverage_by_room --processes $(WORKERS) $(COVERAGE)

aws-day: install ## a day on a real account: prints what it would do and cost (AWS_DAY="--really --account …")
	$(BIN)/python -m tools.aws_day $(AWS_DAY)

docs: install ## the documentation, as a site
	$(BIN)/zensical build --clean

lock: ## lock the newest versions again, with their hashes; needs uv
	$(UV) pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --upgrade \
		--generate-hashes --only-binary :all: --no-annotate --custom-compile-command "make lock" --quiet -o $(LOCK)
	@# What a published wheel is built with, and what its image has: of the same versions.
	echo hatchling | $(UV) pip compile - --constraint $(LOCK) --universal --python-version 3.11 \
		--generate-hashes --only-binary :all: --no-annotate --custom-compile-command "make lock" --quiet -o requirements/build.txt
	$(UV) pip compile pyproject.toml --extra all --constraint $(LOCK) --python-version 3.13 --python-platform x86_64-unknown-linux-gnu \
		--generate-hashes --only-binary :all: --no-annotate --custom-compile-command "make lock" --quiet -o requirements/image.txt

clean: ## remove what can be made again; .seedbed, which holds the sandbox's data, stays
	rm -rf .venv dist site .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests benchmarks tools edtech -name __pycache__ -type d -prune -exec rm -rf {} +
