# Two commands matter: `make run` and `make test`. Everything they need lands in .venv; nothing needs root,
# except that `make test` fetches Debian's Chromium through apt when it runs as root and finds no browser.
SHELL := /bin/bash
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
PARALLEL ?= $(shell nproc)

.PHONY: run test check bench looks lock vendor clean

run: .venv/.run  ## Start the site, the delivery engine and the catching mailbox.
	@exec $(BIN)/newsroom up

test: .venv/.test  ## Run all tests, in the browser too.
	@tools/ensure-browser
	@$(BIN)/pytest -n $(PARALLEL) --dist loadgroup

check: .venv/.test  ## Style and types.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python tools/vendor.py --check

bench: .venv/.test  ## Measure what we claim about speed; needs Postfix's smtp-sink and smtp-source.
	@for one in bench/starting.py bench/sending.py; do $(BIN)/python $$one || exit 1; done

looks: .venv/.test  ## Take the screenshots in docs/looks/.
	@tools/ensure-browser
	@$(BIN)/python tools/looks.py

.venv/.run: requirements/build.txt requirements/run.txt pyproject.toml | .venv/bin/python
	@tools/install requirements/build.txt requirements/run.txt
	@touch $@

.venv/.test: requirements/build.txt requirements/test.txt pyproject.toml | .venv/bin/python
	@tools/install requirements/build.txt requirements/test.txt
	@touch $@ .venv/.run

.venv/bin/python:
	@PYTHON="$(PYTHON)" tools/make-environment

lock:  ## Write the hashed requirements anew; needs uv.
	@test -n "$(UV)" || { echo "make lock needs uv on the PATH."; exit 1; }
	@compile() { uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate "$$@"; }; \
	compile requirements/build.in -o requirements/build.txt && \
	compile pyproject.toml --extra postgres --extra test -o requirements/test.txt && \
	compile pyproject.toml -c requirements/test.txt -o requirements/run.txt && \
	compile pyproject.toml --extra postgres -c requirements/test.txt -o requirements/postgres.txt

vendor:  ## Fetch the front-end files anew; needs npm and fonttools.
	@$(PYTHON) tools/vendor.py

clean:  ## Remove the environment. The instance folder, with its database, stays.
	rm -rf .venv
