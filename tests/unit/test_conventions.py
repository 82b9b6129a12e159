import numpy as np
import pandas as pd
import pytest

from deeprac.evaluation.metrics.conventions import COLUMNS, with_convention
from deeprac.evaluation.metrics.measure import measure
from deeprac.evaluation.metrics.regions import WITH_CYSTS, WITHOUT_CYSTS

SPACING_MM = (3.0, 0.7, 1.1)
EMPTY = np.zeros((3, 4, 5), np.uint8)
SHARES = ("dice", "precision", "recall", "nsd_1mm", "nsd_2mm", "nsd_slice", "nsd_kits")


def table(prediction, reference, regions=WITHOUT_CYSTS):
    rows = [
        {"label": region.title, **measure(prediction, reference, region, SPACING_MM)}
        for region in regions
    ]
    return pd.DataFrame(rows)


def filled(number):
    label_map = EMPTY.copy()
    label_map[1, 1:3, 1:4] = number
    return label_map


def test_columns_of_the_conventions():
    assert COLUMNS == SHARES


def test_both_empty_is_nan_for_nnunet_and_one_for_kits23():
    cases = table(EMPTY, EMPTY)
    assert cases[list(SHARES)].isna().all(axis=None)
    kits = with_convention(cases, "kits23").set_index("label")
    assert (kits.loc[["tumour", "kidney_and_tumour"], list(SHARES)] == 1).all(axis=None)
    # Plain kidney is no class of KiTS.
    assert np.isnan(kits.loc["kidney", "nsd_kits"])
    assert kits.loc["kidney", "dice"] == 1
    assert kits[["hd95_mm", "assd_mm", "volume_error_percent"]].isna().all(axis=None)


@pytest.mark.parametrize("maps", [(filled(2), EMPTY), (EMPTY, filled(2))])
def test_one_empty_is_zero_for_both(maps):
    cases = table(*maps).query("label == 'tumour'")
    for convention in ("nnunet", "kits23"):
        changed = with_convention(cases, convention)
        assert (changed[list(SHARES)] == 0).all(axis=None)
        assert changed[["hd95_mm", "assd_mm"]].isna().all(axis=None)


def test_there_and_back():
    cases = pd.concat(
        [table(filled(1), filled(1)), table(EMPTY, EMPTY), table(filled(2), filled(2))],
        ignore_index=True,
    )
    kits = with_convention(cases, "kits23")
    pd.testing.assert_frame_equal(with_convention(kits, "nnunet"), cases)
    pd.testing.assert_frame_equal(with_convention(cases, "nnunet"), cases)


def test_with_cysts_kidney_and_tumour_is_no_kits_class():
    cases = table(EMPTY, EMPTY, WITH_CYSTS)
    kits = with_convention(cases, "kits23").set_index("label").nsd_kits
    assert kits.dropna().to_dict() == {
        "tumour": 1,
        "masses": 1,
        "kidney_and_masses": 1,
    }


def test_unknown_convention():
    with pytest.raises(ValueError, match="not 'nan'"):
        with_convention(table(EMPTY, EMPTY), "nan")
