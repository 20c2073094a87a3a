# The README's two commands: make demo, make test. Both set themselves up.
#
#   PYTHON       the Python to build the environment with (3.11 or newer; found by itself)
#   VENV         where the environment stands
#   TORCH_INDEX  a package index to take PyTorch from (see CONTRIBUTING.md)
#   ARGS         handed to pytest: make test ARGS="tests/image/test_resize.py -k window"

VENV ?= .venv
ARGS ?=
export VENV PYTHON TORCH_INDEX

.PHONY: help test demo docs lint clean

help:
	@echo "make demo   upscale a bundled 16-bit stack and show it in napari (pictures in demo/)"
	@echo "make test   run the whole suite, the real viewer included"
	@echo "make docs   build the documentation site into site/, warnings as errors"
	@echo "make lint   ruff, mypy and import-linter"
	@echo "make clean  remove the environment and everything that was made"

test:
	@tools/setup.sh test
ifeq ($(ARGS),)
	tools/with-display.sh virtual $(VENV)/bin/python -m pytest -n logical --maxprocesses 4
else
	tools/with-display.sh virtual $(VENV)/bin/python -m pytest $(ARGS)
endif

demo:
	@tools/setup.sh test
	tools/with-display.sh any $(VENV)/bin/napari-srcnn demo --out demo

docs:
	@tools/setup.sh docs
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

lint:
	@tools/setup.sh dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

clean:
	rm -rf $(VENV) demo site build dist .pytest_cache .mypy_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
