"""Steps that mend a label map after the network, each with a limit of its own.

Steps are chosen on held-out predictions (``choose_steps``) and are off elsewhere. They
work on a label map [z, y, x] with the cohort's numbers, on axes ordered LPS.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from deeprac.errors import BundleError
from deeprac.labels import CohortLabels, Label
from deeprac.surgery.anatomy import bounding_box
from deeprac.surgery.extents import Spacing, surface_points
from deeprac.surgery.flags import Flag
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.parts import Parts, touching

Labels = NDArray[np.uint8]

COLUMNS = ("step", "label", "change_ml", "parts", "largest_ml")
"""Of ``changes.csv``: one row per step and label that it changed. ``change_ml`` is what
the label gained, ``largest_ml`` the largest part that it gained or lost."""


@dataclass(frozen=True)
class Postprocessing:
    """The steps of ``postprocessing.json``, in their order; None: a step is off.

    Attributes:
        slice_gaps_ml: a label that a slice lacks is filled in where the slices above
            and below both show it, up to this volume per gap.
        closed_holes_ml: background enclosed in kidney and tumour becomes what surrounds
            it most, up to this volume per hole.
        slivers_ml: parts of kidney or tumour up to this volume that touch the other
            become it.
        small_parts_ml: parts of kidney or tumour below this volume are removed, but for
            the largest of each.
        far_tumours_mm: parts of tumour farther than this from every kidney are removed.
    """

    slice_gaps_ml: float | None = None
    closed_holes_ml: float | None = None
    slivers_ml: float | None = None
    small_parts_ml: float | None = None
    far_tumours_mm: float | None = None

    @classmethod
    def from_json(cls, stored: Any) -> "Postprocessing":
        """The steps from ``postprocessing.json``.

        Raises:
            BundleError: it lists other steps, or limits that are no positive numbers.
        """
        names = {field.name for field in fields(cls)}
        steps = stored.get("steps") if isinstance(stored, dict) else None
        if not isinstance(steps, dict) or set(steps) != names:
            raise BundleError(
                f"postprocessing.json lists the steps {', '.join(sorted(names))}, each "
                "with its limit or null. Take the file of a bundle of this version."
            )
        for name, limit in steps.items():
            number = isinstance(limit, int | float) and not isinstance(limit, bool)
            if limit is not None and not (number and 0 < limit < np.inf):
                raise BundleError(
                    f"postprocessing.json: {name} is {limit!r}. Give a number above 0, "
                    "or null to leave the step out."
                )
        return cls(**steps)

    def as_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        return {"steps": asdict(self)}

    @property
    def steps(self) -> dict[str, float]:
        """The limits of the steps that are on, in their order."""
        return {name: x for name, x in asdict(self).items() if x is not None}


CANDIDATES = Postprocessing(
    slice_gaps_ml=20.0,
    closed_holes_ml=5.0,
    slivers_ml=0.5,
    small_parts_ml=0.5,
    far_tumours_mm=20.0,
)
"""The steps that are tried on held-out predictions."""


@dataclass(frozen=True)
class Scan:
    """One label map and what its steps need to know."""

    labels: CohortLabels
    spacing_mm: Spacing

    def voxels(self, volume_ml: float) -> float:
        """How many voxels have a volume."""
        return volume_ml * 1000 / float(np.prod(self.spacing_mm))

    @property
    def classes(self) -> tuple[int, ...]:
        """The numbers of kidney and tumour."""
        return *self.labels.kidney, int(Label.TUMOUR)


def postprocess(
    numbers: Labels, labels: CohortLabels, spacing_mm: Spacing, plan: Postprocessing
) -> tuple[Labels, pd.DataFrame]:
    """Apply the steps that are on.

    Args:
        numbers: [z, y, x] label map; left as it is.
        labels: what its numbers mean.
        spacing_mm: (z, y, x).
        plan: the steps.

    Returns:
        The label map, and what each step changed: ``COLUMNS``.
    """
    scan = Scan(labels, spacing_mm)
    # No step reaches beyond what is labelled.
    box = bounding_box(numbers)
    part = numbers[box]
    changes: list[tuple] = []
    for name, limit in plan.steps.items():
        mended = STEPS[name](part, limit, scan)
        changes += _changes(name, part, mended, scan)
        part = mended
    result = numbers.copy()
    result[box] = part
    return result, pd.DataFrame(changes, columns=list(COLUMNS))


def change_flags(changes: pd.DataFrame) -> tuple[Flag, ...]:
    """Flags of the large parts among what ``postprocess`` changed."""
    return tuple(
        flag
        for row in changes.itertuples()
        for flag in LIMITS["removed_part"].flags(
            row.largest_ml,
            f"post-processing ({row.step}) changed a part of {row.largest_ml:.1f} ml "
            f"of {row.label}",
        )
    )


def _changes(name: str, before: Labels, after: Labels, scan: Scan) -> Iterator[tuple]:
    """What a step changed, one row per label."""
    changed = before != after
    if not changed.any():
        return
    voxel_ml = 1 / scan.voxels(1)
    for title, number in scan.labels.foreground.items():
        gained, lost = ((x == number) & changed for x in (after, before))
        parts = [Parts.of(mask).voxels[1:] for mask in (gained, lost)]
        if sizes := [int(size) for found in parts for size in found]:
            net = int(parts[0].sum()) - int(parts[1].sum())
            yield name, title, net * voxel_ml, len(sizes), max(sizes) * voxel_ml


def _slice_gaps(numbers: Labels, limit_ml: float, scan: Scan) -> Labels:
    mended = numbers.copy()
    in_slice = ndimage.generate_binary_structure(2, 2)
    for number in scan.classes:
        shown = numbers == number
        for z in range(1, len(numbers) - 1):
            both = shown[z - 1] & shown[z + 1]
            gaps, count = ndimage.label(both, in_slice)
            # Where the slice shows anything, it is a change of shape, not a gap.
            filled = set(np.unique(gaps[numbers[z] > 0]).tolist())
            sizes = np.bincount(gaps.ravel(), minlength=count + 1)
            for gap in set(range(1, count + 1)) - filled:
                if sizes[gap] <= scan.voxels(limit_ml):
                    mended[z][gaps == gap] = number
    return mended


def _closed_holes(numbers: Labels, limit_ml: float, scan: Scan) -> Labels:
    mended = numbers.copy()
    shown = numbers > 0
    # Face by face: what touches the outside at an edge only is enclosed.
    holes, _ = ndimage.label(ndimage.binary_fill_holes(shown) & ~shown)
    for hole, box in enumerate(ndimage.find_objects(holes), start=1):
        around = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
        mask = holes[around] == hole
        if np.count_nonzero(mask) <= scan.voxels(limit_ml):
            shell = ndimage.binary_dilation(mask) & ~mask
            most = np.bincount(numbers[around][shell]).argmax()
            mended[around][mask] = most
    return mended


def _slivers(numbers: Labels, limit_ml: float, scan: Scan) -> Labels:
    mended = numbers.copy()
    kidney = Parts.of(np.isin(numbers, scan.labels.kidney))
    tumour = Parts.of(numbers == Label.TUMOUR)
    most = scan.voxels(limit_ml)
    touches = sorted(touching(kidney, tumour, scan.spacing_mm), key=lambda t: t[2])
    # Sorted, so that the largest contact counts in the end.
    of_kidney = {k: t for k, t, _ in touches if kidney.voxels[k] <= most}
    of_tumour = {t: k for k, t, _ in touches if tumour.voxels[t] <= most}
    for part, other in of_kidney.items():
        # Of two slivers that touch, only the smaller one changes.
        if tumour.voxels[other] >= kidney.voxels[part]:
            mended[kidney.numbers == part] = Label.TUMOUR
    for part, other in of_tumour.items():
        if kidney.voxels[other] > tumour.voxels[part]:
            own = numbers[kidney.numbers == other]
            mended[tumour.numbers == part] = np.bincount(own).argmax()
    return mended


def _small_parts(numbers: Labels, limit_ml: float, scan: Scan) -> Labels:
    mended = numbers.copy()
    for mask in (np.isin(numbers, scan.labels.kidney), numbers == Label.TUMOUR):
        parts = Parts.of(mask)
        small = parts.voxels < scan.voxels(limit_ml)
        small[[0, *parts.by_size[:1]]] = False
        mended[small[parts.numbers]] = Label.BACKGROUND
    return mended


def _far_tumours(numbers: Labels, limit_mm: float, scan: Scan) -> Labels:
    kidney = np.isin(numbers, scan.labels.kidney)
    parts = Parts.of(numbers == Label.TUMOUR)
    if not kidney.any() or not parts.by_size:
        return numbers
    mended = numbers.copy()
    tree = KDTree(surface_points(kidney, scan.spacing_mm))
    for part in parts.by_size:
        mask = parts.numbers == part
        distances, _ = tree.query(surface_points(mask, scan.spacing_mm))
        if distances.min() > limit_mm:
            mended[mask] = Label.BACKGROUND
    return mended


STEPS: Mapping[str, Callable[[Labels, float, Scan], Labels]] = {
    "slice_gaps_ml": _slice_gaps,
    "closed_holes_ml": _closed_holes,
    "slivers_ml": _slivers,
    "small_parts_ml": _small_parts,
    "far_tumours_mm": _far_tumours,
}
"""What each step of ``Postprocessing`` does; none changes the label map it is given."""
