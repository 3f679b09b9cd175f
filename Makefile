# The newcomer's two commands are `make demo` and `make test`; both build what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check system bench lock clean

# One locked, hash-checked environment for everything.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) scripts/require_python.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# SEED=n, CASE=over|under|missing|fork|gap|exchange|hold|outage|edit|dispute|origin|beckn|record|import|billing, REPLAY=FILE with SCALE_SOLAR=x, ONCE=1
demo: $(READY)
	@$(BIN)/python -m deploy.demo $(if $(SEED),--seed $(SEED)) $(if $(CASE),--case $(CASE)) \
	  $(if $(REPLAY),--replay "$(REPLAY)") $(if $(SCALE_SOLAR),--scale-solar $(SCALE_SOLAR)) $(if $(ONCE),--once)

test: $(READY)
	$(BIN)/python -m pytest -n 4

# Format, lint, types, import contracts and the fast tests.
check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 3 -q --hypothesis-profile=check -m "not story and not system and not slow"

# Debian packages for the tests that need them; prints them first.
system:
	sh scripts/system_packages.sh

bench: $(READY)
	$(BIN)/python -m benchmarks

# Re-resolve requirements.lock (hashed, no index named).
lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --no-annotate --extra dev --upgrade pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) build *.egg-info demo-state
