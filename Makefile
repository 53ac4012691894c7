# Two commands matter: `make demo` and `make test`. Both need only Python 3.11 (or newer) and make.
PYTHON ?= python3.11
ifeq ($(shell command -v $(PYTHON) 2>/dev/null),)
PYTHON := python3
endif
UV := .tools/bin/uv
BIN := .venv/bin

.PHONY: demo test check bench format lock clean

demo: .venv/ready
	@$(BIN)/easel demo

test: check
	@$(BIN)/pytest -n auto

check: .venv/ready
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright

bench: .venv/ready
	@$(BIN)/python -m bench

format: .venv/ready
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# The lock holds every extra and the development group, for every platform, with hashes and no index address.
lock: $(UV)
	@$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
	    --all-extras --group dev pyproject.toml -o requirements.lock -q

clean:
	rm -rf .venv .tools build *.egg-info .pytest_cache .ruff_cache

$(UV):
	@echo "making .tools (uv)"
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check uv

.venv/ready: requirements.lock pyproject.toml $(UV)
	@echo "making .venv"
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --require-hashes --python .venv/bin/python requirements.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python .venv/bin/python --editable .
	@mkdir -p .venv/checkout/easel
	@for room in router providers simulator config; do ln -sfn "$(CURDIR)/$$room" .venv/checkout/easel/$$room; done
	@touch $@
