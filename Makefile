# Every target sets up what it needs (.venv, models, samples) and is quick the second time.
#   make demo                      real media through device and cloud, on this machine
#   make demo ARGS="--camera 0"    the same with your camera
#   make test                      what CI runs (CI with EXTRAS=train: the tests of training need torch)
# PYTHON=python3.13 chooses a Python; by default the first supported one is taken.

PYTHON ?= python3
BIN := .venv/bin
comma := ,
SETUP := $(PYTHON) tools/bootstrap.py agent,cloud,models$(and $(EXTRAS),$(comma)$(EXTRAS))

.PHONY: demo test lint bench bench-cloud setup setup-dev proto clean

demo: setup
	@$(BIN)/sensorium demo $(ARGS)

test: lint
	@$(BIN)/pytest --cov=sensorium --cov-report=term-missing:skip-covered $(ARGS)

lint: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup-dev
	@for script in $(filter-out bench/cloud_load.py bench/cloud_ray.py bench/cloud_generator.py bench/cloud_clients.py bench/http2.py,$(wildcard bench/*.py)); do $(BIN)/python $$script || exit 1; done

# The service under load: pace of a core, thousands of streams, twice the load, kill -9. Some minutes, and all of the machine.
# On another Python, say one built with optimisations (PYTHON=... keeps a .venv of the same version):
#   /usr/bin/python3 -m venv ../optimised && ../optimised/bin/pip install -e '.[cloud,models]'
#   make bench-cloud BIN=../optimised/bin
bench-cloud: setup-dev
	@$(BIN)/python bench/cloud_load.py $(ARGS)
	@$(BIN)/python bench/cloud_clients.py
	@$(BIN)/python bench/cloud_ray.py

setup: python
	@$(SETUP)

setup-dev: python
	@$(SETUP),dev

# The generated code is committed; a test compares it with what this makes.
proto: setup-dev
	@$(BIN)/python -m grpc_tools.protoc -I proto --python_out=proto --pyi_out=proto --grpc_python_out=proto proto/sensorium/v1/*.proto

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python
python:
	@command -v $(PYTHON) >/dev/null || { echo "set-up: no $(PYTHON) here: sudo apt install python3 python3-venv" >&2; exit 1; }
