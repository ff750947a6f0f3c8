# Every task of the project by its short name. Each target works alone in a fresh clone: what it needs is made first.
# A machine needs git, make and a Python from 3.11 on with pip; the rest comes from the package index.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BIN := .venv/bin
STAMP := .venv/.made
PYTHONS := 3.11 3.12 3.13
# How many tests run at once.
JOBS ?= 2
# How many syncs are killed, and the seed of the first; with DOCKER=1 syncs of containers, as for fault plans.
NUMBER ?= $(if $(DOCKER),100,200)
SEED ?= 1
DOCKER ?=
# How many fault plans are run, or outputs thrown at the codec.
N ?= 1000
# Further arguments for pytest: make test ARGS="-k state"
ARGS ?=
PYTEST_FLAGS := -n $(JOBS) --dist worksteal -q $(ARGS)
# Tests and connectors are many short processes: without compiled modules each one would compile them anew.
unexport PYTHONDONTWRITEBYTECODE
FAST := not real and not docker and not slow and not wide and not long

.PHONY: help setup demo check format test test-wide test-long test-fast test-pythons docker-images bench kills chaos chaos-bugs fuzz soak wheel-test docs clean

help:  ## list the targets
	@sed -nE 's/^([a-z-]+):.*  ## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

$(STAMP): pyproject.toml scripts/bootstrap $(wildcard uv.lock)
	@scripts/bootstrap .venv
	@touch $@

setup: $(STAMP)  ## make the development environment in .venv

demo: $(STAMP)  ## sync source-faker into a DuckDB file; run it twice to see it continue
	@$(BIN)/python scripts/demo.py

check: $(STAMP)  ## ruff, mypy, pyright and the import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP)  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(STAMP)  ## the suite, with connectors from PyPI; all but test-wide and test-long
	$(BIN)/pytest $(PYTEST_FLAGS) -m "not long and not wide"

test-wide: $(STAMP)  ## what the suite has one of, in all its combinations: every kill, every end of a container
	$(BIN)/pytest $(PYTEST_FLAGS) -m "wide and not long"

test-long: $(STAMP)  ## the searches that take many minutes: a kill at each step of ours, a mutant for each rule, new examples
	$(BIN)/pytest $(PYTEST_FLAGS) -m "hypothesis and not long" --hypothesis-profile searching
	$(BIN)/pytest $(PYTEST_FLAGS) -m long

test-fast: $(STAMP)  ## the tests that need no network and no patience
	$(BIN)/pytest $(PYTEST_FLAGS) -m "$(FAST)"

test-pythons: $(PYTHONS:%=.venvs/%/.made)  ## the fast tests on each supported Python; a missing one is a failure
	@for version in $(PYTHONS); do \
	    echo "== Python $$version"; \
	    .venvs/$$version/bin/python -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "'$$version'")'; \
	    .venvs/$$version/bin/pytest $(PYTEST_FLAGS) -m "$(FAST)"; \
	done

.venvs/%/.made: pyproject.toml scripts/bootstrap $(wildcard uv.lock)
	@scripts/bootstrap .venvs/$* $*
	@touch $@

docker-images:  ## build the images of tests/docker, on BASE_IMAGE where no registry can be reached
	@scripts/docker-images

bench: $(STAMP)  ## measure against the limits and against PyAirbyte: make bench CASE=straight RECORDS=500000
	@$(BIN)/python -m bench $(if $(CASE),--case $(CASE)) $(if $(RECORDS),--records $(RECORDS)) $(ARGS)

kills: $(STAMP)  ## kill parts of syncs at random moments: make kills NUMBER=200 SEED=1; containers: DOCKER=1
	@PYTHONPATH=tests:tests/crash $(BIN)/python tests/$(if $(DOCKER),docker_kills,crash/kills).py --number $(NUMBER) --seed $(SEED)

chaos: $(STAMP)  ## run fault plans and check what must hold: make chaos N=1000 SEED=1; containers: DOCKER=1
	@PYTHONPATH=tests:tests/chaos $(BIN)/python tests/chaos/chaos.py --number $(N) --seed $(SEED) $(if $(DOCKER),--docker --jobs 2) $(ARGS)

chaos-bugs: $(STAMP)  ## put bugs into a clone, one at a time, and see that the fault plans find each; containers: DOCKER=1
	@PYTHONPATH=tests:tests/chaos $(BIN)/python tests/chaos/bugs.py --number $(N) --seed $(SEED) $(if $(DOCKER),--docker --jobs 2) $(ARGS)

fuzz: $(STAMP)  ## throw mutated and heavy output at the codec and hold it against json: make fuzz N=100000 SEED=1
	@PYTHONPATH=tests $(BIN)/python tests/fuzz/fuzz.py --number $(N) --seed $(SEED) --heavy all $(ARGS)

soak: $(STAMP)  ## long and many syncs in one process: memory, descriptors, threads and files must stay as they are
	@PYTHONPATH=tests:tests/soak $(BIN)/python tests/soak/soak.py $(ARGS)

wheel-test: $(STAMP)  ## build sdist and wheel, install the wheel alone and use it from another folder
	@scripts/wheel-test

docs: $(STAMP)  ## run every example of the docs, check every link and command
	$(BIN)/pytest -q tests/test_docs.py $(ARGS)

clean:  ## remove what the targets made, the environments too
	rm -rf .venv .venvs .demo .bench dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis
