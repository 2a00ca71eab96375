# `make demo` trains, evaluates and forecasts on embedded data; `make test` checks everything that is fast, `make test-all`
# everything. Each first makes .venv with the versions in constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: demo test test-all lowest browser wheel clean

demo: .venv/installed
	$(BIN)/msrnn demo --out runs/demo

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/pytest -n auto -m "not slow"

test-all: test wheel .venv/installed-radar browser
	$(BIN)/pytest -n 2 -m slow

# The oldest versions that pyproject.toml allows, of torch the tested one; on Python 3.11.
lowest:
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/pip --disable-pip-version-check --quiet install -c constraints-lowest.txt torch numpy
	build/lowest/bin/pip --disable-pip-version-check --quiet install -c constraints-lowest.txt -e . \
	  av wradlib pytest pytest-xdist hypothesis scikit-image
	build/lowest/bin/pytest -n auto -m "not slow" -W default  # old versions warn of new ones
	rm -rf build/lowest

# Reports are tested in a browser.
browser:
	command -v chromium > /dev/null && command -v chromedriver > /dev/null || \
	  (apt-get -qq update && apt-get -qq install --yes chromium chromium-driver)

# The wheel builds, and its models run where torch and numpy alone are installed.
wheel: .venv/installed-dev
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --wheel --outdir build/wheel . > build/wheel/log
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/pip --disable-pip-version-check --quiet install -c constraints.txt torch numpy
	build/wheel/venv/bin/pip --disable-pip-version-check --quiet install --no-deps build/wheel/msrnn-*.whl
	cd build/wheel && venv/bin/python -c "import msrnn, torch; \
	  print(msrnn.create_model('ms-predrnn').forecast(torch.rand(1, 2, 1, 16, 16), horizon=2).shape)"
	rm -rf build/wheel

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) install -c constraints.txt torch numpy
	$(PIP) install -c constraints.txt -e .
	touch $@

.venv/installed-dev: .venv/installed
	$(PIP) install -c constraints.txt -e ".[dev]"
	touch $@

.venv/installed-radar: .venv/installed-dev
	$(PIP) install -c constraints.txt -e ".[dev,radar,video]"
	touch $@

clean:
	rm -rf .venv build dist
