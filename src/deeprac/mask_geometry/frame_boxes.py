"""Boxes of kidneys with their tumours in the frame, and how much windows cover.

The frame is the padded square of the axial slices, upright as it is: without an image
there is no silhouette that would tell pose and size (``geometry.moments``).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from deeprac.geometry.square import Square
from deeprac.labels import KIDNEY_AND_TUMOUR, Label
from deeprac.mask_geometry.window_table import BOXES, EDGES
from deeprac.surgery.anatomy import BodySide, Kind, bounding_box
from deeprac.surgery.kidneys import SLIVER_SHARE
from deeprac.surgery.parts import Parts
from deeprac.surgery.structures import anatomy_of
from deeprac.surgery.tumours import InstanceRule
from deeprac.windows import WindowKind, place

ALL_TUMOURS = InstanceRule(smallest_ml=0.0, most=200)
"""A window has to hold the smallest one too."""

SHARES = np.arange(0.15, 1.001, 0.05).round(2)
"""Sides of windows, as shares of the frame, at which coverage is told."""


@dataclass(frozen=True)
class CaseBoxes:
    """Where the labels of one case lie.

    Attributes:
        row: of cases.csv, without the name.
        pixels: [3, size, size] labelled voxels of all, of the left and of the right
            kidney with its tumours, counted along z; the last two 0 where the kidneys
            cannot be told apart.
        boxes: (3, 4) their boxes in the frame, NaN where there is nothing.
    """

    row: dict[str, Any]
    pixels: NDArray[np.int64]
    boxes: NDArray[np.float64]


def measure_boxes(label: sitk.Image) -> CaseBoxes:
    """Find the kidneys of a mask, and the boxes around them.

    Args:
        label: kidney 1, tumour 2, something labelled; axes ordered LPS.
    """
    numbers = sitk.GetArrayFromImage(label)
    anatomy, _ = anatomy_of(label, KIDNEY_AND_TUMOUR, ALL_TUMOURS)
    square = Square(*numbers.shape[1:])
    of_side = [
        [one for one in anatomy.structures if one.side is side]
        for side in (BodySide.LEFT, BodySide.RIGHT)
    ]
    kidneys = anatomy.of_kind(Kind.KIDNEY)
    masks = [numbers > 0, *(anatomy.mask(*structures) for structures in of_side)]
    pixels = np.stack([square.pad(mask.sum(axis=0), 0) for mask in masks])
    boxes = np.stack([_box(counts) for counts in pixels])
    width, height = (boxes[0, 2:] - boxes[0, :2]) / 2
    z_mm, y_mm, x_mm = anatomy.spacing_mm
    row = {
        "slices": len(numbers),
        "labelled_slices": int((numbers > 0).any(axis=(1, 2)).sum()),
        "height_px": square.height,
        "width_px": square.width,
        "spacing_z_mm": z_mm,
        "spacing_xy_mm": x_mm,
        "frame_mm": square.size * x_mm,
        "kidney_ml": np.count_nonzero(numbers == Label.KIDNEY) * anatomy.voxel_ml,
        "tumour_ml": np.count_nonzero(numbers == Label.TUMOUR) * anatomy.voxel_ml,
        "components": _components(numbers > 0),
        "kidneys": len(kidneys),
        "sides": "told" if of_side[0] and of_side[1] else "unknown",
        "width_mm": width * square.size * x_mm,
        "height_mm": height * square.size * y_mm,
        "square_share": max(width, height),
    }
    row |= {
        f"{which}_{edge}": value
        for which, box in zip(BOXES, boxes, strict=True)
        for edge, value in zip(EDGES, box, strict=True)
    }
    return CaseBoxes(row, pixels, boxes)


def _box(counts: NDArray) -> NDArray[np.float64]:
    """The box (4,) around pixels of a square, outer edges, in normalised points."""
    if not counts.any():
        return np.full(4, np.nan)
    rows, columns = bounding_box(counts)
    edges = np.array([columns.start, rows.start, columns.stop, rows.stop])
    return 2 * edges / len(counts) - 1


def _components(mask: NDArray[np.bool_]) -> int:
    """Connected parts of kidney and tumour together, slivers left out."""
    voxels = Parts.of(mask[bounding_box(mask)]).voxels[1:]
    return int((voxels >= SLIVER_SHARE * voxels.max()).sum())


def coverage_rows(
    case: CaseBoxes, kinds: Iterable[WindowKind]
) -> Iterator[dict[str, Any]]:
    """Share of the labelled voxels in windows of every size, around the true box.

    A window is centred on its box, as far as it stays inside the frame; a pair does not
    fall back here, and is left out where the kidneys cannot be told apart.

    Args:
        case: what was measured.
        kinds: one per shape.
    """
    total = case.pixels[0].sum()
    for kind in kinds:
        parts = slice(1, 3) if kind.windows > 1 else slice(0, 1)
        boxes, counts = case.boxes[parts], case.pixels[parts]
        if np.isnan(boxes).any():
            continue
        for share in SHARES:
            windows = [_fixed(kind, box, float(share)) for box in boxes]
            seen = sum(map(_seen, counts, windows))
            yield {
                "kind": kind.name,
                "width_share": float(share),
                "coverage": seen / total,
            }


def _fixed(kind: WindowKind, box: NDArray, width_share: float) -> NDArray:
    """A window (4,) of this size around the middle of a box."""
    middle = np.tile((box[:2] + box[2:]) / 2, 2)
    single = WindowKind(kind.name, kind.height_px, kind.width_px)
    nothing = np.full((2, 4), np.nan)
    placed = place(single, middle, nothing, margin=0, width_share=width_share)
    return placed.windows[0]


def _seen(counts: NDArray, window: NDArray) -> int:
    """Voxels whose centre lies in a window."""
    centres = (2 * np.arange(len(counts)) + 1) / len(counts) - 1
    columns = (window[0] <= centres) & (centres <= window[2])
    rows = (window[1] <= centres) & (centres <= window[3])
    return int(counts[rows][:, columns].sum())
