# `make demo` restores the sample photos, `make test` runs every test; both make the environment they need.

PYTHON ?= python3
# What pip is asked for first: "torch" takes the newest release, and its CPU build where no GPU driver is found and the
# index has one; torch==2.13.0 takes a particular release.
TORCH ?= torch
# The index that torch comes from, such as https://download.pytorch.org/whl/cpu; empty: where pip looks anyhow.
TORCH_INDEX ?=
# What uv takes torch from for `make test-lowest`: cpu, cu126, …; empty: the index in use.
TORCH_BACKEND ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DOCS_VENV := .venv-docs
DOCS_READY := $(DOCS_VENV)/.ready
PIP := -m pip install --quiet --disable-pip-version-check
PYTEST := -m pytest -n 2 --dist loadfile

.PHONY: help demo test check format test-cpus test-cluster test-lowest docs docs-run lint-project bench bench-networks gpu-check gallery reference torture clean

help:
	@echo "make demo            restore the sample photos into .demo/"
	@echo "make test            lint, types and the whole test suite"
	@echo "make test-cpus       tests of engine and networks as on CPUs with less than this one has"
	@echo "make test-cluster    runs on a local Ray and a local S3, which it installs"
	@echo "make test-lowest     the whole suite with the oldest releases that pyproject.toml allows (needs uv)"
	@echo "make docs            the documents as a site, in .site/"
	@echo "make docs-run        run the examples of the manual and the notebook again"
	@echo "make lint-project    check the container file, the workflows, the issue forms and the citation"
	@echo "make bench           the tool against a plain loop over the same network, and its stages together"
	@echo "make bench-networks  speed of the five networks against their straightforward formulations"
	@echo "make gpu-check       parity, speed and memory on a CUDA GPU; the report goes to gpu-check.md"
	@echo "make gallery         draw the before/after pictures of the documentation again"
	@echo "make reference       write the pages and tables that come from the program again"
	@echo "make torture         fuzzed files, kills, full disks, signals, large photos: hours"
	@echo "make clean           remove the environments and what the commands made"

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) --upgrade pip
	torch=$$($(if $(TORCH_INDEX),echo "$(TORCH)",$(BIN)/python .ci/choose_torch.py "$(TORCH)")) && \
		$(BIN)/python $(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$torch"
	$(BIN)/python $(PIP) --editable ".[dev]"
	@touch $@

$(DOCS_READY): pyproject.toml
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python $(PIP) --upgrade pip
	$(DOCS_VENV)/bin/python $(PIP) --group docs
	@touch $@

demo: $(READY)
	@echo "+ restore upscale -x4 --model nlsn docs/samples -o .demo"
	@RESTORE_OFFLINE=1 $(BIN)/restore upscale -x4 --model nlsn docs/samples -o .demo --if-exists overwrite
	@echo "The sample photos, four times as large, are in .demo/; the originals in docs/samples/."

test: $(READY) check
	$(BIN)/python $(PYTEST)

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test-cpus: $(READY)
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(BIN)/python $(PYTEST) tests/engine tests/networks
	if grep -qs avx512_bf16 /proc/cpuinfo; then \
		ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 $(BIN)/python $(PYTEST) tests/engine tests/networks; fi

test-cluster: $(READY)
	$(BIN)/python $(PIP) --editable ".[dev,cluster,test-cluster]"
	$(BIN)/python -m pytest -m cluster tests/cluster

test-lowest:
	uv venv --quiet --clear --python $(PYTHON) .venv-lowest
	uv pip install --quiet --python .venv-lowest --resolution lowest-direct \
		$(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND)) --editable ".[dev]"
	.venv-lowest/bin/python $(PYTEST)

docs: $(DOCS_READY)
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --quiet --strict

docs-run: $(READY)
	$(BIN)/python -m benchmarks.documents.manual
	$(BIN)/python -m benchmarks.documents.notebook

lint-project: $(DOCS_READY)
	$(DOCS_VENV)/bin/hadolint Dockerfile
	$(DOCS_VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(DOCS_VENV)/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(DOCS_VENV)/bin/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(DOCS_VENV)/bin/check-jsonschema --builtin-schema vendor.github-issue-forms \
		$(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(DOCS_VENV)/bin/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

bench: $(READY)
	$(BIN)/python -m benchmarks.pipeline

bench-networks: $(READY)
	$(BIN)/python -m benchmarks.networks

# FAKE=--fake runs a little of everything on a make-believe GPU.
gpu-check: $(READY)
	$(BIN)/python -m benchmarks.gpu_check gpu-check.md $(FAKE)

gallery: $(READY)
	$(BIN)/python -m benchmarks.documents.gallery

reference: $(READY)
	$(BIN)/python -m benchmarks.documents.cli_reference
	$(BIN)/python -m benchmarks.costs
	$(BIN)/python -m benchmarks.documents.model_cards

torture: $(READY)
	$(BIN)/python -m benchmarks.torture

clean:
	rm -rf $(VENV) $(DOCS_VENV) .venv-lowest .demo .site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
