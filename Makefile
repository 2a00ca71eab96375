# `make demo` trains, evaluates and forecasts on embedded data; `make test` checks everything that is fast, `make test-all`
# everything. Each first makes .venv with the versions in constraints.txt. The commands of the checks are in noxfile.py.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
NOX := $(BIN)/nox -s

.PHONY: demo lint test test-all slow coverage lowest browser wheel clean

demo: .venv/installed
	$(BIN)/msrnn demo --out runs/demo

test: .venv/installed-dev
	$(NOX) lint fast

test-all: test wheel slow

slow: .venv/installed-radar browser
	$(NOX) slow

lint coverage lowest wheel: .venv/installed-dev
	$(NOX) $@

# Reports are tested in a browser.
browser:
	command -v chromium > /dev/null && command -v chromedriver > /dev/null || \
	  (apt-get -qq update && apt-get -qq install --yes chromium chromium-driver)

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
