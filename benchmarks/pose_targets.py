"""What a localiser could be taught: silhouette or kidneys, against the truth.

    PYTHONPATH=src python benchmarks/pose_targets.py

Draws phantoms as they are, with their arms down and on a cushion, computes the pose of
each from the labelled slices in several ways, and compares it to the true similarity.
A target that differs from the truth by one similarity for all is as good as the truth;
what counts is how much it varies around that. Writes docs/data/pose_targets.csv, and
its table into docs/method.md, in a minute on one core. The same numbers come out every
time.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray

from deeprac.cohort.phantom import PhantomSource
from deeprac.config import load_config
from deeprac.evaluation.poses import Poses, spread
from deeprac.geometry.planar import (
    compose,
    invert,
    similarity,
    transform_points,
)
from deeprac.geometry.square import Square
from deeprac.labels import Label
from deeprac.networks.normalisers import MomentNormaliser
from deeprac.preprocessing.case_poses import case_pose
from deeprac.preprocessing.intensity import normalised, normalised_air
from deeprac.records.case_poses import CASE_POSE_COLUMNS, TRUTH_COLUMNS
from deeprac.reporting import blocks, formats
from deeprac.reporting.render import markdown
from deeprac.reporting.tables.table import Part, Table, number, words
from deeprac.settings.cohort import SCENES

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "data" / "pose_targets.csv"
PAGE = ROOT / "docs" / "method.md"
CONFIG = ROOT / "config" / "budget.yaml"
CASES = 48

FINGERPRINT = {
    "foreground_intensity_properties_per_channel": {
        "0": {
            "mean": 100.0,
            "std": 70.0,
            "percentile_00_5": -60.0,
            "percentile_99_5": 300.0,
        }
    }
}
"""About that of contrast-enhanced kidneys: silhouettes need no more."""

KIDNEYS = {
    "kidneys": [Label.KIDNEY],
    "kidneys with tumours": [Label.KIDNEY, Label.TUMOUR],
}
"""Targets by two points, the mean of what lies on the left and on the right."""


def two_points(
    labels: NDArray, of: Sequence[int], image_from_canonical: NDArray
) -> NDArray[np.float64]:
    """Mean place of labels on the left and on the right of the body.

    Args:
        labels: (slices, height, width) label numbers.
        of: label numbers that count.
        image_from_canonical: (2, 3), whose midline tells the sides.

    Returns:
        (2, 2) normalised points (x, y), left first; NaN for a side without labels.
    """
    points = Square(*labels.shape[1:]).from_px(
        np.argwhere(np.isin(labels, of))[:, :0:-1]
    )
    left = transform_points(invert(image_from_canonical), points)[:, 0] > 0
    sides = [points[left], points[~left]]
    return np.array([s.mean(axis=0) if len(s) else np.full(2, np.nan) for s in sides])


def pose_of(points: NDArray, canonical: NDArray) -> NDArray[np.float64]:
    """The similarity that maps two canonical points to two others.

    Args:
        points: (n, 2, 2) normalised points (x, y).
        canonical: (2, 2) where they lie in the canonical frame.

    Returns:
        (n, 2, 3) ``image_from_canonical``.
    """
    ratio = _across(points) / _across(canonical)
    pose = similarity(
        np.log(np.abs(ratio)), np.angle(ratio), np.zeros((len(points), 2))
    )
    turned = pose[:, :, :2] @ canonical.mean(axis=0)
    pose[:, :, 2] = points.mean(axis=1) - turned
    return pose


def _across(points: NDArray) -> NDArray[np.complex128]:
    """From the right point (x, y) to the left one, as a complex number."""
    way = points[..., 0, :] - points[..., 1, :]
    return way[..., 0] + 1j * way[..., 1]


def compare() -> pd.DataFrame:
    """SD around the truth of every target in every scene."""
    config = load_config([CONFIG])
    air = normalised_air(FINGERPRINT, config.cohort.air)
    moments = MomentNormaliser(asdict(config.localiser), air=air)
    rows = []
    for scene in ("as drawn", *SCENES):
        phantom = replace(config.cohort.phantom, cases=CASES, test_cases=0)
        phantom = phantom if scene == "as drawn" else phantom.in_scene(scene)
        source = PhantomSource(phantom)
        found, truth = _targets(source, moments)
        for target, poses in found.items():
            known = ~np.isnan(poses).any(axis=(1, 2))
            error = Poses.of(compose(invert(truth[known]), poses[known]))
            own = spread(error)
            constant = float(np.exp(error.median().log_scale[0]))
            rows.append(
                {"scene": scene, "target": target, "n": int(known.sum())}
                | {"size": constant, "scale_sd": own.log_scale}
                | {"angle_sd_deg": own.angle_deg, "centre_sd": own.centre}
            )
            sys.stderr.write(f"{rows[-1]}\n")
    return pd.DataFrame(rows)


def _targets(
    source: PhantomSource, moments: MomentNormaliser
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Every target of all cases, (n, 2, 3) each, and the true transforms."""
    silhouettes, truths = [], []
    points: dict[str, list[NDArray]] = {target: [] for target in KIDNEYS}
    for name in source.names():
        case = source.load(name)
        image, labels = map(sitk.GetArrayFromImage, (case.image, case.label))
        grid = dict(
            zip(
                ("spacing_x_mm", "spacing_y_mm"),
                case.image.GetSpacing()[:2],
                strict=True,
            )
        )
        size = dict(zip(("size_x", "size_y"), case.image.GetSize()[:2], strict=True))
        row = pd.Series({"case": name, **asdict(case.similarity), **size, **grid})
        told = case_pose(normalised(image, FINGERPRINT), labels, row, moments)
        for poses, columns in (
            (silhouettes, CASE_POSE_COLUMNS),
            (truths, TRUTH_COLUMNS),
        ):
            poses.append(np.array([told[c] for c in columns]).reshape(2, 3))
        for target, of in KIDNEYS.items():
            points[target].append(two_points(labels, of, truths[-1]))
    truth = np.array(truths)
    found = {"silhouette": np.array(silhouettes)}
    for target, pairs in points.items():
        upright = [
            transform_points(invert(pose), pair)
            for pose, pair in zip(truth, pairs, strict=True)
        ]
        found[target] = pose_of(np.array(pairs), np.nanmean(upright, axis=0))
    return found, truth


def table(rows: pd.DataFrame) -> Table:
    """To read: one line per scene and target."""
    columns = (
        words("scene", "Scene"),
        words("target", "Target"),
        number("n", "n"),
        number("size", "Size", formats.ratio),
        number("scale_sd", "scale, %", formats.percent, group="SD"),
        number("angle_sd_deg", "angle, degrees", formats.ratio, group="SD"),
        number("centre_sd", "centre, % of the width", formats.percent, group="SD"),
    )
    shown = rows.assign(scene=rows.scene.str.replace("_", " "))
    part = Part(columns, shown)
    return Table("pose_targets", "Targets of the pose", rows, (part,), ())


def with_tables(text: str) -> str:
    """Return the page with the table of the stored comparison."""
    makers = {"pose_targets": lambda: markdown(table(pd.read_csv(DATA)))}
    return blocks.with_tables(text, makers)


if __name__ == "__main__":
    compare().round(5).to_csv(DATA, index=False)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
