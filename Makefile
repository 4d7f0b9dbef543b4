# What a newcomer and CI run; it needs Python >= 3.11, make and git. `make help` lists it.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test peers eucaim prerequisites lint types bench clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

# The stamps: what they say is installed is not looked at again until the list of requirements changes.
.venv/.demo: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Accord needs Python 3.11 or newer: make PYTHON=/path/to/python3")'
	@echo "Installing into .venv; the first time takes a minute or two."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --editable .
	@touch $@

.venv/.test: .venv/.demo
	@$(BIN)/python -m pip install --disable-pip-version-check --editable '.[test]'
	@touch $@

install: .venv/.test ## Make .venv with everything, for work on Accord

demo: .venv/.demo ## Start a demo on this machine, with samples in it; Ctrl-C ends it
	@exec $(BIN)/accord demo $(ARGS)

prerequisites:
	@$(PYTHON) tests/prerequisites.py

# Two at a time, a file's tests in one process and in the order they are found: the short files are the last.
test: prerequisites .venv/.test ## Run all tests, against private servers (ARGS="-k custody" for some)
	@$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

peers: prerequisites .venv/.test ## Run foreign clients, viewers and validators; needs Java, Maven, Node, Cargo, gdcm, Chromium
	@$(PYTHON) tests/peers/prerequisites.py
	@$(BIN)/pytest tests/peers --timeout 900 $(ARGS)
	@$(BIN)/pytest tests -m slow --timeout 900

INTO ?= $(or $(TMPDIR),/tmp)/accord-eucaim
SOURCES := FOCUS BEAM SPOT EXPLORER LAPLACE

eucaim: prerequisites .venv/.test ## Ask through EUCAIM's own programs, built from the clones that FOCUS, BEAM, SPOT, EXPLORER and LAPLACE name
	@set -e; $(foreach name,$(SOURCES),test -d "$($(name))/.git" || { echo "$(name)=… must be a git clone: tests/peers/README.md says of what."; exit 1; };) \
		$(BIN)/python -m tests.peers.eucaim --focus "$(FOCUS)" --beam "$(BEAM)" --spot "$(SPOT)" --explorer "$(EXPLORER)" \
		--laplace "$(LAPLACE)" --into "$(INTO)"

lint: .venv/.test ## Check style and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: .venv/.test ## Check types, strictly
	@$(BIN)/mypy

bench: prerequisites .venv/.test ## Measure, beside Orthanc and others, in one run
	@set -e; for file in benchmarks/bench_*.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py) $(ARGS); done

clean: ## Remove the demo's data, caches and builds; .venv stays
	@test ! -e .demo/lock || $(PYTHON) -c 'import fcntl; fcntl.flock(open(".demo/lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null \
		|| { echo "A demo runs on .demo: stop it with Ctrl-C first."; exit 1; }
	@rm -rf .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
