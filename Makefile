# Everything is set up in .venv, by `make install`, once; the other targets call it as needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install ship test lint xnnpack-schema clean

install: $(STAMP)

# torch comes first and alone: the toolchains only ask for some torch, and this one is what they were checked with.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null || \
		{ echo "error: $(PYTHON) is missing or not Python 3.10, 3.11 or 3.12; name one with: make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "error: $(PYTHON) lacks its venv module; install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install torch==2.13.0
	$(BIN)/python -m pip install -e '.[dev]'
	touch $@

ship: install
	$(BIN)/tinysam2 ship

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(BIN)/python -m pytest -m 'not slow'

# After an update of ExecuTorch: its schema of XNNPACK's graph may have changed.
xnnpack-schema: install
	$(BIN)/python -m tinysam2.validation.xnnpack.generate

clean:
	rm -rf $(VENV) build dist artifacts .pytest_cache .ruff_cache .hypothesis *.egg-info
