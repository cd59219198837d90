# make demo    the real node graph, live; writes demo_out/; TASK=stereo|mono|multiview|match|odometry
# make test    everything that is tested but what takes minutes; .ci/run calls this
# make test-all  that too
# make setup   the shared first step of both
# make interfaces   build depth_ros_interfaces (matching service, odometry status) into .venv
PYTHON ?= python3
VENV ?= .venv
TORCH_SPEC ?= torch==2.13.0
DURATION ?= 20
VIEW ?= 0
MODEL ?=
TASK ?=
WEIGHTS ?=
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-warn-conflicts
STAMPS = $(VENV)/stamps
# A sourced ROS distro must not leak into the virtual environment.
CLEAN_ENV = env -u PYTHONPATH -u AMENT_PREFIX_PATH -u LD_LIBRARY_PATH -u _ROS_WHEELS_BOOTSTRAP_COMPLETE

# make docs    run what the documentation shows and write its outputs anew
.PHONY: docs stereo-card fuzz demo test test-all test-oldest test-jazzy setup setup-test interfaces lint bench clean help

help:
	@sed -n 's/^# make/make/p' Makefile

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

$(STAMPS)/interfaces: requirements/interfaces.txt $(STAMPS)/runtime
	@$(CLEAN_ENV) $(PIP) -r requirements/interfaces.txt
	@touch $@

# The script does nothing if what is there was built from the same files.
BUILD_INTERFACES = $(CLEAN_ENV) $(VENV)/bin/python scripts/build_interfaces.py

interfaces: $(STAMPS)/interfaces
	@$(BUILD_INTERFACES)

# A network that has a recipe and no graphs in the package: exporting some takes torch.
IS_EXPORTED = $(and $(MODEL),$(wildcard engines/$(MODEL).yaml),$(if $(wildcard weights/$(MODEL)-*.onnx),,1))
DEMO_NEEDS = $(STAMPS)/runtime $(if $(filter 1,$(VIEW)),$(STAMPS)/viewer) \
	$(if $(IS_EXPORTED),$(STAMPS)/export) \
	$(if $(filter match odometry,$(TASK)),interfaces)

$(STAMPS)/export: requirements/export.txt $(STAMPS)/runtime
	@echo "depth_ros: installing $(TORCH_SPEC) to export networks (override with TORCH_SPEC)"
	@$(CLEAN_ENV) $(PIP) "$(TORCH_SPEC)"
	@$(CLEAN_ENV) $(PIP) -r requirements/export.txt
	@touch $@

demo: $(DEMO_NEEDS)
	@$(CLEAN_ENV) $(VENV)/bin/depth-ros demo --duration $(DURATION) $(if $(filter 1,$(VIEW)),--view) $(if $(TASK),--task $(TASK)) $(if $(MODEL),--model $(MODEL)) $(if $(WEIGHTS),--weights $(WEIGHTS))

lint: $(STAMPS)/test
	@$(CLEAN_ENV) $(VENV)/bin/ruff check .
	@$(CLEAN_ENV) $(VENV)/bin/ruff format --check .
	@$(CLEAN_ENV) $(VENV)/bin/mypy

# Files are shared out over the cores; what a file's tests share is made once.
SIDE_BY_SIDE = -n 2 --dist loadfile
TEST_ENV = $(CLEAN_ENV) DEPTH_ROS_REQUIRE_INTERFACES=1 DEPTH_ROS_REQUIRE_TENSORRT_RTX=1

# If the build fails the other tests still run, and those that need it fail instead of skipping.
test: lint $(STAMPS)/interfaces
	-@$(BUILD_INTERFACES)
	@$(TEST_ENV) $(VENV)/bin/python -m pytest $(SIDE_BY_SIDE) --continue-on-collection-errors $(PYTEST_ARGS)

# Also what takes minutes and is marked nightly.
test-all: test
	@$(TEST_ENV) $(VENV)/bin/python -m pytest -m nightly $(PYTEST_ARGS)

# The outputs that the documentation shows, written anew by running it.
docs: $(STAMPS)/test
	@$(CLEAN_ENV) $(VENV)/bin/python -m tests.kit.pages

# make stereo-card   table, gallery and figures of the stereo card and the README's picture, anew; DATA=folder
DATA ?= ../shared/data
stereo-card: $(STAMPS)/test
	@$(CLEAN_ENV) $(VENV)/bin/python scripts/stereo_card.py $(DATA)

# make fuzz    altered bytes to every reader of files, FUZZ_SECONDS each; READER=part of a name
FUZZ_SECONDS ?= 10
READER ?=
$(STAMPS)/fuzz: requirements/fuzz.txt $(STAMPS)/test
	@$(CLEAN_ENV) $(PIP) -r requirements/fuzz.txt
	@touch $@

fuzz: $(STAMPS)/fuzz
	@$(CLEAN_ENV) PYTHONPATH=. $(VENV)/bin/python scripts/fuzz.py --seconds $(FUZZ_SECONDS) --reader "$(READER)"

# make test-oldest   NumPy 1.21.5 and OpenCV 4.5.4 on Python 3.10, or the next that is there; no ROS
OLDEST = .venv-oldest
OLDEST_PYTHON ?= $(shell $(PYTHON) scripts/find_python.py 3.10)
$(OLDEST)/stamp: requirements/oldest.txt requirements/oldest-runtime.txt scripts/preflight.py
	@$(OLDEST_PYTHON) scripts/preflight.py
	@rm -rf $(OLDEST) && $(OLDEST_PYTHON) -m venv $(OLDEST)
	@$(CLEAN_ENV) $(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/oldest.txt
	@$(CLEAN_ENV) $(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/oldest-runtime.txt
	@touch $@

test-oldest: $(OLDEST)/stamp
	@$(CLEAN_ENV) $(OLDEST)/bin/python -m pytest $(SIDE_BY_SIDE) $(PYTEST_ARGS)

# make test-jazzy    the nodes on the wheels of ROS 2 Jazzy, on Python 3.10 and on 3.12
JAZZY_PYTHONS ?= 3.10 3.12
.venv-jazzy-%/stamp: requirements/jazzy.txt scripts/preflight.py scripts/find_python.py
	@rm -rf .venv-jazzy-$* && $$($(PYTHON) scripts/find_python.py $*) -m venv .venv-jazzy-$*
	@$(CLEAN_ENV) .venv-jazzy-$*/bin/python -m pip install --quiet --disable-pip-version-check --no-warn-conflicts -r requirements/jazzy.txt
	@touch $@

test-jazzy: $(JAZZY_PYTHONS:%=.venv-jazzy-%/stamp)
	@for python in $(JAZZY_PYTHONS); do \
		echo "depth_ros: Jazzy on Python $$python"; \
		$(CLEAN_ENV) .venv-jazzy-$$python/bin/python -m pytest tests/ros tests/messages $(PYTEST_ARGS) || exit 1; \
	done

clean:
	rm -rf .venv .venv-oldest .venv-jazzy-* build install log demo_out fuzz_out *.egg-info
