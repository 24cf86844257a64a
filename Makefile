# RED Align: `make` lists what there is.
PYTHON ?= python3
VENV := .venv
DEV := .venv-dev
TRITON := .venv-triton
DOCS := .venv-docs
DATA ?= data
RUN ?= runs/edge
JOBS ?= 2
PIP := -m pip install --quiet --disable-pip-version-check
export RED_HTTP_PORT ?= 8080
export RED_GRPC_PORT ?= 8081

.DEFAULT_GOAL := help
.PHONY: help demo serve check unit test test-triton mutants lint train eval export repository bench bench-triton bench-pipeline bench-budget bench-growth bench-guard bench-streams fuzz files soak faults strangers proto reference docs compose-tool clean images images-test test-web web-pictures

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.done ## serve, send a real clip to POST /align, write out/demo.json and out/demo.mp4
	$(VENV)/bin/python examples/demo.py

serve: $(VENV)/.done ## serve REST and gRPC on 127.0.0.1 (RED_HTTP_PORT, RED_GRPC_PORT)
	$(VENV)/bin/red-align serve

check: lint unit ## what to run before a commit, in under two minutes

unit: $(DEV)/.done ## the unit tests that are quick, in JOBS processes
	$(DEV)/bin/python -m pytest tests/unit -m "not slow" -n $(JOBS) --dist worksteal

test: $(DEV)/.done $(TRITON)/.done ## all tests but the page's, in JOBS processes: unit, integration, end to end, real Triton
	$(DEV)/bin/python -m pytest -n $(JOBS) --dist worksteal --ignore tests/web

test-web: $(DEV)/.done ## the page in a real Chromium (Debian's `chromium`; skipped where there is none)
	$(DEV)/bin/python -m pytest tests/web

web-pictures: $(DEV)/.done ## pictures of the page in out/web, and the moving one of the README
	$(DEV)/bin/python -m tests.web.pictures $(FLAGS)

test-triton: $(DEV)/.done $(TRITON)/.done ## the tests against a real Triton server, on this machine's CPU
	$(DEV)/bin/python -m pytest tests/triton tests/unit/red_align/engine/test_triton_config.py

mutants: $(DEV)/.done ## plant faults in a copy, one at a time: each must make a test fail
	$(DEV)/bin/python -m tests.mutants

lint: $(DEV)/.done ## style, types, and which room may import which
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports

train: $(DEV)/.done ## train on DATA (300w/{train,val}, ytf/{train,val}) into RUN; resumes
	$(DEV)/bin/python -m red.training.train --data $(DATA) --out $(RUN)

eval: $(DEV)/.done ## evaluate MODEL (a red.onnx) on DATA: pictures with .pts, 300-VW folders, clips
	$(DEV)/bin/python -m evaluation $(DATA) $(if $(MODEL),--model $(MODEL))

export: $(DEV)/.done ## export RUN's checkpoint to OUT (red_align/weights/edge), with a parity check (FLAGS="--precision fp16 ...")
	$(DEV)/bin/red-export graphs $(RUN)/checkpoint.pt $(or $(OUT),red_align/weights/edge) $(FLAGS)

repository: $(DEV)/.done ## a Triton model repository of the shipped model in out/models, for a GPU where one is (FLAGS="--backend tensorrt", ...)
	$(DEV)/bin/red-export repository red_align/weights/edge out/models $(FLAGS)

bench: $(DEV)/.done ## what the network and a tracker's frame cost, over one face detection
	$(DEV)/bin/python -m benchmarks.speed

bench-streams: $(DEV)/.done ## 1 to 64 live streams side by side: frames a second, round trips, cost; writes out/bench/streams.json
	$(DEV)/bin/python -m benchmarks.streams

bench-triton: $(DEV)/.done $(TRITON)/.done ## steps embedded and on a Triton server, how they travel, whole gateways
	$(DEV)/bin/python -m benchmarks.engines.steps
	$(DEV)/bin/python -m benchmarks.engines.transports
	$(DEV)/bin/python -m benchmarks.engines.load

bench-pipeline: $(DEV)/.done ## a frame from file to points against MediaPipe and dlib (CLIP=FILE, FLAGS="--size 640x480 ...")
	$(DEV)/bin/python -m benchmarks.pipeline $(CLIP) $(FLAGS)

bench-budget: $(DEV)/.done ## where a frame's time goes, with a picture (CLIP=FILE, FLAGS="--size 1280x720")
	$(DEV)/bin/python -m benchmarks.budget $(CLIP) $(FLAGS)

bench-growth: $(DEV)/.done ## clips of 10 s to 30 min, 1 to 8 faces, 240p to 2160p (FLAGS="--part lengths ...")
	$(DEV)/bin/python -m benchmarks.growth $(CLIP) $(FLAGS)

bench-guard: $(DEV)/.done ## has anything become slower? ratios against benchmarks/guard.json (FLAGS=--record keeps new ones)
	$(DEV)/bin/python -m benchmarks.guard $(FLAGS)

fuzz: $(DEV)/.done ## mangled clips, our OpenAPI and all parsers fuzzed, with a table (SHORT=1: the form of CI)
	$(DEV)/bin/python -m tests.stress.fuzz

files: $(DEV)/.done ## 119 whole and 171 damaged files of many kinds against another reader, with a table (SHORT=1: the form of CI)
	$(DEV)/bin/python -m tests.stress.files

soak: $(DEV)/.done ## 64 streams for 15 minutes whose clients come, go, die and stall (SHORT=1)
	$(DEV)/bin/python -m tests.stress.soak

faults: $(DEV)/.done ## a gateway is killed in mid-stream, a tenant floods (SHORT=1)
	$(DEV)/bin/python -m tests.stress.faults

strangers: $(DEV)/.done ## attacks over the network, and what a tenant who streams meanwhile notices (SHORT=1)
	$(DEV)/bin/python -m tests.stress.strangers

proto: $(DEV)/.done ## regenerate the stubs in red_align/v1
	PATH="$(CURDIR)/$(DEV)/bin:$$PATH" proto/generate.sh .

docs: $(DOCS)/.done ## the documentation site in out/site; a broken link, anchor or menu entry fails
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --clean
	$(DOCS)/bin/python -m docgen.site_check out/site

reference: $(DEV)/.done ## write the pages of docs/reference that are made from code
	$(DEV)/bin/python -m docgen.reference
images: ## build the gateway's image without a daemon (buildah, as root; TARGETS="gateway export")
	deploy/images/build.sh $(or $(TARGETS),gateway)

images-test: $(DEV)/.done ## run the gateway's image under podman: rights, health, a clip, a stream, SIGTERM
	$(DEV)/bin/python -m tests.images

compose-tool: .compose/docker-compose ## Compose v2 without Docker, for the tests (Debian; nothing is installed)

clean: ## remove the environments and what the demo wrote
	rm -rf $(VENV) $(DEV) $(TRITON) $(DOCS) .venv-peers out

# The environment of the service has no torch; the one of the developers has everything.
$(VENV)/.done: pyproject.toml deploy/server/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python $(PIP) --editable . --editable './deploy/server[demo]'
	touch $@

# torch by its exact version first: a range would let pip choose a build for a GPU that is not here.
$(DEV)/.done: pyproject.toml deploy/server/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP) torch==2.13.0
	$(DEV)/bin/python $(PIP) --editable . --editable './deploy/server[test,lint]'
	touch $@

$(TRITON)/.done: tests/triton/requirements.txt
	$(PYTHON) -m venv $(TRITON)
	$(TRITON)/bin/python $(PIP) --requirement $<
	touch $@

$(DOCS)/.done: docs/requirements.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python $(PIP) --requirement $<
	touch $@

# Debian's Compose v2 as a program of its own, of the first release that has it.
.compose/docker-compose:
	mkdir -p .compose/sources .compose/lists/partial
	printf 'Types: deb\nURIs: http://deb.debian.org/debian\nSuites: trixie\nComponents: main\nSigned-By: %s\n' \
	  /usr/share/keyrings/debian-archive-keyring.gpg > .compose/sources/trixie.sources
	cd .compose && apt-get $(APT_HERE) update -qq && apt-get $(APT_HERE) download -qq docker-compose/trixie
	dpkg-deb --fsys-tarfile .compose/docker-compose_*.deb | tar -x -C .compose ./usr/libexec/docker/cli-plugins/docker-compose
	mv .compose/usr/libexec/docker/cli-plugins/docker-compose $@
APT_HERE = -o Dir::Etc::sourcelist=- -o Dir::Etc::sourceparts=$(CURDIR)/.compose/sources -o Dir::State::lists=$(CURDIR)/.compose/lists
