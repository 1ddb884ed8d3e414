# `make install` sets up everything in .venv, once; the other targets call it as needed.
PYTHON ?= python3
WORKERS ?= 2
MATRIX ?= 3.10 3.11 3.12

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MATRIX_STAMPS = $(MATRIX:%=.venv-%/.installed)

# A file's tests stay in one worker, which shares their fixtures.
PARALLEL := -n $(WORKERS) --dist loadfile
FAST := -m 'not e2e and not slow' $(PARALLEL)

.PHONY: install lock matrix ship lint test-fast test test-matrix wheel xnnpack-schema clean

install: $(STAMP)

# Everything but torch is locked by version and hash, so that set-up is a download and no search for versions. torch is
# neither: which build of 2.13.0 a machine takes (CPU, CUDA with NVIDIA's packages, macOS) is for pip's own sources there
# to say, and each has other hashes. It comes after its locked dependencies, which pip then finds installed.
$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null || \
		{ echo "error: $(PYTHON) is missing or not Python 3.10, 3.11 or 3.12; name one with: make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "error: $(PYTHON) lacks its venv module; install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install torch==2.13.0
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	touch $@

# Makes requirements.lock again after a change in pyproject.toml; versions stay where they may. All of them anew:
# make lock UPGRADE=--upgrade
lock: install
	$(BIN)/python -m pip install --quiet uv==0.13.9
	$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --universal --python-version 3.10 --no-python-downloads \
		--generate-hashes --no-annotate --custom-compile-command 'make lock' \
		--no-emit-package torch $(UPGRADE) --output-file requirements.lock

# The package without converters, on one Python. pyenv's commands need to be told the version; others ignore it.
.venv-%/.installed: pyproject.toml requirements.lock
	@PYENV_VERSION=$* python$* -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "error: python$* is missing or lacks its venv module; choose others with: make MATRIX='3.11' $(MAKECMDGOALS)" >&2; exit 2; }
	test -x .venv-$*/bin/python || PYENV_VERSION=$* python$* -m venv .venv-$*
	sed -n 's/^\([a-z0-9].*\) \\$$/\1/p' requirements.lock > .venv-$*/constraints.txt
	.venv-$*/bin/python -m pip install --quiet -c .venv-$*/constraints.txt torch==2.13.0
	.venv-$*/bin/python -m pip install --quiet -c .venv-$*/constraints.txt -e '.[test]'
	touch $@

matrix: $(MATRIX_STAMPS)

ship: install
	$(BIN)/tinysam2 ship --overwrite

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-fast: install
	$(BIN)/python -m pytest $(FAST)

test: lint
	$(BIN)/python -m pytest -m 'not slow' $(PARALLEL) --cov --cov-report=
	$(BIN)/python -m tests.coverage_by_layer

test-matrix: $(MATRIX_STAMPS)
	@set -e; for version in $(MATRIX); do \
		echo "Python $$version"; .venv-$$version/bin/python -m pytest $(FAST); \
	done

wheel: install
	rm -rf build
	$(BIN)/python -m pip wheel . --no-deps --no-build-isolation --wheel-dir dist/python

# After an update of ExecuTorch: its schema of XNNPACK's graph may have changed.
xnnpack-schema: install
	$(BIN)/python -m tinysam2.validation.xnnpack.generate

clean:
	rm -rf $(VENV) $(MATRIX:%=.venv-%) build dist artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* *.egg-info
