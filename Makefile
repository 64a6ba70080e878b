PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test test-fast check check-style check-format check-types check-imports bench encoder viewer lock wheels bill-of-materials clean

run: $(VENV)/.run-ready
	$(BIN)/streamlit run app.py

# One process a core, and one more for when tests wait for processes of their own. A file stays in one process, so that what its tests share is made once; conftest.py puts long files first.
PARALLEL := --numprocesses $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses 8 --dist loadfile --no-loadscope-reorder --max-worker-restart 1

test: $(VENV)/.dev-ready
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

# Everything quick that needs neither a browser nor the engine; with FOLDER=dpmed_core/evaluation (or tests/evaluation) everything
# that tests this folder, its doctests too.
test-fast: $(VENV)/.dev-ready
	$(BIN)/python -m pytest $(PARALLEL) $(if $(FOLDER),$(TESTS_OF_FOLDER),-m "not slow and not browser and not real") $(PYTEST_ARGS)

NAMED := $(patsubst widgets/%,%,$(patsubst dpmed_core/%,%,$(patsubst tests/%,%,$(patsubst %/,%,$(FOLDER)))))
MIRROR := $(wildcard tests/$(NAMED) tests/$(dir $(NAMED))test_$(notdir $(NAMED)).py $(if $(filter commands,$(NAMED)),tests/test_cli.py))
TESTS_OF_FOLDER = $(or $(MIRROR),$(error nothing in tests mirrors $(FOLDER))) $(wildcard dpmed_core/$(NAMED))

check: check-style check-format check-types check-imports

check-style: $(VENV)/.dev-ready
	$(BIN)/ruff check .

check-format: $(VENV)/.dev-ready
	$(BIN)/ruff format --check .

check-types: $(VENV)/.dev-ready
	$(BIN)/mypy --num-workers auto

check-imports: $(VENV)/.dev-ready
	$(BIN)/lint-imports

encoder: $(VENV)/.run-ready
	$(BIN)/python -m dpmed_core.training.encoders.pretrain_radiographs
	$(BIN)/python -m dpmed_core.training.encoders.pretrain_volumes
	$(BIN)/python -m dpmed_core.training.starts.measure_phantom_start

viewer:
	cd viewer && npm ci --ignore-scripts && npm test && npm run build

# The lock files, resolved anew, and what the packages in them are, need and are licensed under. Needs a package index.
lock: $(VENV)-tools/.ready
	$(VENV)-tools/bin/python -m tools.lock
	$(VENV)-tools/bin/python -m tools.bill_of_materials

# What `python -m benchmarks device` needs on a machine with PyTorch and NumPy and without a network. Needs a package index.
wheels: $(VENV)/.dev-ready
	$(BIN)/python -m tools.wheels --out wheels

bill-of-materials: $(VENV)-tools/.ready
	$(VENV)-tools/bin/python -m tools.bill_of_materials

bench: $(VENV)/.dev-ready
	$(BIN)/python -m benchmarks all

clean:
	rm -rf $(VENV) $(VENV)-tools

$(VENV)/.run-ready: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev-ready: requirements.txt requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ $(VENV)/.run-ready

$(VENV)-tools/.ready: tools/requirements.txt
	test -x $(VENV)-tools/bin/python || $(PYTHON) -m venv $(VENV)-tools
	$(VENV)-tools/bin/python -m pip install --quiet --disable-pip-version-check -r tools/requirements.txt
	touch $@
