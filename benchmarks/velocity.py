"""Do random velocity fields fold, how exact are their inverses, and what do they cost?

    PYTHONPATH=src python benchmarks/velocity.py

Draws 1000 fields of several strengths, at several sizes of a slice, and follows them
and their inverses; and times what they add to nnU-Net's augmentation of a batch. Writes
docs/data/velocity.csv and velocity_time.csv, and their tables into
docs/diffeomorphisms.md, in a minute on one core. All numbers but times come out
again.
"""

import math
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from deeprac.config import load_config
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
from deeprac.training.batched import BatchedAugmentation
from deeprac.training.fields import RandomFields, with_fields
from deeprac.training.nnunet import adapted

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "data" / "velocity.csv"
TIMES = DATA.with_name("velocity_time.csv")
PAGE = ROOT / "docs" / "diffeomorphisms.md"

SIDES_PX = (32, 64, 128)
SPECTRA = ((0.025, 0.2), (0.05, 0.2), (0.1, 0.2), (0.05, 0.1))
"""Displacement and smoothness; the second is the default of augment_svf."""
FIELDS = 1000
BATCH = 100
BATCH_OF_TRAINING = 8
REPEATS = 20
TIMED_SIDES_PX = (64, 128, 512)
METHOD = "nnunet_augment_svf"
"""Whose augmentation is timed, with its fields and without."""


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


def times(side_px: int) -> dict[str, float]:
    """Time a batch: the fields alone, and nnU-Net's augmentation without and with."""
    size, count = (side_px, side_px), BATCH_OF_TRAINING
    velocity = random_velocities(count, displacement=0.05, smoothness=0.2)
    images, matrix = torch.rand(count, 1, *size), identity(count)
    labels = (images > 0.9).to(torch.int16)
    plain, bent = (augmentation(side_px, fields=fields) for fields in (False, True))
    calls: dict[str, Callable[[], object]] = {
        "warp_ms": lambda: warp(images, matrix, size, fill=0.0),
        "fields_ms": lambda: exponential(velocity, size),
        "augment_ms": lambda: plain(images, labels),
        "augment_with_fields_ms": lambda: bent(images, labels),
    }
    # Side by side: other work on the machine slows all.
    taken = [
        {name: _seconds(call) for name, call in calls.items()} for _ in range(REPEATS)
    ]
    found = 1000 * pd.DataFrame(taken)
    # A warp is always the same; what is drawn for a batch is not.
    return {
        "side_px": side_px,
        **found[["warp_ms", "fields_ms"]].min(),
        **found[["augment_ms", "augment_with_fields_ms"]].mean(),
    }


def augmentation(side_px: int, *, fields: bool) -> BatchedAugmentation:
    """nnU-Net's, as a training of METHOD has it, with its fields or without."""
    method = load_config([ROOT / "config" / "config.yaml"]).methods[METHOD]
    transforms = adapted(
        nnUNetTrainer.get_training_transforms(
            (side_px, side_px), (-math.pi, math.pi), None, (0, 1), False
        ),
        air=-1.0,
        scale=method.augment_scale,
    )
    if fields:
        transforms = with_fields(transforms, RandomFields(**method.augment_svf))
    return BatchedAugmentation(transforms, 3, torch.device("cpu"))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure() -> pd.DataFrame:
    """All rows."""
    rows = []
    for side_px, spectrum in product(SIDES_PX, SPECTRA):
        rows.append(row(side_px, *spectrum))
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
    )
    title = f"{FIELDS} random fields a row; displacement and motion by the width"
    return Table("velocity", title, rows, (Part(columns, rows),), ())


def time_table(rows: pd.DataFrame) -> Table:
    """To read."""
    rows = rows.assign(
        over_one_warp=rows.fields_ms / rows.warp_ms,
        ratio=rows.augment_with_fields_ms / rows.augment_ms,
    )
    group = f"Augmentation of {BATCH_OF_TRAINING} slices"
    columns = (
        number("side_px", "Slice, px"),
        number("over_one_warp", "Fields, times one warp", "{:.0f}".format),
        number("augment_ms", "without, ms", "{:.0f}".format, group=group),
        number("augment_with_fields_ms", "with, ms", "{:.0f}".format, group=group),
        number("ratio", "ratio", "{:.1f}".format, group=group),
    )
    title = "Time on one core"
    return Table("velocity_time", title, rows, (Part(columns, rows),), ())


def with_tables(text: str) -> str:
    """Return the page with the tables of what was measured."""
    makers = {
        "velocity": lambda: markdown(table(pd.read_csv(DATA))),
        "velocity_time": lambda: markdown(time_table(pd.read_csv(TIMES))),
    }
    return blocks.with_tables(text, makers)


if __name__ == "__main__":
    torch.set_num_threads(1)
    timed = pd.DataFrame(map(times, TIMED_SIDES_PX))
    timed.round(3).to_csv(TIMES, index=False)
    measure().round(5).to_csv(DATA, index=False)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
