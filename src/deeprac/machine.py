"""What names this machine stays here: what is sent around holds none of its folders."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deeprac import schema

ELSEWHERE = "(a path on the machine)"
"""Stands for a folder or an address of the machine."""

ABSOLUTE_PATH = re.compile(
    r"(?<![\w/:.~<])(?:/|~/)[\w.~-]+|\bfile:/|\b[A-Za-z]:[\\/]\w|\\\\\w"
)
"""Where an absolute path begins, of any system."""

_REST = r"[^\s\"'`,;:()<>]*"
_WHOLE = re.compile(rf"(?:{ABSOLUTE_PATH.pattern}){_REST}")

KEYS = (
    ("results",),
    *(("cohort", key) for key in ("path", "patients", "private")),
    ("cohort", "fetch", "mirror"),
)
"""Keys of the configuration that say where something lies."""


def without_paths(text: str, folders: Iterable[Path | None] = ()) -> str:
    """The text without absolute paths and without these folders, spaces and all.

    Example:
        >>> without_paths("see /data/ct/a.nii: 3 mm", [])
        'see (a path on the machine): 3 mm'
        >>> without_paths("see my data/ct/a.nii", [Path("my data/ct")])
        'see (a path on the machine)'
    """
    names = {name for folder in folders if folder for name in _spellings(folder)}
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w){_REST}", ELSEWHERE, text)
    return _WHOLE.sub(ELSEWHERE, text)


def _spellings(folder: Path) -> set[str]:
    """How a path may be written; one plain word, such as ``private``, names nothing."""
    given = {str(folder)} if len(folder.parts) > 1 else set()
    return given | {os.path.abspath(folder), os.path.realpath(folder)}


def without_places(resolved: dict[str, Any]) -> dict[str, Any]:
    """A configuration whose keys are all there, without what the machine's are called.

    Defaults stay: they are the same everywhere.
    """
    default = schema.defaults(schema.load_schema())
    shared = resolved
    for *sections, key in KEYS:
        value, usual = resolved, default
        for name in (*sections, key):
            value, usual = value[name], usual[name]
        if value != usual:
            overlay: dict[str, Any] = {key: ELSEWHERE}
            for name in reversed(sections):
                overlay = {name: overlay}
            shared = schema.merge(shared, overlay)
    return shared
