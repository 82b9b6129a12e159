import numpy as np

from deeprac.labels import CohortLabels
from deeprac.surgery.choose_steps import HeldOut, choose
from deeprac.surgery.postprocess import Postprocessing

LABELS = CohortLabels()
SPACING_MM = (3.0, 1.0, 2.0)


def truth():
    array = np.zeros((10, 20, 30), np.uint8)
    array[2:8, 4:14, 4:14] = 1
    array[3:7, 6:12, 12:18] = 2
    return array


def case(prediction):
    return lambda: HeldOut(prediction, truth(), SPACING_MM)


def test_a_step_that_helps_is_kept_and_one_that_harms_is_not():
    speck, hole = truth(), truth()
    speck[0, 0, 28] = 2
    hole[5, 8, 8] = 0
    cases = [case(speck), case(hole), case(truth())]
    chosen = choose(
        cases,
        LABELS,
        # 36 voxels per slice and more are tumour: the last step would take them all.
        Postprocessing(closed_holes_ml=1, small_parts_ml=0.1, slivers_ml=50),
    )
    assert chosen == Postprocessing(closed_holes_ml=1, small_parts_ml=0.1)


def test_a_step_that_changes_nothing_is_off():
    assert choose([case(truth())], LABELS) == Postprocessing()
    assert choose([], LABELS) == Postprocessing()


def test_one_class_may_not_pay_for_another():
    """A part of kidney that is true is as small as the specks of tumour."""
    prediction, real = truth(), truth()
    real[0, 0, 0:3] = prediction[0, 0, 0:3] = 1
    prediction[0, 0, 25:28] = 2
    held_out = HeldOut(prediction, real, SPACING_MM)
    plan = Postprocessing(small_parts_ml=0.1)
    assert choose([lambda: held_out], LABELS, plan) == Postprocessing()


def test_a_class_that_no_case_shows_has_no_say():
    prediction = np.where(truth() == 2, 1, truth())
    prediction[5, 8, 8] = 0
    held_out = HeldOut(prediction, np.where(truth() == 2, 1, truth()), SPACING_MM)
    plan = Postprocessing(closed_holes_ml=1)
    assert choose([lambda: held_out], LABELS, plan) == plan
