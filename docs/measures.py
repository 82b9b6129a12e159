"""Write the tables of docs/measures.md and docs/surgery.md from package and data.

    PYTHONPATH=src python docs/measures.py

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`. Which flags
find a bad segmentation is counted in what `benchmarks/flags.py` wrote, by the limits of
the package.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest, fisher_exact

from deeprac.reporting import blocks
from deeprac.surgery.catalogue import MEASURES
from deeprac.surgery.flags import Verdict
from deeprac.surgery.limits import LIMITS

DOCS = Path(__file__).parent
PAGES = (DOCS / "measures.md", DOCS / "surgery.md")
CASES = DOCS / "data" / "flags.json"

BAD_DICE = 0.5
"""A case whose mean Dice of kidney and tumour is lower is bad."""

OF_ALL_CASES = ("phantom_model", "slice_spacing")
"""What the model and its cohort raise in every case, good or bad."""


def with_tables(text: str) -> str:
    """Return the page with every table as the package has it."""
    return blocks.with_tables(text, TABLES)


def _measures() -> str:
    return _table(
        ("measure", "unit", "of", "definition", "method", "source"),
        [
            (f"`{m.name}`", m.unit, m.of, m.definition, m.method, m.citation)
            for m in MEASURES.values()
        ],
    )


def _limits() -> str:
    def number(limit: float | None) -> str:
        return "" if limit is None else f"{limit:g}"

    return _table(
        ("flag", "number", "worse", "look", "do not use", "remedy"),
        [
            (
                *(f"`{one.code}`", one.number, one.worse, number(one.look)),
                *(number(one.do_not_use), one.remedy),
            )
            for one in LIMITS.values()
        ],
    )


def judged(case: Mapping[str, Any]) -> dict[str, Verdict]:
    """The verdict of each flag that a case raises by the limits of the package."""
    verdicts = {}
    for code, value in case["flags"].items():
        if code == "outside_training":  # a count, by the limits of the bundle
            verdicts[code] = Verdict.LOOK
        elif found := LIMITS[code].flags(value, ""):
            verdicts[code] = found[0].verdict
    return verdicts


def is_bad(case: Mapping[str, Any]) -> bool:
    """Whether Dice says that the segmentation failed."""
    return bool(np.mean(list(case["dice"].values())) < BAD_DICE)


def reported_half() -> list[dict[str, Any]]:
    """The cases on which limits are judged: those of phantoms with an odd number."""
    cases = json.loads(CASES.read_text(encoding="utf-8"))["cases"]
    return [one for one in cases if one.get("dice") and int(one["case"][-3:]) % 2]


def _found() -> str:
    cases = reported_half()
    verdicts = [judged(one) for one in cases]
    doubts = [
        {code: v for code, v in one.items() if code not in OF_ALL_CASES}
        for one in verdicts
    ]
    bad = [is_bad(one) for one in cases]
    raised = {
        "any flag": [bool(one) for one in doubts],
        "`do not use`": [Verdict.DO_NOT_USE in one.values() for one in doubts],
    }
    for code in LIMITS:
        raised[f"`{code}`"] = [code in one for one in verdicts]
        worst = [one.get(code) is Verdict.DO_NOT_USE for one in verdicts]
        if worst != raised[f"`{code}`"]:
            raised[f"`{code}`: do not use"] = worst
    return _table(
        ("flag", f"found of {sum(bad)} bad", f"raised in {len(bad) - sum(bad)} good",
         "raised in all", "p"),
        [(name, *row(flags, bad)) for name, flags in raised.items() if any(flags)],
    )  # fmt: skip


def row(raised: Sequence[bool], bad: Sequence[bool]) -> tuple[str, ...]:
    """Sensitivity, false alarms, both of chance, and Fisher's p that it is chance."""
    true, false = (
        [flag for flag, one in zip(raised, bad, strict=True) if one is which]
        for which in (True, False)
    )
    counts = [[sum(part), len(part) - sum(part)] for part in (true, false)]
    p = fisher_exact(counts).pvalue
    share = f"{100 * sum(raised) / len(raised):.0f} %"
    return (
        _percent(true),
        _percent(false),
        share,
        f"{p:.3f}" if p >= 0.001 else "< 0.001",
    )


def _percent(raised: Sequence[bool]) -> str:
    """A share with its 95 % interval by Wilson."""
    ends = binomtest(sum(raised), len(raised)).proportion_ci(method="wilson")
    share = 100 * sum(raised) / len(raised)
    return f"{share:.0f} % ({100 * ends.low:.0f} to {100 * ends.high:.0f})"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


TABLES = {"measures": _measures, "limits": _limits, "found": _found}


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
