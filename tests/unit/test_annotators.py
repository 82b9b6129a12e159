"""Agreement of annotators, by hand."""

import numpy as np
import pytest

from deeprac.mask_geometry.annotators import agreement_rows


def test_every_two_annotators_by_hand():
    drawn = {
        "1": np.array([[1, 1, 1, 2, 2, 0]]),
        "2": np.array([[1, 1, 2, 2, 2, 0]]),
        "3": np.array([[0, 1, 1, 0, 0, 0]]),
    }
    rows = list(agreement_rows(drawn))
    assert [(row["first"], row["second"]) for row in rows] == [
        ("1", "2"), ("1", "3"), ("2", "3")
    ]  # fmt: skip
    assert rows[0]["kidney_dice"] == pytest.approx(2 * 2 / (3 + 2))
    assert rows[0]["tumour_dice"] == pytest.approx(2 * 2 / (2 + 3))
    assert rows[0]["kidney_and_tumour_dice"] == 1
    assert rows[1]["kidney_dice"] == pytest.approx(2 * 2 / (3 + 2))
    assert rows[1]["tumour_dice"] == 0
    assert rows[2]["kidney_dice"] == pytest.approx(2 * 1 / (2 + 2))


def test_one_annotator_has_nobody_to_agree_with():
    assert list(agreement_rows({"1": np.ones((1, 2))})) == []
