"""What each kind of window would do to a cohort whose boxes are known. No torch."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deeprac.windows import KINDS, WindowKind, holds, moved, place

BOXES = ("labels", "left", "right")
"""Of a case in cases.csv: around all labels, and each kidney with its tumours."""

EDGES = ("x_low", "y_low", "x_high", "y_high")

MARGINS = (0.0, 0.1, 0.15, 0.2)
"""Added to the sides of a box, as a share of them."""

SIZED_BY = 0.975
"""Quantile over the patients whose need is the size of all windows."""

BOX_ERROR = 0.05
DRAWS = 10
SEED = 2021
"""The trial: the true box with centre and both sides moved by a uniform share of the
side, so often per case."""


def boxes_of(cases: pd.DataFrame) -> tuple[NDArray, NDArray]:
    """The boxes in cases.csv, as windows take them.

    Kidneys whose labels are in one piece do not count as told apart: in a coarse
    segmentation they merge.

    Args:
        cases: columns ``labels_x_low`` to ``right_y_high`` and ``components``.

    Returns:
        (cases, 4) of all labels, (cases, 2, 4) of each kidney with its tumours.
    """
    whole, left, right = (
        cases[[f"{which}_{edge}" for edge in EDGES]].to_numpy(float) for which in BOXES
    )
    kidneys = np.stack([left, right], axis=1)
    kidneys[cases.components.to_numpy() < 2] = np.nan
    return whole, kidneys


def trial_boxes(
    whole: NDArray, kidneys: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wrong boxes of every case, the same for every kind.

    Args:
        whole: (cases, 4).
        kidneys: (cases, 2, 4).

    Returns:
        (draws, cases, 4) and (draws, cases, 2, 4).
    """
    rng = np.random.default_rng(SEED)
    return (
        moved(np.broadcast_to(whole, (DRAWS, *whole.shape)), BOX_ERROR, rng),
        moved(np.broadcast_to(kidneys, (DRAWS, *kidneys.shape)), BOX_ERROR, rng),
    )


def common_share(
    kind: WindowKind, whole: NDArray, kidneys: NDArray, margin: float
) -> float:
    """Size that windows of a kind have in all cases, from what the patients need.

    Args:
        kind: the shape.
        whole: (cases, 4) true boxes.
        kidneys: (cases, 2, 4).
        margin: as a share of the sides.

    Returns:
        The ``SIZED_BY`` quantile over the cases that do not fall back.
    """
    true = place(kind, whole, kidneys, margin=margin)
    needed = true.width_share[~true.fallback]
    return float(np.quantile(needed if len(needed) else true.width_share, SIZED_BY))


def window_table(cases: pd.DataFrame) -> pd.DataFrame:
    """Judge every kind of window by the boxes of a cohort.

    ``need_*`` is the share of the frame's width that the true boxes need. The rest is
    counted over the draws of a trial with wrong boxes: ``inside`` the share of draws in
    which the windows hold all labels, ``cases_always_inside`` that of cases in which
    all draws do, ``fallback`` and ``grown`` shares of draws, ``density`` pixels per
    length in units of the full input's, whatever window a case got.

    Args:
        cases: as cases.csv.

    Returns:
        One row per kind, margin and sizing (``common`` or ``per patient``).
    """
    rows = [
        row
        for kind in KINDS
        for margin in MARGINS
        for row in _rows(kind, margin, *boxes_of(cases))
    ]
    return pd.DataFrame(rows)


def _rows(
    kind: WindowKind, margin: float, whole: NDArray, kidneys: NDArray
) -> Iterator[dict[str, Any]]:
    true = place(kind, whole, kidneys, margin=margin)
    needed = true.width_share[~true.fallback]
    about = {
        "kind": kind.name,
        "windows": kind.windows,
        "width_px": kind.width_px,
        "height_px": kind.height_px,
        "feature_map": "x".join(map(str, kind.feature_map)),
        "flops_share": kind.flops_share,
        "margin": margin,
        "cases": len(whole),
        "need_median": float(np.median(needed)) if len(needed) else np.nan,
        **{
            f"need_{name}": float(np.quantile(needed, at)) if len(needed) else np.nan
            for name, at in (("p95", 0.95), ("p97_5", 0.975), ("max", 1))
        },
    }
    common = common_share(kind, whole, kidneys, margin)
    for sizing, share in (("common", common), ("per patient", None)):
        found = place(
            kind, *trial_boxes(whole, kidneys), margin=margin, width_share=share
        )
        inside = holds(found, whole, kidneys)
        density = kind.density(found.width_share)
        yield about | {
            "sizing": sizing,
            "width_share": np.median(found.width_share) if share is None else share,
            "inside": inside.mean(),
            "cases_always_inside": inside.all(axis=0).mean(),
            "fallback": found.fallback.mean(),
            "grown": found.grown.mean(),
            "density_median": np.median(density),
            "density_p5": np.quantile(density, 0.05),
        }
