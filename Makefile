.DEFAULT_GOAL := help
.PHONY: help setup app test lint format bench lock clean

START := python3 scripts/start.py

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install the packages of requirements.lock into .venv
	@$(START) setup

app: ## set up, build the published study, serve the app to this machine (PORT=8502 for another port, HOST=0.0.0.0 for everyone)
	@$(START) app $(if $(PORT),--port $(PORT)) $(if $(filter command line,$(origin HOST)),--host $(HOST))

test: ## set up and run every test, the browser's too (ARGS="-k tail" goes to pytest)
	@$(START) test $(ARGS)

lint: ## set up and check formatting and code
	@$(START) lint

format: setup ## format the code and mend what can be mended
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

bench: ## set up and run the benchmarks
	@$(START) bench

lock: setup ## resolve requirements.txt into requirements.lock (ARGS=--upgrade for newer versions)
	@.venv/bin/uv pip compile --quiet --universal --python-version 3.11 requirements.txt -o requirements.lock \
		--custom-compile-command "make lock" $(ARGS)

clean: ## remove the environment and caches; studies and downloads stay
	rm -rf .venv .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
