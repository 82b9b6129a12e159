"""Write the tables of docs/measures.md from the package.

    PYTHONPATH=src python docs/measures.py

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`.
"""

import re
from pathlib import Path

from deeprac.surgery.catalogue import MEASURES
from deeprac.surgery.limits import LIMITS

PAGE = Path(__file__).with_suffix(".md")

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return the page with every table as the package has it."""

    def replaced(block: re.Match[str]) -> str:
        start, name, end = block.groups()
        return f"{start}\n{TABLES[name]()}\n{end}"

    return _BLOCK.sub(replaced, text)


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


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


TABLES = {"measures": _measures, "limits": _limits}


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
