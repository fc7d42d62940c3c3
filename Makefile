# Each target is one line. TORCH=cu130 installs the GPU build of torch; PYTHON names the interpreter.
SHELL := /bin/bash
PYTHON ?= python3.11
TORCH ?= cpu
BIN := .venv/bin
JOB ?= ray_jobs.train configs/train/painter.yaml
DATA ?=
BENCH ?= $(filter-out __init__,$(basename $(notdir $(wildcard benchmarks/*.py))))
RAY = $(filter-out tests/test_pipeline.py tests/ray_jobs/test_tune.py,$(sort $(shell grep -rl 'mark\.ray' tests --include='test_*.py')))
pytest = @set -o pipefail; OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(2) | sed -u 's/^/$(1) | /'
unexport PYTHONDONTWRITEBYTECODE
export RAY_USAGE_STATS_ENABLED := 0
export DARKGLASS_HOME ?= $(CURDIR)
export DARKGLASS_COMMIT ?= $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check test-ray test-alone test-main test-tune lint format typecheck bench cluster submit serve clean lock

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

setup: .venv/installed-$(TORCH) ## install everything, pinned, into .venv

.venv/installed-$(TORCH): requirements.lock
	$(PYTHON) -m venv .venv && $(BIN)/pip install -q --no-compile --retries 1 --extra-index-url https://download.pytorch.org/whl/$(TORCH) "$$(grep ^torch== $<)" && $(BIN)/pip install -q --no-compile -r $< && { $(BIN)/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true; } && rm -f .venv/installed-* && touch $@

demo: setup ## the main job: simulate, pair, train, judge, serve, paint, report
	$(BIN)/python -m ray_jobs.demo $(if $(DATA),--data "$(DATA)")

test: setup ## every test: two of four runs side by side, on two cores
	@$(MAKE) --no-print-directory -k -j2 test-alone test-ray test-main test-tune

check: setup ## style, types and every test, two at a time
	@$(MAKE) --no-print-directory -k -j2 test-alone lint typecheck test-ray test-main test-tune

test-ray: # those that start Ray; no other file is imported to look for them
	$(call pytest,ray,-m ray $(RAY))

test-alone: # those that do not
	$(call pytest,alone,-m "not ray")

test-main: # the main job, small
	$(call pytest,main,tests/test_pipeline.py)

test-tune: # sweeps
	$(call pytest,tune,-m ray tests/ray_jobs/test_tune.py)

lint: setup ## style
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: setup ## rewrite to the style
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

typecheck: setup ## static types
	$(BIN)/mypy

bench: setup ## every benchmark, its last line kept in benchmarks/results
	@mkdir -p benchmarks/results && set -o pipefail && for name in $(BENCH); do $(BIN)/python -m benchmarks.$$name $(ARGS) | tee /dev/stderr | tail -n 1 > benchmarks/results/$$name.json || exit 1; done

cluster: setup ## start the cloud cluster of cluster.yaml
	$(BIN)/ray up --yes cluster.yaml

submit: setup ## run JOB on the cluster at RAY_ADDRESS: make submit JOB="ray_jobs.train configs/train/painter.yaml"
	$(BIN)/ray job submit --working-dir . --runtime-env-json '{"env_vars": {"DARKGLASS_HOME": "$(DARKGLASS_HOME)", "DARKGLASS_COMMIT": "$(DARKGLASS_COMMIT)"}}' -- python -m $(JOB)

serve: setup ## serve a checkpoint over HTTP on loopback
	$(BIN)/python -m serve run configs/serve.yaml $(ARGS)

clean: ## remove what the demo and the tools wrote; .venv stays
	rm -rf out .pytest_cache .ruff_cache .mypy_cache wandb; find . -name __pycache__ -not -path './.venv*/*' -prune -exec rm -rf {} +

lock: setup ## write requirements.lock from .venv
	{ head -n 1 requirements.lock; $(BIN)/pip freeze | sed 's/+[a-z0-9]*$$//'; } > requirements.new && mv requirements.new requirements.lock
