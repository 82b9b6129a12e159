"""The trial counts what it says, on boxes that are made by hand."""

import numpy as np
import pandas as pd
import pytest

from deeprac.mask_geometry.window_table import (
    BOXES,
    DRAWS,
    EDGES,
    MARGINS,
    boxes_of,
    common_share,
    window_table,
)
from deeprac.windows import KINDS, PAIR, RECTANGLE, SQUARE


def case(width=0.5, height=0.25, side=0.2, components=2):
    """A box in the middle, and two square kidneys at its ends; shares of the frame."""
    boxes = {
        "labels": [-width, -height, width, height],
        "left": [width - 2 * side, -side, width, side],
        "right": [-width, -side, 2 * side - width, side],
    }
    if components < 2:
        boxes |= dict.fromkeys(("left", "right"), [np.nan] * 4)
    numbers = {
        f"{which}_{edge}": value
        for which in BOXES
        for edge, value in zip(EDGES, boxes[which], strict=True)
    }
    return numbers | {"components": components}


def cases(*rows):
    return pd.DataFrame(list(rows))


def row(table, kind, margin, sizing):
    found = table[
        (table.kind == kind.name)
        & (table.width_px == kind.width_px)
        & (table.height_px == kind.height_px)
        & (table.margin == margin)
        & (table.sizing == sizing)
    ]
    assert len(found) == 1
    return found.iloc[0]


def test_one_row_per_kind_margin_and_sizing():
    table = window_table(cases(case()))
    assert len(table) == len(KINDS) * len(MARGINS) * 2
    assert table.notna().all(axis=None)
    assert (table.cases == 1).all()


def test_needs_by_hand():
    # Widths 0.3 to 0.7, always twice as wide as high.
    widths = np.linspace(0.3, 0.7, 41)
    table = window_table(cases(*(case(w, w / 2, side=0.1) for w in widths)))
    for kind in (SQUARE, RECTANGLE):
        found = row(table, kind, 0.0, "common")
        assert found.need_median == pytest.approx(0.5)
        assert found.need_p95 == pytest.approx(0.68)
        assert found.need_max == pytest.approx(0.7)
        assert found.width_share == found.need_p97_5 == pytest.approx(0.69)
    pair = row(table, PAIR, 0.1, "common")
    assert pair.need_median == pytest.approx(0.11)
    assert pair.fallback == 0


def test_equal_patients_by_hand():
    """A trial with wrong boxes around one true one."""
    table = window_table(cases(*(case() for _ in range(30))))
    enough = row(table, SQUARE, 0.2, "common")
    assert enough.inside == enough.cases_always_inside == 1
    # Boxes that are found larger than they are make windows larger than the size.
    assert 0.4 < enough.grown < 0.6
    assert enough.density_median == pytest.approx(0.5 / 0.6, rel=0.03)
    assert enough.flops_share == 0.25
    tight = row(table, SQUARE, 0.0, "per patient")
    assert tight.inside < 0.5
    own = row(table, SQUARE, 0.2, "per patient")
    assert own.grown == 0
    # Kidneys have their own errors: the larger of two decides.
    assert row(table, PAIR, 0.1, "per patient").width_share == pytest.approx(
        0.22, rel=0.05
    )


def test_fallback_counts_with_the_density_that_it_gets():
    fused = cases(case(), *(case(components=1) for _ in range(2)))
    found = row(window_table(fused), PAIR, 0.1, "common")
    assert found.fallback == pytest.approx(2 / 3)
    # The median case is in fallback: 176 pixels on a square of 0.55.
    assert found.density_median == pytest.approx(176 / 512 / 0.55, rel=0.05)


def test_kidneys_of_one_component_do_not_count_as_told_apart():
    told = case() | {"components": 1}
    _, kidneys = boxes_of(cases(told, case()))
    assert np.isnan(kidneys[0]).all()
    np.testing.assert_allclose(
        kidneys[1], [[0.1, -0.2, 0.5, 0.2], [-0.5, -0.2, -0.1, 0.2]]
    )


def test_a_cohort_of_fused_kidneys_has_no_need_of_pairs():
    fused = cases(case(components=1))
    whole, kidneys = boxes_of(fused)
    assert common_share(PAIR, whole, kidneys, 0.0) == pytest.approx(0.5)
    found = row(window_table(fused), PAIR, 0.0, "common")
    assert np.isnan(found.need_median)
    assert found.fallback == 1


def test_the_trial_is_the_same_every_time():
    table = cases(*(case(w) for w in np.linspace(0.3, 0.8, 7)))
    pd.testing.assert_frame_equal(window_table(table), window_table(table))
    assert DRAWS == 10
