"""Phantoms that are scanned again for stress."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.phantom import PhantomSource
from deeprac.errors import CohortError
from deeprac.inference.stress import LabelledCase
from deeprac.inference.stress_scenes import scanned_again
from deeprac.records.stress import Condition, Perturbation
from support.cohort_builders import cohort_config, phantom_config

NAME = "phantom_001"
SMALL = phantom_config(matrix=48, slice_spacing_mm=(14.0, 16.0))


def labelled(phantom):
    case = PhantomSource(phantom).load(NAME)
    image, labels = map(sitk.GetArrayFromImage, (case.image, case.label))
    return LabelledCase(image, labels, case.image.GetSpacing()[::-1])


@pytest.fixture(scope="module")
def case():
    return labelled(SMALL)


def again(case, kind, **changes):
    cohort = cohort_config(phantom=replace(SMALL, **changes))
    return scanned_again(cohort, NAME, case, Condition(kind, 1.0))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (Perturbation.ARMS_DOWN, {"arms": "down"}),
        (Perturbation.CUSHION, {"cushion": True}),
    ],
)
def test_the_image_is_that_of_a_cohort_in_the_scene(case, kind, changes):
    seen = again(case, kind)
    assert np.array_equal(seen.image, labelled(replace(SMALL, **changes)).image)
    assert not np.array_equal(seen.image, case.image)
    assert (seen.labels is case.labels, seen.spacing) == (True, case.spacing)


@pytest.mark.parametrize("kind", [Perturbation.NONE, Perturbation.SHIFT])
def test_what_is_no_scene_is_not_drawn(case, kind):
    assert again(case, kind) is case


def test_another_child_is_refused(case):
    message = f"{NAME}, scanned again, is another child .* Run `deeprac cohort` again"
    with pytest.raises(CohortError, match=message):
        again(case, Perturbation.CUSHION, seed=6)
