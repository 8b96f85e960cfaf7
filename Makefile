# make test: everything a bare machine needs, then the tests. Needs python3 (3.10 or later) with venv; no root.
PYTHON ?= python3
# The tests mostly wait for servers: four at a time suit two cores.
JOBS ?= 4
# Of the soak.
MINUTES ?= 10
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
BENCH_STAMP := $(VENV)/installed-bench
SHELL := bash
TIMED = SECONDS=0; trap 'echo "make $@: $$SECONDS s"' EXIT;

.PHONY: install test check soak demo bench clean

install: $(STAMP)

# The stamp is newer than what decides the environment's contents. A half-made environment is started anew.
$(STAMP): setup.cfg setup.py
	@$(TIMED) set -e; \
	[ -e $(STAMP) ] || $(PYTHON) -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[all]'; \
	touch $@

test: $(STAMP)
	@$(TIMED) $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(ARGS)

# Each of the three reports, whatever the others found.
check: $(STAMP)
	@$(TIMED) code=0; \
	$(BIN)/ruff check . || code=1; \
	$(BIN)/mypy || code=1; \
	$(BIN)/python -m pytest -q tests/test_layers.py || code=1; \
	exit $$code

# Random transfers with random faults and kills. SEED= names them, CASE= repeats one.
soak: $(STAMP)
	@$(TIMED) $(BIN)/python -m tests.faults.soak --minutes=$(MINUTES) $(SEED:%=--seed=%) $(CASE:%=--case=%)

demo: $(STAMP)
	@$(TIMED) $(BIN)/python tools/local_s3.py -- $(BIN)/python tools/demo.py

# This program beside its peers: a quarter of an hour on two cores. With ARGS= only what they say, and no files.
RESULTS = --reps=3 --json=benchmarks/latest.json --markdown=benchmarks/latest.md --plot=benchmarks/latest.png
bench: $(BENCH_STAMP)
	@$(TIMED) $(BIN)/python -m tools.compare $(or $(ARGS),$(RESULTS))

$(BENCH_STAMP): $(STAMP)
	@$(TIMED) set -e; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --editable '.[local,peers]'; \
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
