# make demo    real stereo images through the real node graph; writes demo_out/
# make test    everything that is tested; .ci/run calls this
# make setup   the shared first step of both
PYTHON ?= python3
VENV ?= .venv
TORCH_SPEC ?= torch==2.13.0
DURATION ?= 20
VIEW ?= 0
MODEL ?=
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-warn-conflicts
STAMPS = $(VENV)/stamps
# A sourced ROS distro must not leak into the virtual environment.
CLEAN_ENV = env -u PYTHONPATH -u AMENT_PREFIX_PATH -u LD_LIBRARY_PATH -u _ROS_WHEELS_BOOTSTRAP_COMPLETE

.PHONY: demo test test-oldest setup setup-test lint bench clean help

help:
	@sed -n 's/^# //p' Makefile

setup: $(STAMPS)/runtime

setup-test: $(STAMPS)/test

$(STAMPS)/runtime: requirements/runtime.txt requirements/demo.txt setup.py scripts/preflight.py
	@$(PYTHON) scripts/preflight.py
	@echo "depth_ros: installing the ROS 2 wheels and the CPU runtime into $(VENV) (about 600 MB, once)"
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(CLEAN_ENV) $(PIP) -r requirements/runtime.txt
	@$(CLEAN_ENV) $(PIP) --no-deps -r requirements/demo.txt
	@$(CLEAN_ENV) $(PIP) --no-deps --no-build-isolation --editable .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/viewer: requirements/viewer.txt $(STAMPS)/runtime
	@$(CLEAN_ENV) $(PIP) -r requirements/viewer.txt
	@touch $@

$(STAMPS)/test: requirements/test.txt $(STAMPS)/runtime
	@echo "depth_ros: installing the test tools and $(TORCH_SPEC) (override with TORCH_SPEC)"
	@$(CLEAN_ENV) $(PIP) "$(TORCH_SPEC)"
	@$(CLEAN_ENV) $(PIP) -r requirements/test.txt
	@touch $@

demo: $(if $(filter 1,$(VIEW)),$(STAMPS)/viewer,$(STAMPS)/runtime)
	@$(CLEAN_ENV) $(VENV)/bin/depth-ros demo --duration $(DURATION) $(if $(filter 1,$(VIEW)),--view) $(if $(MODEL),--model $(MODEL))

lint: $(STAMPS)/test
	@$(CLEAN_ENV) $(VENV)/bin/ruff check .
	@$(CLEAN_ENV) $(VENV)/bin/ruff format --check .
	@$(CLEAN_ENV) $(VENV)/bin/mypy

test: lint
	@$(CLEAN_ENV) $(VENV)/bin/python -m pytest $(PYTEST_ARGS)

OLDEST = .venv-oldest
$(OLDEST)/stamp: requirements/oldest.txt scripts/preflight.py
	@$(PYTHON) scripts/preflight.py
	@test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	@$(CLEAN_ENV) $(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/oldest.txt
	@touch $@

test-oldest: $(OLDEST)/stamp
	@$(CLEAN_ENV) $(OLDEST)/bin/python -m pytest $(PYTEST_ARGS)

clean:
	rm -rf .venv .venv-oldest build install log demo_out *.egg-info
