"""Write the key tables of config/README.md from the schema of the configuration.

    PYTHONPATH=src python docs/keys.py

A table stands between `<!-- keys: NAME... -->` and `<!-- end of keys -->`. A NAME is a
key of the configuration, or one of the schema's `$defs`; NAMES alone is the table of
the formats' own names of labels.
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from deeprac.labels import DEFAULT_NAMES
from deeprac.schema import describe, load_schema

PAGE = Path(__file__).parents[1] / "config" / "README.md"
HEAD = "| key | allowed | default | meaning |\n| --- | --- | --- | --- |\n"
LONGEST_DEFAULT = 60
"""In characters; longer ones are in config.yaml."""

_PAGE = re.compile(r"\bdocs/\w+(?:\.md)?")
_BLOCK = re.compile(r"(<!-- keys: (.+?) -->\n).*?(<!-- end of keys -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return the page with every table as the schema has it."""

    def replaced(block: re.Match[str]) -> str:
        start, names, end = block.groups()
        return f"{start}\n{_section(names.split())}\n{end}"

    return _BLOCK.sub(replaced, text)


def _section(names: list[str]) -> str:
    """One table, below the description of the section if it begins with one."""
    if names == ["NAMES"]:
        return _label_names()
    schema = load_schema()
    rows: list[str] = []
    for name in names:
        part = schema["properties"].get(name)
        rows += _entry(name, part) if part else _rows(schema["$defs"][name], "")
    first = schema["properties"].get(names[0], {})
    about = f"{first['description']}\n\n" if "properties" in first else ""
    return _PAGE.sub(r"[`\g<0>`](../\g<0>)", about + HEAD + "".join(rows))


def _label_names() -> str:
    head = "| format | kidney | tumour |\n| --- | --- | --- |\n"
    rows = (
        _row(source, ", ".join(names["kidney"]), ", ".join(names["tumour"]))
        for source, names in DEFAULT_NAMES.items()
    )
    return head + "".join(rows)


def _rows(part: dict[str, Any], prefix: str) -> Iterator[str]:
    required = part.get("required", ())
    for name, child in part["properties"].items():
        yield from _entry(f"{prefix}{name}", child, required=name in required)


def _entry(key: str, part: dict[str, Any], *, required: bool = False) -> Iterator[str]:
    """Rows of one key and of those below it; the text above is a section's row."""
    if "properties" not in part:
        default = "(required)" if required else _default(part["default"])
        yield _row(key, describe(part), default, part["description"])
        return
    if "." in key:
        yield _row(key, "a section", "", part["description"])
    yield from _rows(part, f"{key}.")


def _default(value: Any) -> str:
    if isinstance(value, float):
        value = Decimal(repr(value))  # YAML reads 3e-05 as text
        return f"`{value:f}`"
    text = value if isinstance(value, str) and value else json.dumps(value)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "in `config.yaml`"


def _row(key: str, *cells: str) -> str:
    return f"| `{key}` | {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
