PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test check bench encoder viewer clean

run: $(VENV)/.run-ready
	$(BIN)/streamlit run app.py

test: $(VENV)/.dev-ready
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

encoder: $(VENV)/.run-ready
	$(BIN)/python -m dpmed_core.training.encoders.pretrain_radiographs
	$(BIN)/python -m dpmed_core.training.encoders.pretrain_volumes

viewer:
	cd viewer && npm ci --ignore-scripts && npm test && npm run build

bench: $(VENV)/.dev-ready
	$(BIN)/python -m benchmarks all

clean:
	rm -rf $(VENV)

$(VENV)/.run-ready: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.dev-ready: requirements.txt requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ $(VENV)/.run-ready
