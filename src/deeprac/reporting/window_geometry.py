"""The tables of a study of label masks (``deeprac cohort geometry``), to read."""

from pathlib import Path

import pandas as pd

from deeprac.labels import FOREGROUND
from deeprac.records.tidy import read_tidy
from deeprac.reporting.formats import percent_1, ratio
from deeprac.reporting.render import terminal
from deeprac.reporting.tables.table import Part, Table, number, words
from deeprac.windows import WindowKind

REMEDY = "Run `deeprac cohort geometry`."
LABELS = tuple(label.title for label in FOREGROUND)
MARGIN = 0.1
"""Of the windows that are shown, as a share of their sides: the default."""


def read_geometry(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of a study, by name.

    Raises:
        MetricsError: one is missing or foreign.
    """
    needed = {
        "cases": ("case", "components", "square_share"),
        "windows": ("kind", "margin", "sizing", "density_median"),
        "coverage": ("case", "kind", "width_share", "coverage"),
        "ceilings": ("case", "through", "matrix_px", "kidney_dice", "tumour_dice"),
        "agreement": ("case", "first", "second", "kidney_dice", "tumour_dice"),
    }
    return {
        name: read_tidy(folder / f"{name}.csv", columns, remedy=REMEDY)
        for name, columns in needed.items()
    }


def windows_table(windows: pd.DataFrame, margin: float = MARGIN) -> Table:
    """What each kind of window needs, and what it does at one margin.

    Args:
        windows: as windows.csv.
        margin: one of the study's.
    """
    key = ["kind", "width_px", "height_px"]
    plain = windows[(windows.margin == 0) & (windows.sizing == "common")]
    shown = windows[windows.margin == margin].set_index(key)
    common, own = (
        shown[shown.sizing == sizing] for sizing in ("common", "per patient")
    )
    rows = plain[[*key, "windows", "flops_share", *_NEEDS]].set_index(key)
    rows = rows.join(common[[*_TRIED, "width_share"]]).join(
        own[["inside", "density_median"]].add_prefix("own_")
    )
    rows = rows.reset_index()
    rows["pixels"] = [
        WindowKind(r.kind, r.height_px, r.width_px, r.windows).title
        for r in rows.itertuples()
    ]
    columns = (
        words("pixels", "window, pixels", short=str),
        number("flops_share", "FLOPs", ratio, short=ratio),
        *(
            number(key, title, ratio, group="needs of the width", short=ratio)
            for key, title in _NEEDS.items()
        ),
        number("width_share", "size", ratio, group="one size", short=ratio),
        *(
            number(key, title, show, group="one size", short=show)
            for key, (title, show) in _TRIED.items()
        ),
        number("own_inside", "inside, %", percent_1, group="own size", short=percent_1),
        number("own_density_median", "density", ratio, group="own size", short=ratio),
    )
    title = f"Windows with a margin of {100 * margin:g} %"
    return Table("windows", title, rows, (Part(columns, rows),), ())


_NEEDS = {
    "need_median": "median",
    "need_p95": "95 %",
    "need_p97_5": "97.5 %",
    "need_max": "largest",
}
_TRIED = {
    "inside": ("inside, %", percent_1),
    "cases_always_inside": ("always, %", percent_1),
    "fallback": ("fallback, %", percent_1),
    "grown": ("grown, %", percent_1),
    "density_median": ("density", ratio),
}


def ceilings_table(ceilings: pd.DataFrame) -> Table:
    """Mean Dice of a perfect network by what it sees.

    Args:
        ceilings: as ceilings.csv.
    """
    keys, dice = ["through", "matrix_px"], ["kidney_dice", "tumour_dice"]
    rows = ceilings.groupby(keys, sort=False)[dice].mean().reset_index()
    columns = (
        words("through", "through", short=str),
        number("matrix_px", "matrix", short=str),
        number("kidney_dice", "kidney Dice, %", percent_1, short=percent_1),
        number("tumour_dice", "tumour Dice, %", percent_1, short=percent_1),
    )
    return Table("ceilings", "Perfect networks", rows, (Part(columns, rows),), ())


def summary_text(folder: Path) -> str:
    """What a study found, for the terminal.

    Args:
        folder: of the study.
    """
    tables = read_geometry(folder)
    cases = tables["cases"]
    shares = cases.square_share
    lines = [
        f"{len(cases)} cases: {(cases.components == 1).sum()} of one component, "
        f"{(cases.sides == 'told').sum()} with both sides told",
        f"square of all labels, share of the frame: median {shares.median():.3f}, "
        f"95 % {shares.quantile(0.95):.3f}, largest {shares.max():.3f}",
        _agreement(tables["agreement"]),
    ]
    shown = (windows_table(tables["windows"]), ceilings_table(tables["ceilings"]))
    return "\n".join([*lines, "", *map(terminal, shown)])


def _agreement(pairs: pd.DataFrame) -> str:
    """How far annotators agree, or that nobody can tell."""
    if pairs.empty:
        return (
            "no case was drawn by two annotators: their agreement, the ceiling of any "
            "reference, is not known"
        )
    means = [f"{name} {percent_1(pairs[f'{name}_dice'].mean())}" for name in LABELS]
    cases = pairs.case.nunique()
    return (
        f"{cases} case{'s' * (cases != 1)} drawn by two annotators or more: mean Dice "
        f"of every two, %: {', '.join(means)}"
    )
