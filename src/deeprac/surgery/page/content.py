"""What the page of a patient says, as plain data."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from deeprac.reporting.formats import MISSING
from deeprac.surgery.flags import Flag, Verdict
from deeprac.surgery.page.viewer import Viewer
from deeprac.surgery.study import Study
from deeprac.surgery.terminology import title

SENTENCES = {
    Verdict.OK: "No check found anything. Look at the planes all the same.",
    Verdict.LOOK: "Look at what the flags name before you use a number.",
    Verdict.DO_NOT_USE: "Most likely wrong: use no number and no model of it.",
}
"""What each verdict means for the reader."""

ALL = "All together"
"""Heading of measures that are of no one structure."""


@dataclass(frozen=True)
class Picture:
    """A picture as the address of itself."""

    title: str
    uri: str


@dataclass(frozen=True)
class Measure:
    """One measure of one structure, in words."""

    name: str
    value: str
    unit: str
    note: str


@dataclass(frozen=True)
class Table:
    """A table in words, without columns that are empty."""

    headings: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Page:
    """What the page holds.

    Attributes:
        verdict: the worst of the flags.
        flags: the worst first.
        measures: by the title of their structure.
        definitions: what each measure is, by its name.
        protocol: None without a time point.
        changes: what post-processing did.
        planes: through each pictured structure.
        left_out: how many structures have no picture.
        surfaces: the picture in 3D; None where there is none.
        viewer: what is turned by hand.
        facts: what made the result.
    """

    verdict: Verdict
    flags: tuple[Flag, ...]
    measures: Mapping[str, Sequence[Measure]]
    definitions: Mapping[str, str]
    protocol: Table | None
    changes: Table
    planes: tuple[Picture, ...]
    left_out: int
    surfaces: Picture | None
    viewer: Viewer
    facts: Mapping[str, str]

    @property
    def sentence(self) -> str:
        """What the verdict means."""
        return SENTENCES[self.verdict]


def worst_first(flags: Sequence[Flag]) -> tuple[Flag, ...]:
    """The flags, the worst first, else in their order."""
    order = list(Verdict)
    return tuple(sorted(flags, key=lambda flag: -order.index(flag.verdict)))


def measures(study: Study) -> dict[str, list[Measure]]:
    """The measures by the title of their structure, in the order of the table.

    The table's column ``note`` is optional: a word where there is no number.
    """
    titles = {one.name: title(one) for one in study.anatomy.structures}
    groups: dict[str, list[Measure]] = {}
    for row in study.measures.to_dict("records"):
        name = _text(row["structure"])
        heading = titles.get(name, words(name) or ALL)
        groups.setdefault(heading, []).append(_measure(row))
    return groups


def _measure(row: Mapping[Any, Any]) -> Measure:
    value, note = shown(row["value"], row["unit"]), _text(row.get("note"))
    name = words(row["measure"], unit=row["unit"])
    if value == MISSING:
        # A word, or why there is no number, stands in its place.
        return Measure(name, note or MISSING, "", "")
    return Measure(name, value, _text(row["unit"]).replace("cm2", "cm²"), note)


def definitions(table: pd.DataFrame) -> dict[str, str]:
    """What each measure is, how it is computed and who says so, each once."""
    texts = {}
    for row in table.drop_duplicates("measure").to_dict("records"):
        parts = (_text(row[column]) for column in ("definition", "method", "citation"))
        texts[words(row["measure"], unit=row["unit"])] = "\n".join(filter(None, parts))
    return texts


def in_words(table: pd.DataFrame) -> Table:
    """A table with numbers rounded for people; ``unit`` is that of the line."""
    units = table["unit"] if "unit" in table else pd.Series("", index=table.index)
    columns = {}
    for name in table.columns.drop("unit", errors="ignore"):
        cells = [
            words(cell) if name in _NAMES else shown(cell, _unit_of(name, unit))
            for cell, unit in zip(table[name], units, strict=True)
        ]
        if any(cells):
            columns[words(name)] = cells
    return Table(tuple(columns), tuple(zip(*columns.values(), strict=True)))


def shown(value: Any, unit: Any = "") -> str:
    """A value for people: whole millilitres, millimetres and percent.

    What is below one has a digit of its own, for nothing is there as 0.

    Example:
        >>> shown(668.23, "ml"), shown(0.0312, "ml"), shown(1.0447, ""), shown("left")
        ('668', '0.03', '1.04', 'left')
        >>> shown(float("nan"), "mm"), shown(12.0, "")
        ('-', '12')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _text(value)
    if math.isnan(value):
        return MISSING
    if value == round(value):
        return f"{value:.0f}"
    if abs(value) < 1 and unit in _WHOLE:
        return f"{value:.1g}"
    return f"{value:.0f}" if unit in _WHOLE else f"{value:.3g}"


def words(name: Any, unit: Any = "") -> str:
    """A column's or measure's name in words, without its unit.

    Example:
        >>> words("volume_ml", "ml"), words("also_asks"), words("largest_3d_mm", "mm")
        ('Volume', 'Also asks', 'Largest 3d')
    """
    ending = "percent" if unit == "%" else _text(unit)
    text = _text(name).removesuffix(f"_{ending}")
    return text[:1].upper() + text[1:].replace("_", " ")


def facts(provenance: Mapping[str, Any]) -> dict[str, str]:
    """What made a result, one line each; parts of a mapping by their path.

    Example:
        >>> facts({"folds": [0, 1], "age": None, "seconds": {"network": 12.5}})
        {'Folds': '0, 1', 'Seconds, network': '12.5'}
    """
    return {name: text for name, text in _facts(provenance) if text}


def _facts(content: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        name = f"{path}, {key}" if path else words(key)
        if isinstance(value, Mapping):
            yield from _facts(value, name)
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(_text, value))
        else:
            yield name, _text(value)


_WHOLE = ("ml", "mm", "%")
"""Units of which people read whole numbers."""


_NAMES = ("measure", "step", "structure", "time_point")
"""Columns that hold names of our own."""


def _unit_of(column: str, unit: Any) -> str:
    """The unit that a column is in: that of its name, else of the line."""
    return next((one for one in _WHOLE if column.endswith(f"_{one}")), _text(unit))


def _text(value: Any) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value)
