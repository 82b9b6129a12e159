"""Write the tables and the figure of docs/crop.md from the released geometry.

    PYTHONPATH=src python docs/crop.py

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from PIL import Image

from deeprac.evaluation.statistics.two_way import two_way_difference
from deeprac.reporting import formats
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
COLOURS = 256
RELEASED = DOCS.parent / "resources" / "released"
RELEASE = RELEASED / "kits23_geometry"
TRAINED = RELEASED / "crop"
CLUTTERED = RELEASED / "clutter"

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return the page with every table as the release has it."""
    tables = read_geometry(RELEASE)
    makers: dict[str, Callable[[], str]] = {
        "windows": lambda: markdown(windows_table(tables["windows"])),
        "wider": lambda: markdown(windows_table(tables["windows"], margin=0.15)),
        "ceilings": lambda: markdown(ceilings_table(tables["ceilings"])),
        "trained": lambda: (TRAINED / "tables/crops.md").read_text(encoding="utf-8"),
        "stress": lambda: markdown(stress_table()),
    }

    def replaced(block: re.Match[str]) -> str:
        start, name, end = block.groups()
        return f"{start}\n{makers[name]().strip()}\n\n{end}"

    return _BLOCK.sub(replaced, text)


def stress_table() -> Table:
    """Dice of the STNs and of the moments under each condition, and the difference.

    Both releases are of the same phantoms, folds and seeds.
    """
    parts = [pd.read_csv(one / "summary/stress.csv") for one in (TRAINED, CLUTTERED)]
    parts[1]["experiment"] = "cluttered"
    scores = pd.concat(parts)
    means = scores.groupby(["label", "kind", "value", "experiment"]).dice.mean()
    rows = []
    for (label, kind, value), own in scores.groupby(["label", "kind", "value"]):
        row = {"label": label, "kind": kind, "value": value}
        row |= means[label, kind, value].to_dict()
        for name in ("stn", "cluttered"):
            found = two_way_difference(own, name, "moments")
            row |= {"n": found.n, f"{name}_more": found.value}
            row |= {f"{name}_low": found.low, f"{name}_high": found.high}
        rows.append(row)
    columns = (
        words("label", "Label"),
        words("kind", "Change"),
        number("value", "by", "{:g}".format),
        number("moments", "moments", formats.percent, group="Dice, %"),
        number("stn", "stn", formats.percent, group="Dice, %"),
        number("cluttered", "stn, clutter", formats.percent, group="Dice, %"),
        number("stn_rectangle_half", "rectangle", formats.percent, group="Dice, %"),
        *(
            Column(
                title,
                tuple(f"{name}_{end}" for end in ("more", "low", "high")),
                formats.gain,
                "Minus moments, points",
            )
            for name, title in (("stn", "stn"), ("cluttered", "stn, clutter"))
        ),
        number("n", "n"),
    )
    table = pd.DataFrame(rows)
    title, note = "Under stress", "Two-way intervals over patients and five seeds."
    return Table("stress", title, table, (Part(columns, table),), (note,))


def draw() -> None:
    """Draw the figure of the page, small."""
    with TemporaryDirectory() as folder:
        draw_geometry(RELEASE, Path(folder, FIGURE.stem))
        with Image.open(Path(folder, FIGURE.name)) as drawn:
            size = WIDTH_PX, round(drawn.height * WIDTH_PX / drawn.width)
            picture = drawn.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    picture.quantize(COLOURS).save(FIGURE, optimize=True)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    draw()
