# One word per chore. Everything below works on a fresh machine with Python 3.11+, make and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

.PHONY: all setup check test demo bench soak format docs clean

all: check test

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) …"
	@$(PYTHON) -c 'import sys; sys.exit("Hearth needs Python 3.11 or newer; this is %s. Set PYTHON=python3.x" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'
	@touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

test: setup
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

demo: setup
	$(BIN)/python examples/demo.py $(if $(ONCE),--once)

bench: setup
	$(BIN)/python -m bench
	@for suite in scale packing gaps batching language openai; do echo "== $$suite"; $(BIN)/python -m bench $$suite; done
	$(BIN)/python -m bench boots

soak: setup
	$(BIN)/python -m bench soak

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
