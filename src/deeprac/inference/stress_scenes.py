"""Phantoms scanned again in another scene, for stress."""

from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from deeprac.cohort.phantom import PhantomSource
from deeprac.errors import CohortError
from deeprac.inference.stress import LabelledCase
from deeprac.records.stress import Condition
from deeprac.settings.cohort import SCENES, CohortConfig


def scanned_again(
    cohort: CohortConfig, name: str, case: LabelledCase, condition: Condition
) -> LabelledCase:
    """Return a phantom as it looks in the scene of a condition, if that names one.

    Child, scan and noise are drawn from the same numbers, so that the labels are the
    same to the voxel and only what lies about the body differs.

    Args:
        cohort: the cohort's settings.
        name: of the case.
        case: the case as it is.
        condition: what is changed.

    Raises:
        CohortError: the settings give another child than the case in the cohort.
    """
    if condition.kind not in SCENES:
        return case
    drawn = PhantomSource(cohort.phantom.in_scene(condition.kind)).load(name)
    if not np.array_equal(sitk.GetArrayFromImage(drawn.label), case.labels):
        raise CohortError(
            f"stress.scenes: {name}, scanned again, is another child than in the "
            "cohort, which other settings or another version made. Run `deeprac cohort`"
            " again, and what depends on it."
        )
    return replace(case, image=sitk.GetArrayFromImage(drawn.image))
