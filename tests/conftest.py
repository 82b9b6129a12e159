"""Fixtures that several test modules share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real test data, which is not part of the repository."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("DEEPRAC_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set DEEPRAC_SHARED_DATA to its folder")
    return folder
