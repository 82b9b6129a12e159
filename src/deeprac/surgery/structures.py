"""From a label map to kidneys with sides and tumours one by one."""

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from deeprac.cohort.frame import FRAME
from deeprac.cohort.grid import Grid
from deeprac.labels import CohortLabels, Label
from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure
from deeprac.surgery.flags import Flag
from deeprac.surgery.kidneys import Kidneys, disagreement, find_kidneys
from deeprac.surgery.parts import Parts, touching
from deeprac.surgery.tumours import InstanceRule, Tumours, find_tumours


def anatomy_of(
    label: sitk.Image, labels: CohortLabels, rule: InstanceRule | None = None
) -> tuple[Anatomy, tuple[Flag, ...]]:
    """Find kidneys, tumours and cysts in a label map.

    Args:
        label: in any orientation; its numbers are those of ``labels``.
        labels: what the numbers mean.
        rule: which parts of tumour count; None for ``InstanceRule()``.

    Returns:
        The structures, numbered from 1: kidneys (left before right), tumours (the
        largest first), cysts; and what is doubtful about them.
    """
    turned = sitk.DICOMOrient(label, FRAME)
    numbers = sitk.GetArrayFromImage(turned).astype(np.uint8, copy=False)
    whole = Anatomy(numbers, Grid.of(turned), ())
    # The sides need no more than the directions and the spacing of the grid.
    part = whole.cropped()
    kidney_parts = Parts.of(np.isin(part.numbers, labels.kidney))
    tumour_parts = Parts.of(part.numbers == Label.TUMOUR)
    touches = list(touching(kidney_parts, tumour_parts, part.spacing_mm))
    kidneys = find_kidneys(kidney_parts, tumour_parts, touches, part.grid)
    of_voxel = kidneys.of_part[kidney_parts.numbers]
    tumours = find_tumours(
        tumour_parts,
        [(int(kidneys.of_part[k]), tumour, area) for k, tumour, area in touches],
        of_voxel,
        part.spacing_mm,
        rule or InstanceRule(),
    )
    flags = kidneys.flags + tumours.flags
    if labels.sides:
        flags += disagreement(
            _by_model(part.numbers, labels),
            {
                side: of_voxel == number
                for number, side in enumerate(kidneys.sides, start=1)
                if side is not BodySide.UNKNOWN
            },
        )
    cysts = np.zeros(part.numbers.shape, bool)
    if labels.cysts:
        cysts = part.numbers == labels.numbers["cyst"]
    structures = _structures(kidneys, tumours, cysts=bool(cysts.any()))
    of_tumour = _numbers_of_tumours(tumours, len(kidneys.sides))
    # In place: a large volume is not held twice.
    part.numbers[...] = of_voxel + of_tumour[tumour_parts.numbers]
    part.numbers[cysts] = len(structures)
    return Anatomy(numbers, whole.grid, structures), flags


def _by_model(
    numbers: NDArray[np.uint8], labels: CohortLabels
) -> Mapping[BodySide, NDArray[np.bool_]]:
    """What the label map itself calls left and right kidney."""
    return {
        side: numbers == labels.numbers[f"kidney_{side}"]
        for side in (BodySide.LEFT, BodySide.RIGHT)
    }


def _structures(
    kidneys: Kidneys, tumours: Tumours, *, cysts: bool
) -> tuple[Structure, ...]:
    found = [
        Structure(number, Kind.KIDNEY, side)
        for number, side in enumerate(kidneys.sides, start=1)
    ]
    side_of = dict(enumerate(kidneys.sides, start=1))
    for instance in range(1, tumours.count + 1):
        (part,) = np.flatnonzero(tumours.of_part == instance)
        side = side_of.get(int(tumours.kidney_of_part[part]), BodySide.UNKNOWN)
        found.append(Structure(len(found) + 1, Kind.TUMOUR, side, instance))
    if cysts:
        found.append(Structure(len(found) + 1, Kind.CYST, BodySide.UNKNOWN))
    return tuple(found)


def _numbers_of_tumours(tumours: Tumours, kidneys: int) -> NDArray[np.uint8]:
    """Number of the structure that each part of tumour becomes."""
    counted = tumours.of_part > 0
    of_part = np.where(counted, tumours.of_part + kidneys, tumours.kidney_of_part)
    of_part[0] = 0
    return of_part.astype(np.uint8)
