"""Write the tables and the figure of docs/crop.md from the released geometry.

    PYTHONPATH=src python docs/crop.py

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from PIL import Image

from deeprac.evaluation.statistics.estimates import Estimate
from deeprac.evaluation.statistics.two_way import two_way_difference
from deeprac.files import read_json
from deeprac.reporting import blocks, formats
from deeprac.reporting.render import markdown
from deeprac.reporting.tables.table import Column, Part, Table, number, words
from deeprac.reporting.window_figure import draw_geometry
from deeprac.reporting.window_geometry import (
    ceilings_table,
    read_geometry,
    windows_table,
)

DOCS = Path(__file__).parent
PAGE = DOCS / "crop.md"
FIGURE = DOCS / "images" / "crop_geometry.png"
WIDTH_PX = 1250
RELEASED = DOCS.parent / "resources" / "released"
RELEASE = RELEASED / "kits23_geometry"
TRAINED = RELEASED / "crop"
KINDS = RELEASED / "crop_kinds"
CLIPPED = RELEASED / "clip"
LEARNED = {"stn": "stn", "stn_no_clutter": "never shown clutter"}
STRESSED = {"moments": "moments", **LEARNED, "stn_rectangle_half": "rectangle"}
ERRORS = {
    "scale_error": ("scale, %", formats.percent),
    "angle_error_deg": ("angle, degrees", formats.ratio),
    "centre_error": ("centre, % of the width", formats.percent),
}


def with_tables(text: str) -> str:
    """Return the page with every table as the release has it."""
    tables = read_geometry(RELEASE)
    makers = {
        "windows": lambda: markdown(windows_table(tables["windows"])),
        "wider": lambda: markdown(windows_table(tables["windows"], margin=0.15)),
        "ceilings": lambda: markdown(ceilings_table(tables["ceilings"])),
        "kinds": lambda: (KINDS / "tables/crops.md").read_text(encoding="utf-8"),
        "trained": lambda: (TRAINED / "tables/crops.md").read_text(encoding="utf-8"),
        "stress": lambda: markdown(stress_table()),
        "clip": lambda: markdown(clip_table()),
    }
    return blocks.with_tables(text, makers)


def stress_table() -> Table:
    """Dice under each condition, and the difference to the moments."""
    scores = pd.read_csv(TRAINED / "summary/stress.csv")
    means = scores.groupby(["label", "kind", "value", "experiment"]).dice.mean()
    rows = []
    for (label, kind, value), own in scores.groupby(["label", "kind", "value"]):
        row = {"label": label, "kind": kind, "value": value}
        row |= means[label, kind, value].to_dict()
        for name in LEARNED:
            found = two_way_difference(own, name, "moments")
            row |= {"n": found.n} | _ends(name, found)
        rows.append(row)
    columns = (
        words("label", "Label"),
        words("kind", "Change"),
        number("value", "by", "{:g}".format),
        *(
            number(name, title, formats.percent, group="Dice, %")
            for name, title in STRESSED.items()
        ),
        *(
            Column(title, _keys(name), formats.gain, "Minus moments, points")
            for name, title in LEARNED.items()
        ),
        number("n", "n"),
    )
    table = pd.DataFrame(rows)
    title, note = "Under stress", "Two-way intervals over patients and five seeds."
    return Table("stress", title, table, (Part(columns, table),), (note,))


def clip_table() -> Table:
    """Errors of the pose and Dice, by the norm to which its gradient is clipped."""
    poses = pd.read_csv(CLIPPED / "summary/diagnostics.csv")
    cases = pd.read_csv(CLIPPED / "summary/cases.csv")
    names = read_json(CLIPPED / "config.json")["methods"]
    rows = []
    for name, own in poses.groupby("experiment", sort=False):
        row = {"method": names[name]["label"], "n": own.patient.nunique()}
        row |= own[list(ERRORS)].median().to_dict()
        for label in ("kidney", "tumour"):
            of_label = cases[cases.label == label]
            row[label] = of_label[of_label.experiment == name].dice.mean()
            if name != "stn":
                row |= _ends(label, two_way_difference(of_label, name, "stn"))
        rows.append(row)
    columns = [words("method", "Localiser's gradient")]
    for key, (title, show) in ERRORS.items():
        columns.append(number(key, title, show, group="Error, median"))
    for label in ("kidney", "tumour"):
        columns.append(number(label, "Dice, %", formats.percent, group=label))
        difference = Column("to the default, points", _keys(label), formats.gain, label)
        columns.append(difference)
    columns.append(number("n", "n"))
    table = pd.DataFrame(rows)
    title, note = "Clip", "Two-way intervals over patients and three seeds."
    return Table("clip", title, table, (Part(tuple(columns), table),), (note,))


def _keys(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{end}" for end in ("more", "low", "high"))


def _ends(name: str, found: Estimate) -> dict[str, float]:
    return dict(zip(_keys(name), (found.value, found.low, found.high), strict=True))


def draw() -> None:
    """Draw the figure of the page, small."""
    with TemporaryDirectory() as folder:
        draw_geometry(RELEASE, Path(folder, FIGURE.stem))
        with Image.open(Path(folder, FIGURE.name)) as drawn:
            size = WIDTH_PX, round(drawn.height * WIDTH_PX / drawn.width)
            picture = drawn.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    picture.quantize(method=Image.Quantize.MAXCOVERAGE).save(FIGURE, optimize=True)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    draw()
