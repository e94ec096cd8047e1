# The doors to this repository. Everything a target needs is set up on the way, in $(VENV), from requirements.lock.
# Written for make 3.81 and a POSIX shell, which is what macOS brings.

SHELL  := /bin/sh
VENV   ?= .venv
# The first of these that is Python 3.11 or newer; PYTHON=/path/to/python makes the choice yours.
PYTHON ?= python3 python3.13 python3.12 python3.11
# A variable of its own for each, as a flag of `drill` or pytest that is not here goes into ARGS.
RUNTIME ?= embedded
PROFILE ?= ci
ARGS   ?=

READY := $(VENV)/ready
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip --disable-pip-version-check --no-input
LOCK  := requirements.lock

.PHONY: help setup drill test gate detect bench lint lock clean
.DEFAULT_GOAL := help

help: ## this list
	@echo "make TARGET [ARGS='more arguments'] [VARIABLE=value]"
	@echo
	@sed -n 's/^\([a-z][a-z]*\):[^#]*## \(.*\)/  \1 | \2/p' $(MAKEFILE_LIST) | awk -F' [|] ' '{ printf "%-9s %s\n", $$1, $$2 }'
	@echo
	@echo "make answers every failure with 2. For the exit codes of drill, call $(BIN)/drill itself."

setup: $(READY) ## only the environment, in VENV=.venv; PYTHON= chooses the interpreter

drill: $(READY) ## hold the drills and judge them (RUNTIME=embedded, PROFILE=ci or guide, ARGS="NAME --seed N")
	$(BIN)/drill run --runtime $(RUNTIME) --profile $(PROFILE) $(ARGS)

test: $(READY) ## all tests, the fast ones first (ARGS="-m 'not stack'" leaves the servers out)
	$(BIN)/python -m pytest $(ARGS)

gate: $(READY) ## what a CI gate runs: the drills marked for it, held to drill-baseline.json; writes runs/gate.xml (JUnit) and gate.md
	@mkdir -p runs
	$(BIN)/drill gate --runtime $(RUNTIME) --profile ci --junit runs/gate.xml --markdown runs/gate.md \
		$(ARGS)

detect: $(READY) ## switch on each planted defect of the sample shop; every one must be caught; writes docs/detection.md
	$(BIN)/drill detect --matrix docs/detection.md $(ARGS)

bench: $(READY) ## measure what the README promises, and write the tables in docs/
	$(BIN)/python -m scenarios.bench $(ARGS)
	$(BIN)/python -m tests.stack.embedded.sigkill --times 20 > docs/kills.md.new
	mv docs/kills.md.new docs/kills.md

lint: $(READY) ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(READY) ## resolve the dependencies anew into requirements.lock (ARGS=--upgrade for newer ones)
	@test -x $(BIN)/uv || $(PIP) install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --group shop --group dev $(ARGS) --output-file $(LOCK) pyproject.toml

clean: ## remove what was made here: environment and caches, but never recordings
	rm -rf $(VENV) dist screenshots .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip itself comes from the lock first, by its hash: the one an older Python brings takes twice as long over the rest.
$(READY): $(LOCK) pyproject.toml
	@set -eu; chosen=; \
	for python in $(PYTHON); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then chosen=$$python; break; fi; \
	done; \
	if [ -z "$$chosen" ]; then \
		echo "wanted Python 3.11 or newer, found none among: $(PYTHON). Install one, or name it: make PYTHON=/path/to/python" >&2; exit 2; \
	fi; \
	if ! "$$chosen" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$chosen comes without venv and ensurepip, so no environment can be made with it." >&2; \
		echo "On Debian and Ubuntu: apt-get install python3-venv. Or name another: make PYTHON=/path/to/python" >&2; exit 2; \
	fi; \
	start=$$(date +%s); \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "making $(VENV) with $$("$$chosen" --version)"; "$$chosen" -m venv --clear $(VENV); \
	fi; \
	echo "installing $$(grep -c '==' $(LOCK)) packages from $(LOCK) into $(VENV) (up to half a minute the first time)"; \
	awk '/^pip==/ { on = 1 } on { print } on && !/\\$$/ { exit }' $(LOCK) > $(VENV)/pip.lock; \
	$(PIP) install --quiet --require-hashes --no-deps -r $(VENV)/pip.lock; \
	$(PIP) install --quiet --require-hashes --no-deps --no-compile -r $(LOCK); \
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .; \
	date > $@; \
	echo "ready after $$(( $$(date +%s) - start )) s"
