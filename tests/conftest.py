"""What the test session is like: marks, order, processes, skips, real data."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test is timed: the machine may be busy.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")
# See deeprac.commands.nnunet: the suite must stand other work on the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    # As many processes as cores are at work.
    for library in ("OMP", "OPENBLAS"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

collect_ignore_glob = ["support/slicer_*.py"]
"""Run by a Python that has 3D Slicer's modules, or Qt's."""

SLOW_FIXTURES = {"shared_data", "smoke_run", "trained_toy"}
"""What takes its test more than a moment: real CT, the whole workflow, a training."""
LONGEST = ("slurm", "image", "soak", "real_ct")
"""Files that a process begins with, where they are run at all (``make test-slow``)."""
SMOKE_RUN = ("end_to_end", "kill", "partial", "released", "same_seed")
"""Files in ``tests/workflow`` that share ``smoke_run``, which takes minutes."""
ALONE = ("dry_run", "quoting", "real_ct")
"""Files there whose tests share nothing: each goes where there is room."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what is slow by its fixtures, and begin with the files that take longest."""
    rank = {}
    for item in items:
        workflow = item.path.parent.name == "workflow"
        name = item.path.stem.removeprefix("test_")
        if workflow or SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        first = name in LONGEST or (workflow and name in SMOKE_RUN)
        slow = item.get_closest_marker("slow") or item.get_closest_marker("browser")
        place = 0 if first else 1 if workflow else 2 if slow else 3
        rank[item.path] = min(place, rank.get(item.path, 3))
    items.sort(key=lambda item: rank[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give the tests of a file to one process, for they share fixtures."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 (may be missing)

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            path = Path(nodeid.partition("::")[0])
            name = path.stem.removeprefix("test_")
            if path.parent.name == "workflow" and name in SMOKE_RUN:
                return "smoke run"
            return nodeid if name in ALONE else str(path)

    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_finish():
    """Leave what was imported out of later garbage collections, of which some
    libraries (statsmodels) ask for one per call.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real test data, which is not part of the repository."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DEEPRAC_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set DEEPRAC_SHARED_DATA to its folder")
    return folder


ALLOWED_SKIPS = ("no real data", "no GPU", "this machine lets no", "pip cannot")
"""Reasons for skips where ``CI`` is set: what no package brings."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Turn other skips into failures in continuous integration.

    There everything that the tests need is installed, so a skip hides a fault.
    """
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if skipped and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            report.outcome = "failed"
            report.longrepr = f"skipped in continuous integration: {reason}"
    return report
