"""Write the tables of docs/calibration.md: phantoms beside published figures.

    PYTHONPATH=src python docs/calibration.py

draws the phantoms of docs/data/phantoms.csv anew, without a picture of them, in a
minute. A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`.
Poses were measured by `benchmarks/pose_spread.py`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deeprac.cohort.phantom import PhantomSource
from deeprac.cohort.phantom.anatomy import seen_volume_ml
from deeprac.cohort.phantom.published import (
    ADULT_FIELD_MM,
    AGE_YEARS,
    FIELD_MM,
    RENAL_CELL_MM,
    WILMS_ML,
    Published,
)
from deeprac.config import load_config
from deeprac.reporting import blocks
from deeprac.reporting.render import markdown
from deeprac.reporting.tables.table import Part, Table, number, words

DOCS = Path(__file__).parent
PAGE = DOCS / "calibration.md"
DRAWN = DOCS / "data" / "phantoms.csv"
POSES = DOCS / "data" / "pose_spread.csv"

PHANTOMS = 200
GROUPS: dict[str, dict[str, Any]] = {
    "mixed": {},
    "diagnosis": {"stage": "diagnosis"},
    "after_chemotherapy": {"stage": "after_chemotherapy"},
    "adults": {"ages": (18.0, 80.0)},
}
"""What is changed about the phantoms of the default configuration."""

COMPARED: tuple[tuple[Published, str, str], ...] = (
    (AGE_YEARS, "mixed", "age_years"),
    (FIELD_MM, "mixed", "field_mm"),
    (ADULT_FIELD_MM, "adults", "field_mm"),
    (WILMS_ML["diagnosis"], "diagnosis", "seen_ml"),
    (WILMS_ML["after_chemotherapy"], "after_chemotherapy", "seen_ml"),
    (RENAL_CELL_MM, "adults", "diameter_mm"),
)
"""Published figures, and the phantoms and the quantity that they are about."""

QUANTILES = (5, 25, 50, 75, 90, 95)
SHOWN = {f"p{percent}": f"{percent} %" for percent in QUANTILES} | {"sd": "SD"}
POSE_TITLES = {
    "radius_share": ("size, % of the frame", 100),
    "body_share": ("size, % of the body's with its fat", 100),
    "angle_deg": ("angle, degrees", 1),
    "x_share": ("centre, % of the frame to the left", 100),
    "y_share": ("centre, % of the frame to the back", 100),
}


def drawn(group: str, indices: range) -> Iterator[dict[str, Any]]:
    """Draw phantoms of a group; one row each."""
    phantom = load_config([]).cohort.phantom
    source = PhantomSource(replace(phantom, **GROUPS[group]))
    for index in indices:
        anatomy, scan, _ = source.draw(index)
        # The first tumour is the larger one.
        tumour = anatomy.tumours[0]
        ellipsoid = 4 / 3 * np.pi * np.prod(tumour.shape.axes_mm)
        yield {
            "group": group,
            "index": index,
            "age_years": anatomy.age_years,
            "field_mm": scan.matrix * scan.pixel_mm,
            "diameter_mm": 2 * np.cbrt(np.prod(tumour.shape.axes_mm)),
            "ellipsoid_ml": ellipsoid / 1000,
            "seen_ml": seen_volume_ml(anatomy.torso, tumour),
        }


def with_tables(text: str) -> str:
    """Return the page with every table as the data have it."""
    phantoms = pd.read_csv(DRAWN)
    makers = {
        "published": lambda: markdown(published_table(phantoms)),
        "volumes": lambda: markdown(volumes_table(phantoms)),
        "poses": lambda: markdown(poses_table(pd.read_csv(POSES))),
    }
    return blocks.with_tables(text, makers)


def published_table(phantoms: pd.DataFrame) -> Table:
    """Quantiles of every published figure and of the phantoms beside it."""
    rows = []
    for one, group, quantity in COMPARED:
        values = phantoms[phantoms.group == group][quantity]
        percents = [percent for percent in QUANTILES if percent in one.quantiles]
        told = {f"p{percent}": one.quantiles[percent] for percent in percents}
        rows += [
            {"of": one.title, "who": "published", "n": one.patients} | told,
            {"of": one.title, "who": f"phantoms: {group}", "n": len(values)}
            | quantiles(values, percents),
        ]
    notes = tuple(f"{one.title}: {one.source}." for one, _, _ in COMPARED)
    return _table("Published and drawn", rows, notes)


def volumes_table(phantoms: pd.DataFrame) -> Table:
    """What a body leaves of the volumes that a stage asks for."""
    rows = []
    for stage in ("mixed", *WILMS_ML):
        if stage in WILMS_ML:
            asked_ml = WILMS_ML[stage].log_normal()
            asked = {f"p{q}": asked_ml.quantile(q) for q in QUANTILES}
            rows.append({"of": stage, "who": "asked for"} | asked)
        of_stage = phantoms[phantoms.group == stage]
        for key, title in (("ellipsoid_ml", "ellipsoid"), ("seen_ml", "seen")):
            row = {"of": stage, "who": title, "n": len(of_stage)}
            rows.append(row | quantiles(of_stage[key], QUANTILES))
    return _table("Volumes, ml", rows)


def poses_table(poses: pd.DataFrame) -> Table:
    """Size, pose and position of silhouettes of real CT and of phantoms."""
    rows = []
    for quantity, (title, unit) in POSE_TITLES.items():
        for row in poses[poses.quantity == quantity].to_dict("records"):
            numbers = {key: unit * row[key] for key in SHOWN if key in row}
            of = {"of": title, "who": row["group"], "n": row["patients"]}
            rows.append(of | numbers)
    return _table("Silhouettes", rows)


def quantiles(values: pd.Series, percents: Iterable[int]) -> dict[str, float]:
    """Quantiles by the names of their columns."""
    return {f"p{percent}": np.percentile(values, percent) for percent in percents}


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _table(
    title: str, rows: list[dict[str, Any]], notes: tuple[str, ...] = ()
) -> Table:
    """A table of quantiles, one row each."""
    frame = pd.DataFrame(rows)
    columns = [
        words("of", "Quantity"),
        words("who", "Of"),
        number("n", "n", "{:.0f}".format),
        *(number(key, name, _short) for key, name in SHOWN.items()),
    ]
    there = tuple(column for column in columns if column.keys[0] in frame)
    return Table("quantiles", title, frame, (Part(there, frame),), notes)


if __name__ == "__main__":
    rows = [row for group in GROUPS for row in drawn(group, range(PHANTOMS))]
    pd.DataFrame(rows).to_csv(DRAWN, index=False, float_format="%.4f")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
