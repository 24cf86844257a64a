# RED Align: `make` lists what there is.
PYTHON ?= python3
VENV := .venv
DEV := .venv-dev
DATA ?= data
RUN ?= runs/edge
PIP := -m pip install --quiet --disable-pip-version-check
export RED_HTTP_PORT ?= 8080
export RED_GRPC_PORT ?= 8081

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint train eval export bench proto clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.done ## serve, send a real clip to POST /align, write out/demo.json and out/demo.mp4
	$(VENV)/bin/python examples/demo.py

serve: $(VENV)/.done ## serve REST and gRPC on 127.0.0.1 (RED_HTTP_PORT, RED_GRPC_PORT)
	$(VENV)/bin/red-align serve

test: $(DEV)/.done ## all tests: unit, integration, end to end
	$(DEV)/bin/python -m pytest

lint: $(DEV)/.done ## style, types, and which room may import which
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports

train: $(DEV)/.done ## train on DATA (300w/{train,val}, ytf/{train,val}) into RUN; resumes
	$(DEV)/bin/python -m red.train --data $(DATA) --out $(RUN)

eval: $(DEV)/.done ## judge MODEL (a red.onnx) on DATA: pictures with .pts, 300-VW folders, clips
	$(DEV)/bin/python -m evaluation $(DATA) $(if $(MODEL),--model $(MODEL))

export: $(DEV)/.done ## export RUN's checkpoint to service/models/edge, with a parity check
	$(DEV)/bin/red-export $(RUN)/checkpoint.pt service/models/edge

bench: $(DEV)/.done ## speed of step, session and service on this machine
	$(DEV)/bin/python benchmarks/speed.py

proto: $(DEV)/.done ## regenerate the stubs in landmarks/v1
	PATH="$(CURDIR)/$(DEV)/bin:$$PATH" proto/generate.sh .

clean: ## remove the environments and what the demo wrote
	rm -rf $(VENV) $(DEV) out

# The environment of the service has no torch; the one of the developers has everything.
$(VENV)/.done: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python $(PIP) --editable '.[demo]'
	touch $@

# torch by its exact version first: a range would let pip choose a build for a GPU that is not here.
$(DEV)/.done: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) torch==2.13.0
	$(DEV)/bin/python $(PIP) --editable '.[test,lint]'
	touch $@
