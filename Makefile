# Two commands matter: `make demo` and `make test`. Each builds .venv from requirements.lock first.
# A machine needs Python 3.11-3.13, git and make; PYTHON=... names another interpreter.

PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2

.PHONY: demo test lint nightly bench lock page clean

demo: $(READY)
	$(BIN)/trialkit demo demo

test: $(READY) lint
	$(BIN)/pytest -n $(WORKERS) -m "not nightly"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Full counts of races, kills, fuzz and size; other cases every night, and the same again with TRIALKIT_SEED=...
nightly: $(READY) lint
	TRIALKIT_SEED=$${TRIALKIT_SEED:-$$(date +%Y%m%d)} $(BIN)/pytest -n $(WORKERS)

bench: $(READY)
	$(BIN)/python -m benchmarks

# The lock holds every version and hash for Python 3.11-3.13; `make lock` is for whoever changes pyproject.toml.
lock:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra drand --group dev pyproject.toml -o requirements.lock

# The checking page with drand verification, as releases ship it. Needs node; the core page needs nothing.
VERIFIER := trialkit/report/verifier
page: $(READY)
	npm ci --prefix $(VERIFIER) --ignore-scripts --no-audit --no-fund
	npm run --prefix $(VERIFIER) --silent bundle
	$(BIN)/python -m trialkit.report.verifier dist/check.html $(VERIFIER)/node_modules/.bls.bundle.js

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "trialkit needs Python 3.11, 3.12 or 3.13, and none was found. Install one, or say which: make PYTHON=/path/to/python test"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
