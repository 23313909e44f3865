# Thermogate: every command sets up what it needs, so each works alone on a fresh clone.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The build backend warns of every editable installation.
INSTALL = PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint requirements.lock

.PHONY: help venv venv-convert drill test check check-c bench eval eval-face sanitize test-bounds test-portable test-aarch64 \
	test-trixie clusters board-proof fuzz wheels predict-arm lock clean
.DEFAULT_GOAL := help

help:
	@echo "make drill        rehearse a gate lane, live, on simulated hardware"
	@echo "make test         run the tests"
	@echo "make check        lint, types, import directions, C warnings (make check-c alone)"
	@echo "make bench        the fast core beside its peers: BENCH=--quick, BENCH=--help"
	@echo "make eval         the fever screening on public data: DATA=file or folder, EVAL=--help"
	@echo "make eval-face    the recognition on pictures of people: IMAGES=folder, EVAL=--help"
	@echo "make sanitize     the kernels' tests under ASan and UBSan; also test-bounds, test-portable"
	@echo "make test-aarch64 the kernels' tests as on a Raspberry Pi 4 and 5, emulated"
	@echo "make fuzz         the kernels under a coverage-guided fuzzer, FUZZ_SECONDS=60 a harness"
	@echo "make test-trixie  the tests on Debian trixie's Python, in a root of its own (needs root and mmdebstrap)"
	@echo "make board-proof  the program on real kernels' pins and devices, its units under systemd: PROOF=--help"
	@echo "make clusters     a broker of three machines, hurt while gates send (needs root)"
	@echo "make wheels       the source distribution and the wheels for x86-64 and aarch64"
	@echo "make predict-arm  what the inner loops should cost on a Raspberry Pi, by LLVM's models"
	@echo "make lock         renew requirements.lock"

# What Python's own tools need from Debian: installed where we may, named where we may not.
$(VENV)/bin/python:
	@PYTHON=$(PYTHON) sh .ci/system-packages build
	$(PYTHON) -m venv $(VENV)

SOURCES := setup.py pyproject.toml requirements.lock $(wildcard _fastcore/*.pyx _fastcore/*.pxd _fastcore/src/*)

$(VENV)/.built: $(VENV)/bin/python $(SOURCES)
	$(INSTALL) --upgrade pip
	$(INSTALL) --editable ".[tflite,screen]"
	@touch $@

$(VENV)/.dev: $(VENV)/.built
	$(INSTALL) --editable ".[hub,lepton,tflite,test,lint]"
	@sh .ci/system-packages ldap && $(INSTALL) --editable ".[ldap]" || \
		echo "python-ldap has no wheel, and it did not compile: the tests of a directory will skip"
	@touch $@

$(VENV)/.convert: $(VENV)/.dev
	$(INSTALL) --editable ".[convert]"
	@touch $@

$(VENV)/.bench: $(VENV)/.built
	$(INSTALL) --editable ".[bench]"
	@$(INSTALL) --editable ".[bench,bench-cpp]" || echo "hnswlib has no wheel, and it did not compile: the benchmark does without"
	@touch $@

$(VENV)/.eval: $(VENV)/.built
	$(INSTALL) --editable ".[tflite,eval]"
	@touch $@

$(VENV)/.release: $(VENV)/.dev
	$(INSTALL) --editable ".[hub,lepton,tflite,test,lint,release]"
	@touch $@

$(VENV)/.fuzz: $(VENV)/.built
	$(INSTALL) --editable ".[fuzz]"
	@touch $@

venv: $(VENV)/.dev

# TensorFlow, for `thermogate models convert` and its tests.
venv-convert: $(VENV)/.convert

drill: $(VENV)/.built
	$(BIN)/thermogate drill $(DRILL)

# One worker more than there are processors, as tests wait for services and for time; a file of tests stays with one.
# WORKERS=0: all in one process, which a debugger wants.
WORKERS ?= $(shell expr $$(nproc) + 1)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

check-c: $(VENV)/.dev
	PYTHONPATH=. $(BIN)/python tests/fastcore/check_c.py

check: $(VENV)/.dev
	PYTHONPATH=. $(BIN)/python tests/fastcore/check_c.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/cython-lint _fastcore
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m controller.lane.diagram --check
	$(BIN)/python -m controller.link.contract --check

# The kernels built in other ways, each in a folder of its own.
sanitize: $(VENV)/.dev
	$(BIN)/python tests/fastcore/built.py sanitize

test-bounds: $(VENV)/.dev
	$(BIN)/python tests/fastcore/built.py bounds

test-portable: $(VENV)/.dev
	$(BIN)/python tests/fastcore/built.py portable

# Coverage-guided, under both sanitizers; FUZZ_SECONDS (60) a harness. What was found interesting is kept in build/fuzz.
fuzz: $(VENV)/.fuzz
	@sh .ci/system-packages fuzz
	$(BIN)/python tests/fastcore/built.py fuzz $(FUZZ)

# Cross-compiled, and run as on a Raspberry Pi 4 and 5 under emulation (needs mmdebstrap, no root and no binfmt).
test-aarch64: $(VENV)/.dev
	@sh .ci/system-packages aarch64
	PYTHONPATH=. $(BIN)/python tests/fastcore/check_c.py aarch64-linux-gnu-gcc
	$(BIN)/python -m image.aarch64 test

# Debian's kernels in emulated machines, and its systemd. Models of THERMOGATE_MODELS, where it is set.
board-proof: $(VENV)/.dev
	@sh .ci/system-packages build
	@sh .ci/system-packages aarch64
	@sh .ci/system-packages board
	$(BIN)/python -m image.proof $(PROOF)

# RabbitMQ on three machines, in network namespaces; a few minutes.
clusters: $(VENV)/.dev
	@sh .ci/system-packages services
	@sh .ci/system-packages clusters
	THERMOGATE_CLUSTERS=1 $(BIN)/python -m pytest tests/fleet/test_clusters.py
	$(BIN)/python -m benchmarks.hub.clusters

# The source distribution, and from it the wheels for x86-64 and aarch64, into dist.
wheels: $(VENV)/.release
	@sh .ci/system-packages aarch64
	$(BIN)/python -m image.wheels dist

# The committed tree in a bare Debian trixie root: Python 3.13, nothing but git, make and certificates installed.
test-trixie:
	sh .ci/in-debian trixie sh -c "cd /src && sh .ci/system-packages services && make test"

bench: $(VENV)/.bench
	$(BIN)/thermogate bench $(BENCH)

# The fever screening on the published data; the report and its pictures go to build/eval.
eval: $(VENV)/.eval
	$(BIN)/thermogate eval fever $(if $(DATA),--data "$(DATA)") --out build/eval $(EVAL)

# The recognition on pictures of people (NAME/NAME_0001.jpg); the report and its pictures go to build/eval-face.
eval-face: $(VENV)/.eval
	$(BIN)/thermogate eval face $(if $(IMAGES),--images "$(IMAGES)") --out build/eval-face $(EVAL)

# Cycles of the inner loops on a Raspberry Pi 4 and 5, from LLVM's models of them.
predict-arm: $(VENV)/.dev
	@sh .ci/system-packages aarch64
	@sh .ci/system-packages predict
	$(BIN)/python -m benchmarks.predict_arm

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-emit-index-url --no-header --no-annotate --upgrade pyproject.toml --output-file requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info _fastcore/*.so
