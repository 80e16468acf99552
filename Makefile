# Every target sets up what it needs: a machine with Python 3.11 or newer and make is enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?=
FUZZ_SECONDS ?= 60
PYTEST ?= $(BIN)/pytest
# One worker more than there are cores: some tests wait for a scrape. And what Python has compiled is kept, whatever the
# environment says: the programs under test are started some fifty times.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
COMPILED := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(CURDIR)/.cache/python

.PHONY: demo test test-long fuzz check format bench bench-quick plot lock docs manifests rootfs sbom clean tools help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

demo: $(VENV)/.runtime ## a cluster in a process, and kubectl top on it (DEMO='--nodes 10 --once' passes options)
	@$(BIN)/metrics-api demo $(DEMO)

test: $(VENV)/.dev tools ## all tests that take less than five minutes together
	$(COMPILED) $(PYTEST) -n $(WORKERS) --dist loadgroup -m "not long"

test-long: $(VENV)/.dev tools ## the tests that take more
	$(PYTEST) -m long --timeout=900 || [ $$? -eq 5 ] # 5: none is marked long

fuzz: $(VENV)/.fuzz ## everything that reads what others wrote, FUZZ_SECONDS for each (60)
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

check: $(VENV)/.dev ## lint, formatting, types, layers, and what hot paths may cost
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q tests/budget

format: $(VENV)/.dev ## put the code into the project's form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev ## the benchmarks (long; for a quiet machine)
	$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.dev ## the same with small clusters
	$(BIN)/python -m benchmarks --quick

docs: $(VENV)/.dev ## write the generated pages
	$(BIN)/python -m metrics_api.settings.document > docs/flags.md

manifests: ## render the overlays that are checked in as one file (needs kubectl), and copy what the chart shares with them
	cp manifests/components/monitoring/dashboard.json manifests/charts/metrics-api/files/
	sed -n '/^  groups:/,$$p' manifests/components/monitoring/prometheus-rule.yaml | sed 's/^  //' \
	    > manifests/charts/metrics-api/files/rules.yaml
	kubectl kustomize manifests/overlays/release > manifests/components.yaml
	kubectl kustomize manifests/overlays/high-availability > manifests/high-availability.yaml

rootfs: $(VENV)/.runtime ## what the image holds beside Python, in build/rootfs
	rm -rf build/rootfs
	PYTHON=$(BIN)/python packaging/rootfs build/rootfs
	@du -sh build/rootfs

sbom: $(VENV)/.dev ## the image's bill of materials (CycloneDX), in dist/metrics-api.cdx.json
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
	    --output-format JSON --output-file dist/metrics-api.cdx.json requirements/runtime.lock

tools: | $(BIN)/python ## what tests talk to: an old and a new kubectl, npm's Kubernetes client, helm, promtool
	@PYTHON=$(BIN)/python bash .ci/tools

plot: $(VENV)/.dev ## measure how cost grows with the cluster, and draw docs/scale.png (half an hour)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.lock
	$(BIN)/python -m benchmarks.scale --plot docs/scale.png

lock: $(VENV)/.dev ## resolve the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-config --upgrade pyproject.toml -o requirements/runtime.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-config --upgrade --group dev pyproject.toml -o requirements/dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-config --upgrade --group bench -o requirements/bench.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-config --upgrade --group pyproject.toml:fuzz -o requirements/fuzz.lock

clean: ## remove what the targets made
	rm -rf $(VENV) .tools .cache .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "metrics-api needs Python 3.11 or newer; set PYTHON=python3.12 or the like" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml | $(BIN)/python
	@echo "setting up $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.runtime
	@echo "installing development dependencies (some minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

$(VENV)/.fuzz: requirements/fuzz.lock $(VENV)/.dev
	@echo "installing what fuzzing needs ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/fuzz.lock
	@touch $@
