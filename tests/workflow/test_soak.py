"""Two rounds of ``make soak``."""

import os

import pytest

from soak import soak

pytestmark = pytest.mark.long


def test_two_disturbed_workflows_make_the_tables_of_an_undisturbed_one(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    soak(rounds=2, events=2, seed=1, folder=tmp_path, tell=print)
