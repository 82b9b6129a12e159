"""Do random velocity fields fold, how exact are their inverses, and what do they cost?

    PYTHONPATH=src python benchmarks/velocity.py

Draws 1000 fields of several strengths, at several sizes of a slice, and follows them
and their inverses. Writes docs/data/velocity.csv, and its table into
docs/diffeomorphisms.md, in two minutes on one core. All numbers but times come out
again.
"""

import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pandas as pd
import torch

from deeprac.geometry.similarity import identity
from deeprac.geometry.velocity import (
    determinants,
    exponential,
    folded_share,
    inverse_error_px,
    pixel_points,
    random_velocities,
)
from deeprac.geometry.warp import warp
from deeprac.reporting import blocks, formats
from deeprac.reporting.render import markdown
from deeprac.reporting.tables.table import Part, Table, number

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "data" / "velocity.csv"
PAGE = ROOT / "docs" / "diffeomorphisms.md"

SIDES_PX = (32, 64, 128)
SPECTRA = ((0.025, 0.2), (0.05, 0.2), (0.1, 0.2), (0.05, 0.1))
"""Displacement and smoothness; the second is the default of augment_svf."""
FIELDS = 1000
BATCH = 100
BATCH_OF_TRAINING = 8
REPEATS = 20


def row(
    side_px: int, displacement: float, smoothness: float, fields: int = FIELDS
) -> dict[str, float]:
    """Measure fields of one strength at one size."""
    size, centres = (side_px, side_px), pixel_points((side_px, side_px))
    torch.manual_seed(0)
    moved, worst, folded, smallest, largest = [], [], 0, [], []
    for _ in range(fields // BATCH):
        velocity = random_velocities(
            BATCH, displacement=displacement, smoothness=smoothness
        )
        points = exponential(velocity, size)
        worst.append(inverse_error_px(velocity, points))
        moved.append((points - centres).norm(dim=1).flatten() / 2)
        folded += int((folded_share(points) > 0).sum())
        areas = determinants(points)
        smallest.append(areas.amin((1, 2, 3)))
        largest.append(areas.amax((1, 2, 3)))
    errors = torch.cat(worst)
    return {
        "side_px": side_px,
        "displacement": displacement,
        "smoothness": smoothness,
        "fields": fields,
        "median_displacement": torch.cat(moved).median().item(),
        "inverse_error_median_px": errors.median().item(),
        "inverse_error_worst_px": errors.max().item(),
        "folded": folded,
        "smallest_determinant": torch.cat(smallest).min().item(),
        "largest_determinant": torch.cat(largest).max().item(),
    }


def over_one_warp(side_px: int) -> float:
    """Seconds to follow a batch of fields, over those to sample its images once."""
    size, count = (side_px, side_px), BATCH_OF_TRAINING
    velocity = random_velocities(count, displacement=0.05, smoothness=0.2)
    images, matrix = torch.rand(count, 1, *size), identity(count)
    ours, one = ([], [])
    for _ in range(REPEATS):  # side by side: other work on the machine slows both
        ours.append(_seconds(lambda: exponential(velocity, size)))
        one.append(_seconds(lambda: warp(images, matrix, size, fill=0.0)))
    return min(ours) / min(one)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure() -> pd.DataFrame:
    """All rows."""
    torch.set_num_threads(1)
    cost = {side_px: over_one_warp(side_px) for side_px in SIDES_PX}
    rows = []
    for side_px, spectrum in product(SIDES_PX, SPECTRA):
        rows.append(row(side_px, *spectrum) | {"over_one_warp": cost[side_px]})
        sys.stderr.write(f"{rows[-1]}\n")
    return pd.DataFrame(rows)


def table(rows: pd.DataFrame) -> Table:
    """To read."""
    share, error = formats.percent_1, "{:.3f}".format
    columns = (
        number("side_px", "Slice, px"),
        number("displacement", "Displacement, %", share),
        number("smoothness", "Smoothness, %", share),
        number("median_displacement", "Pixels move, %", share),
        number("folded", "Fields with folds"),
        number("smallest_determinant", "least", "{:.2f}".format, group="Areas, times"),
        number("largest_determinant", "most", "{:.2f}".format, group="Areas, times"),
        number("inverse_error_median_px", "median", error, group="Inverse, px"),
        number("inverse_error_worst_px", "worst", error, group="Inverse, px"),
        number("over_one_warp", "Time of warps", "{:.0f}".format),
    )
    title = f"{FIELDS} random fields a row; displacement and motion by the width"
    return Table("velocity", title, rows, (Part(columns, rows),), ())


def with_tables(text: str) -> str:
    """Return the page with the table of what was measured."""
    makers = {"velocity": lambda: markdown(table(pd.read_csv(DATA)))}
    return blocks.with_tables(text, makers)


if __name__ == "__main__":
    measure().round(5).to_csv(DATA, index=False)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
