"""docs/calibration.md: made from its data, which are of today's phantoms."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]

TOLERANCES = {
    "age of children, years": 0.2,
    "field of view of children, mm": 0.12,
    "field of view of adults, mm": 0.06,
    # Bodies leave less than was asked for.
    "Wilms tumour at diagnosis, ml": 0.3,
    # Drawn from the quartiles' ratio: their log-normal has another lower one.
    "Wilms tumour after chemotherapy, ml": 0.4,
    "diameter of tumours of adults, mm": 0.16,
}
"""Largest difference of a quantile, as a share of the published one."""


@pytest.fixture(scope="module")
def calibration():
    return runpy.run_path(str(ROOT / "docs/calibration.py"))


@pytest.fixture(scope="module")
def phantoms(calibration):
    return pd.read_csv(calibration["DRAWN"])


def test_the_tables_of_the_page_are_made_from_the_data(calibration):
    text = calibration["PAGE"].read_text()
    assert text == calibration["with_tables"](text), (
        "call PYTHONPATH=src python docs/calibration.py"
    )


def test_the_data_are_todays_phantoms(calibration, phantoms):
    for group, stored in phantoms.groupby("group"):
        assert len(stored) == calibration["PHANTOMS"]
        today = pd.DataFrame(calibration["drawn"](group, range(3)))
        first = stored.head(3).reset_index(drop=True)
        pd.testing.assert_frame_equal(today, first, atol=1e-3, rtol=1e-5)


def test_phantoms_are_near_the_published_figures(calibration, phantoms):
    assert {one.title for one, _, _ in calibration["COMPARED"]} == TOLERANCES.keys()
    for one, group, quantity in calibration["COMPARED"]:
        values = phantoms[phantoms.group == group][quantity]
        for percent, told in one.quantiles.items():
            if percent in calibration["QUANTILES"]:
                near = pytest.approx(told, rel=TOLERANCES[one.title])
                assert np.percentile(values, percent) == near, (one.title, percent)


def test_the_default_lies_between_the_stages(phantoms):
    median = phantoms.groupby("group").seen_ml.median()
    assert median.after_chemotherapy < median["mixed"] < median.diagnosis


def test_adults_fill_the_frame_as_real_ones_do(calibration):
    poses = pd.read_csv(calibration["POSES"]).set_index(["group", "quantity"])
    real, drawn = (poses.loc[f"{who} (adults)"] for who in ("KiTS19", "phantoms"))
    for quantity in ("radius_mm", "radius_share", "axes_ratio", "field_mm"):
        near = pytest.approx(real.p50[quantity], rel=0.05)
        assert drawn.p50[quantity] == near, quantity
