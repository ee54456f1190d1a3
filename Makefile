# `make demo` restores the sample photos, `make test` runs every test; both make the environment they need.

PYTHON ?= python3
# What pip is asked for first: a plain name takes the newest build, torch==2.13.0 a particular release.
TORCH ?= torch
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test check format bench-networks gallery clean

help:
	@echo "make demo            restore the sample photos into .demo/"
	@echo "make test            lint, types and the whole test suite"
	@echo "make bench-networks  speed of the five networks against their straightforward formulations"
	@echo "make gallery         draw the before/after pictures of the documentation again"
	@echo "make clean           remove the environment and what the commands made"

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

demo: $(READY)
	@echo "+ restore upscale -x4 --model nlsn docs/samples -o .demo"
	@RESTORE_OFFLINE=1 $(BIN)/restore upscale -x4 --model nlsn docs/samples -o .demo --if-exists overwrite
	@echo "The sample photos, four times as large, are in .demo/; the originals in docs/samples/."

test: $(READY) check
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench-networks: $(READY)
	$(BIN)/python -m benchmarks.networks

gallery: $(READY)
	$(BIN)/python -m benchmarks.gallery

clean:
	rm -rf $(VENV) .demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
