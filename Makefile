# The commands of the project. Everything runs in a virtual environment that the first call makes.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
READY_FOR_DOCS := $(VENV)/.ready-for-docs

FUZZ_SECONDS ?= 600

.DEFAULT_GOAL := help
.PHONY: help demo test mutants fuzz lint types audit sbom bench bench-compare soak docs pages site serve clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[aks,eks,gke,kafka,notify,ovh]' --group dev
	@touch $@

$(READY_FOR_DOCS): $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group docs
	@touch $@

demo: $(READY) ## post a recorded audit log to a real webhook server and show its alerts
	@$(BIN)/python -m lanner.demo

mutants: $(READY) ## put mistakes into the default rules, and say which no rule test notices
	@$(BIN)/lanner rules test --mutants

test: $(READY) ## run all tests
	@$(BIN)/python -m pytest -n auto --dist worksteal -q $(TESTFLAGS)

fuzz: $(READY) ## what anybody may send, guided by coverage: make fuzz FUZZ_SECONDS=600 TARGETS=decode
	@$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS) $(FUZZFLAGS) $(TARGETS)

lint: $(READY) ## style, insecure code, shell scripts, import rules between packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/shellcheck .ci/run
	@$(BIN)/lint-imports --no-cache

types: $(READY) ## static types, strict, source and tests
	@$(BIN)/mypy

audit: $(READY) ## known flaws of what Lanner depends on; NOT CHECKED, and no success, where nothing is known
	@$(BIN)/python -m security.audit

sbom: $(READY) ## what a release with all extras consists of, as CycloneDX: sbom.cdx.json
	@$(BIN)/python -m security.sbom

bench: $(READY) ## what an event costs, beside decoding alone
	@$(BIN)/python -m benchmarks

bench-compare: $(READY) ## the same for another commit, in alternation: make bench-compare REF=main~1
	@$(BIN)/python -m benchmarks.compare $(REF)

soak: $(READY) ## reloads and kills under full load, and hostile clients, all at full size: an hour
	@$(BIN)/python -m benchmarks.reloads
	@$(BIN)/python -m benchmarks.reloads --workers 2
	@$(BIN)/python -m benchmarks.crashes
	@$(BIN)/python -m benchmarks.crashes --workers 2
	@$(BIN)/python -m benchmarks.hostile

docs: pages site ## write the reference pages that are made from tables, and the site of the documentation

pages: $(READY) ## the reference pages alone; a test says when they are out of date
	@$(BIN)/python -m docs.generate

site: $(READY_FOR_DOCS) ## the site of the documentation alone
	@rm -rf site
	@$(BIN)/python -m sphinx --builder html --fail-on-warning --fresh-env --quiet --doctree-dir $(VENV)/doctrees docs site

serve: $(READY) ## listen for audit webhooks on loopback
	@$(BIN)/lanner run

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist site
