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
    """One line of a table of measures, in words."""

    name: str
    value: str
    unit: str
    definition: str
    method: str
    citation: str


@dataclass(frozen=True)
class Page:
    """What the page holds.

    Attributes:
        verdict: the worst of the flags.
        flags: the worst first.
        measures: by the title of their structure.
        protocol: headings and lines; None without a time point.
        changes: headings and lines of what post-processing did.
        planes: through each pictured structure.
        left_out: how many structures have no picture.
        surfaces: the picture in 3D; None where there is none.
        viewer: what is turned by hand.
        facts: what made the result.
    """

    verdict: Verdict
    flags: tuple[Flag, ...]
    measures: Mapping[str, Sequence[Measure]]
    protocol: tuple[list[str], list[list[str]]] | None
    changes: tuple[list[str], list[list[str]]]
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
    """The measures by the title of their structure, in the order of the table."""
    titles = {one.name: title(one) for one in study.anatomy.structures}
    groups: dict[str, list[Measure]] = {}
    for row in study.measures.itertuples():
        heading = titles.get(str(row.structure)) or words(row.structure) or ALL
        measure = Measure(
            name=words(row.measure, unit=row.unit),
            value=shown(row.value, row.unit),
            unit=_text(row.unit) if shown(row.value, row.unit) != MISSING else "",
            definition=_text(row.definition),
            method=_text(row.method),
            citation=_text(row.citation),
        )
        groups.setdefault(heading, []).append(measure)
    return groups


def grid(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Headings and lines of a table, numbers rounded for people."""
    units = table["unit"] if "unit" in table else pd.Series("", index=table.index)
    kept = [column for column in table.columns if column != "unit"]
    lines = []
    for row, unit in zip(table[kept].itertuples(index=False), units, strict=True):
        lines.append(
            [
                words(cell) if name in _NAMES else shown(cell, _unit_of(name, unit))
                for name, cell in zip(kept, row, strict=True)
            ]
        )
    return [words(column) for column in kept], lines


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
        >>> words("volume_ml", "ml"), words("also_needed"), words("largest_3d_mm", "mm")
        ('Volume', 'Also needed', 'Largest 3d')
    """
    text = _text(name)
    if unit and text.endswith(f"_{unit}"):
        text = text.removesuffix(f"_{unit}")
    return text[:1].upper() + text[1:].replace("_", " ")


def facts(provenance: Mapping[str, Any]) -> dict[str, str]:
    """What made a result, one line each; parts of a mapping by their path.

    Example:
        >>> facts({"folds": [0, 1], "seconds": {"network": 12.5}})
        {'Folds': '0, 1', 'Seconds, network': '12.5'}
    """
    return dict(_facts(provenance))


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


_NAMES = ("measure", "step", "structure", "timepoint")
"""Columns that hold names of our own."""


def _unit_of(column: str, unit: Any) -> str:
    """The unit that a column is in: that of its name, else of the line."""
    return next((one for one in _WHOLE if column.endswith(f"_{one}")), _text(unit))


def _text(value: Any) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value)
