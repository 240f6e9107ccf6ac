# Two commands matter: `make run` and `make test`. Everything they need lands in .venv; nothing needs root,
# except that `make test` fetches Debian's Chromium and SpamAssassin through apt when it runs as root and finds none.
SHELL := /bin/bash
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
# Many tests wait for another process; meanwhile a core is free.
PARALLEL ?= $(shell expr $$(nproc) + 2)

.PHONY: run test check bench looks accessibility check-html lighthouse lock vendor clean

run: .venv/.run  ## Start the site, the delivery engine and the catching mailbox.
	@exec $(BIN)/newsroom up

test: .venv/.test  ## Run all tests, in the browser too.
	@tools/ensure-browser
	@tools/ensure-spamassassin
	@$(BIN)/python -m compileall -q config.py newsroom  # Tests start many processes.
	@$(BIN)/pytest -n $(PARALLEL) --dist loadgroup

check: .venv/.test  ## Style and types.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python tools/vendor.py --check

BENCHES := starting sending latency matching memory confirming digests searching cluster curve

bench: .venv/.test  ## Measure what we claim about speed; takes half an hour, PostgreSQL, RabbitMQ and Postfix's smtp-sink and smtp-source.
	@for one in $(BENCHES); do echo "== $$one"; $(BIN)/python bench/$$one.py || exit 1; done
	@$(BIN)/python tools/performance.py

looks: .venv/.test  ## Take the screenshots in docs/looks/, and write docs/looks.md.
	@tools/ensure-browser
	@$(BIN)/python tools/looks.py

accessibility: .venv/.test  ## Test pages and letters with axe, and keep what it found for the accessibility statement.
	@tools/ensure-browser
	@NEWSROOM_TEST_KEEPS_ACCESSIBILITY=yes $(BIN)/pytest -q -n 0 tests/public/test_accessibility.py tests/desk/test_accessibility.py tests/journeys/test_letters.py

check-html: .venv/.test  ## Hold every page and letter against the HTML standard, with the Nu checker; needs npm and Java.
	@$(BIN)/python tools/check_html.py

lighthouse: .venv/.test  ## Let Lighthouse judge the readers' pages; needs npm.
	@tools/ensure-browser
	@$(BIN)/python tools/run_lighthouse.py

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
	compile pyproject.toml --extra cluster --extra test -o requirements/test.txt && \
	compile pyproject.toml -c requirements/test.txt -o requirements/run.txt && \
	compile pyproject.toml --extra postgres -c requirements/test.txt -o requirements/postgres.txt && \
	compile pyproject.toml --extra cluster -c requirements/test.txt -o requirements/cluster.txt

vendor:  ## Fetch the front-end files anew; needs npm and fonttools.
	@$(PYTHON) tools/vendor.py

clean:  ## Remove the environment. The instance folder, with its database, stays.
	rm -rf .venv
