# Needs Python 3.11 or newer and make; everything else goes into .venv/ and .tools/ of this folder.
# A first run installs, a later one starts at once. PYTHON=... chooses the Python, ARGS=... goes to the command.

ARGS ?=
BIN := .venv/bin

.PHONY: help demo test lint docs bench bench-quick bench-profile bench-page clean
.SECONDARY:

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

demo: .venv/.installed-demo ## Fill one table from thirteen, on a local DynamoDB
	@$(BIN)/ddbetl demo $(ARGS)

test: .venv/.installed-dev .tools/dynoxide/.installed ## Run all tests; ARGS='-k wire' runs some
	@$(BIN)/pytest $(ARGS)

lint: .venv/.installed-dev ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

docs: .venv/.installed-dev ## Write the generated pages of docs/ anew
	@$(BIN)/python -m ddbetl.cli.reference docs/

bench: .venv/.installed-dev .tools/peers/.installed ## Measure ddbetl beside boto3, aioboto3 and pydynox (under ten minutes)
	@$(BIN)/python -m tests.benchmarks.bench $(ARGS)

bench-quick: .venv/.installed-dev ## The same beside boto3 alone, in about a minute
	@$(BIN)/python -m tests.benchmarks.bench --quick $(ARGS)

bench-profile: .venv/.installed-dev ## Measure where the CPU time of the main job goes (half a minute)
	@mkdir -p bench-results
	@$(BIN)/python -m tests.benchmarks.profile --json bench-results/profile.json $(ARGS)

bench-page: .venv/.installed-dev ## Put the newest figures of bench and bench-profile into docs/performance.md
	@$(BIN)/python -m tests.benchmarks.page $(ARGS)

clean: ## Remove what these commands made
	rm -rf .venv .tools build dist bench-results .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed-%: pyproject.toml .ci/install-python
	@PYTHON="$(PYTHON)" sh .ci/install-python $*

.tools/dynoxide/.installed: tests/dynoxide/package.json tests/dynoxide/package-lock.json .ci/install-dynoxide
	@sh .ci/install-dynoxide

.tools/peers/.installed: tests/benchmarks/peers.txt tests/benchmarks/copy_tool/package-lock.json .ci/install-peers
	@sh .ci/install-peers
