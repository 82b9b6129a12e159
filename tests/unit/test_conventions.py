import warnings

import numpy as np
import pandas as pd
import pytest
import surface_distance as deepmind

from deeprac.evaluation.metrics.conventions import COLUMNS, with_convention
from deeprac.evaluation.metrics.measure import measure
from deeprac.evaluation.metrics.regions import regions_of
from deeprac.labels import KIDNEY_AND_TUMOUR, CohortLabels

WITHOUT_CYSTS = regions_of(KIDNEY_AND_TUMOUR)
WITH_CYSTS = regions_of(CohortLabels(cysts=True))
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


def test_columns_without_a_fraction():
    """Scores that are all 0 or 1 are read as whole numbers, which know no NaN."""
    cases = with_convention(table(EMPTY, EMPTY), "kits23").astype({"dice": int})
    assert with_convention(cases, "nnunet").dice.isna().all()


def test_with_cysts_kidney_and_tumour_is_no_kits_class():
    cases = table(EMPTY, EMPTY, WITH_CYSTS)
    kits = with_convention(cases, "kits23").set_index("label").nsd_kits
    assert kits.dropna().to_dict() == {
        "tumour": 1,
        "masses": 1,
        "kidney_and_masses": 1,
    }


KITS23 = {"kidney_and_masses": (1, 2, 3), "masses": (2, 3), "tumour": (2,)}
KITS23_TOLERANCE_MM = {"kidney_and_masses": 1.033, "masses": 1.133, "tumour": 1.150}


def kits23(prediction, reference, labels, tolerance_mm):
    """Dice and surface Dice as KiTS23 publishes them, by DeepMind's package."""
    found, true = np.isin(prediction, labels), np.isin(reference, labels)
    if not found.any() or not true.any():
        return (1.0, 1.0) if found.any() == true.any() else (0.0, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        distances = deepmind.compute_surface_distances(true, found, SPACING_MM)
    return (
        deepmind.compute_dice_coefficient(true, found),
        deepmind.compute_surface_dice_at_tolerance(distances, tolerance_mm),
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("removed", [(), (2,), (2, 3), (1, 2, 3)])
def test_same_scores_as_kits23(seed, removed):
    """On all three classes, with labels that are missing on one side or on both."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 4, (2, 3, 4, 4))
    prediction, reference = coarse.repeat(4, 1).repeat(4, 2).repeat(4, 3)
    # A prediction that is right in half of the blocks.
    prediction = np.where(rng.random(prediction.shape) < 0.5, prediction, reference)
    prediction = np.where(np.isin(prediction, removed), 0, prediction)
    if seed % 2:
        reference = np.where(np.isin(reference, removed), 0, reference)
    cases = table(prediction, reference, WITH_CYSTS)
    ours = with_convention(cases, "kits23").set_index("label")
    for title, labels in KITS23.items():
        expected = kits23(prediction, reference, labels, KITS23_TOLERANCE_MM[title])
        found = ours.loc[title, ["dice", "nsd_kits"]].tolist()
        assert found == pytest.approx(expected)


def test_unknown_convention():
    with pytest.raises(ValueError, match="not 'nan'"):
        with_convention(table(EMPTY, EMPTY), "nan")
