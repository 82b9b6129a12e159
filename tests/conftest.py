"""Fixtures that several test modules share."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

# No test is timed: the machine may be busy.
settings.register_profile("untimed")
settings.load_profile("untimed")
# See deeprac.commands.nnunet: the suite must stand other work on the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


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


ALLOWED_SKIPS = ("no real data", "no GPU")
"""Reasons for which a test may be skipped where ``CI`` is set."""


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
