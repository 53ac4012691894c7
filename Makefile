# Two commands matter: `make demo` and `make test`. Both need only Python 3.11 (or newer) and make.
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3.14 python3 python; do \
    $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
UV := .tools/bin/uv
BIN := .venv/bin
# Like pip, trust what this machine trusts (a company's proxy); where it has no certificates, uv brings its own.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/* /etc/ssl/cert.pem /etc/pki/tls/certs/*),true,false)

NO_PYTHON := Easel needs Python 3.11 or newer (with venv) and found none. Name one: make PYTHON=/path/to/python
NO_INDEX := The packages could not be installed: see above. Where the package index cannot be reached, name a mirror, to pip by \
    PIP_INDEX_URL and to uv by UV_DEFAULT_INDEX.

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
	@$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links --all-extras --group dev pyproject.toml -o requirements.lock -q

clean:
	rm -rf .venv .tools build dist *.egg-info .pytest_cache .ruff_cache .hypothesis

$(UV):
	@$(or $(PYTHON),false) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo "$(NO_PYTHON)" >&2; exit 1; }
	@echo "making .tools (uv)"
	@$(PYTHON) -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check 'uv>=0.13,<1' || { echo "$(NO_INDEX)" >&2; exit 1; }

# An environment knows the place where it was made: a checkout that was moved or copied makes a new one.
ifneq ($(shell cat .venv/ready 2>/dev/null),$(CURDIR))
.PHONY: .venv/ready
endif

# Not --compile-bytecode: it takes 13 seconds more here, and saves less than that in the first runs.
.venv/ready: requirements.lock pyproject.toml $(UV)
	@echo "making .venv"
	@$(UV) venv --quiet --clear --python .tools/bin/python .venv
	@$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock || \
	    { echo "$(NO_INDEX)" >&2; exit 1; }
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@mkdir -p .venv/checkout/easel
	@for room in router providers simulator config; do ln -sfn "$(CURDIR)/$$room" .venv/checkout/easel/$$room; done
	@echo "$(CURDIR)" > $@
