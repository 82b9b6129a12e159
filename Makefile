# Each target does its own set-up. Needs Python 3.11 or later, make and a network.
#
#   make venv    virtual environment in .venv with the locked versions
#   make demo    the whole workflow on a small phantom cohort, on CPU
#   make check   formatters, linters, types and the fast tests: before every commit
#   make test    the test suite; `make test-slow` runs what takes longest
#   make soak    the workflow while processes are killed and the disk fills, 20 rounds
#   make review  tables, figures, claims and page from a release: no GPU, torch or CT
#   make geometry  windows measured on the masks of KiTS23: MASKS=FOLDERS, once
#   make gpu     what only a GPU can show, in nine minutes (benchmarks/gpu.py)
#   make lint    formatters, linters, Snakemake's lint; `make format` formats
#   make types   mypy on src and the library of the 3D Slicer module
#   make lock    new requirements.lock from requirements.in
#
# Variables: PYTHON (interpreter to make the venv from), CORES, PIP_ARGS (for pip),
# RELEASE (name of the release that `make review` rebuilds), TESTS (what to test),
# WORKERS (processes that test), ROUNDS and SEED (of `make soak`).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

# The first interpreter on the PATH that is new enough, else python3 for the message.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
  $$python -c '$(NEW_ENOUGH)' 2> /dev/null && { command -v $$python; exit; }; done; \
  command -v python3)
CORES ?= all
PIP_ARGS ?=
STAMP := .venv/.installed
BIN := .venv/bin
DEMO_BUNDLE := results/demo/bundles/fine_stn_crop.zip
RELEASE ?= ablation
REVIEW_STAMP := .venv-review/.installed
REVIEW_BIN := .venv-review/bin
# A worker has torch in memory, up to 1 GB: more than eight hardly help.
WORKERS ?= logical --maxprocesses 8
TESTS ?=
MASKS ?= kits23/dataset
GEOMETRY := resources/released/kits23_geometry
GEOMETRY_NOTE := Counts, lengths and Dice measured on segmentations of KiTS23 (kits-challenge.org, CC BY-NC-SA 4.0); no voxel of them.
ROUNDS ?= 20
SEED ?= 0
PYTHON_CODE := src tests benchmarks docs slicer
RULES := Snakefile workflow rules
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) $(TESTS)

.PHONY: venv demo check test test-slow soak review geometry gpu format lint types lock

venv: $(STAMP)

# Each rule that makes an environment checks the interpreter first.
define CHECK_PYTHON
@test -n "$(PYTHON)" || { echo "make: no python3 found: install Python 3.11 or later, or call make PYTHON=/path/to/python" >&2; exit 1; }
@"$(PYTHON)" -c '$(NEW_ENOUGH)' || { \
	  echo "make: $(PYTHON) is $$("$(PYTHON)" --version): DeePRAC needs Python 3.11 or later. Call make PYTHON=/path/to/python3.11" >&2; exit 1; }
@"$(PYTHON)" -c 'import ensurepip, venv' || { \
	  echo "make: $(PYTHON) cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
endef

$(STAMP): envs/requirements.lock pyproject.toml
	$(CHECK_PYTHON)
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --requirement envs/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(REVIEW_STAMP): envs/review.in envs/requirements.lock
	$(CHECK_PYTHON)
	"$(PYTHON)" -m venv .venv-review
	$(REVIEW_BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) --requirement envs/review.in --constraint envs/requirements.lock
	touch $@

demo: $(STAMP)
	$(BIN)/snakemake all $(DEMO_BUNDLE) --configfile config/demo.yaml --cores $(CORES)
	@$(BIN)/deeprac tables --config results/demo/config.json --show
	@echo
	@echo "Tables:  $$PWD/results/demo/tables/"
	@echo "Figures: $$PWD/results/demo/figures/"
	@echo "Page:    $$PWD/results/demo/report.html"
	@echo "Bundle:  $$PWD/$(DEMO_BUNDLE) (phantom, not for patients)"

review: $(REVIEW_STAMP)
	time $(REVIEW_BIN)/snakemake tables figures claims report --cores 2 --config metrics=released "release=$(RELEASE)"
	time PYTHONPATH=src $(REVIEW_BIN)/python -m deeprac verify "resources/released/$(RELEASE)"
	@echo
	@echo "Page:    $$PWD/results/released/$(RELEASE)/report.html"
	@echo "Tables:  $$PWD/results/released/$(RELEASE)/tables/"
	@echo "Claims:  $$PWD/results/released/$(RELEASE)/tables/claims.md"

check: $(STAMP)
	$(MAKE) --jobs 2 --output-sync lint types
	$(PYTEST) -m "not slow and not browser and not long"

test: $(STAMP)
	$(PYTEST) -m "not long"

test-slow: $(STAMP)
	$(PYTEST) -m long

soak: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python tests/soak.py --rounds $(ROUNDS) --seed $(SEED)

# Of masks alone, which are not in the repository: the numbers of docs/crop.md.
geometry: $(STAMP)
	rm -rf "$(GEOMETRY)"
	$(BIN)/deeprac cohort geometry $(MASKS) --out "$(GEOMETRY)" --workers 2 --note "$(GEOMETRY_NOTE)"
	$(BIN)/python docs/crop.py

# Where there is a GPU, with whatever environment it has: PYTHON, as for `make venv`.
gpu:
	PYTHONPATH=src "$(PYTHON)" benchmarks/gpu.py

format: $(STAMP)
	$(BIN)/ruff check --fix $(PYTHON_CODE)
	$(BIN)/ruff format $(PYTHON_CODE)
	$(BIN)/snakefmt $(RULES)

lint: $(STAMP)
	$(BIN)/ruff check $(PYTHON_CODE)
	$(BIN)/ruff format --check $(PYTHON_CODE)
	$(BIN)/snakefmt --check $(RULES)
	$(BIN)/snakemake --lint

types: $(STAMP)
	$(BIN)/mypy

lock:
	rm -rf .venv-lock
	"$(PYTHON)" -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet $(PIP_ARGS) --requirement envs/requirements.in
	envs/lock.sh "$$PWD/.venv-lock/bin/python"
	rm -rf .venv-lock
