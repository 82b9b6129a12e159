"""What a release holds: files, columns and entries that are let through, and no other.

Everything else is refused and not left out in silence: whoever released it would
believe it to be there, or would not know that it could have been.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from deeprac.evaluation.cohort import COHORT_COLUMNS
from deeprac.labels import TITLES
from deeprac.records.diagnostics import DIAGNOSTIC_COLUMNS
from deeprac.records.metrics import METRIC_COLUMNS
from deeprac.records.runs import RUN_COLUMNS
from deeprac.records.stress import STRESS_COLUMNS
from deeprac.release.configuration import LEFT_OUT
from deeprac.release.privacy import personal_column, suspicion, suspicious_ids

TRAINING_COLUMNS = (
    *("epoch", "learning_rate", "train_loss", "val_loss"),
    *(f"val_dice_{title}" for title in TITLES if title != "background"),
    *("seconds", "data_wait_seconds", "segment", "localiser_gradient"),
)

COLUMNS = {
    "summary/cases.csv": METRIC_COLUMNS,
    "summary/runs.csv": RUN_COLUMNS,
    "summary/diagnostics.csv": DIAGNOSTIC_COLUMNS,
    "summary/stress.csv": STRESS_COLUMNS,
    "summary/cohort.csv": COHORT_COLUMNS,
    "training.csv": TRAINING_COLUMNS,
}
"""Columns by table; those of training.csv are the same in all runs of a cohort."""

IDS = ("case", "patient")

RUN_ENTRIES = {
    "schema": None,
    "cohort": None,
    "experiment": None,
    "method": None,
    "matrix": None,
    "seed": None,
    "fold": None,
    "device": ("type", "name", "threads", "memory_gib", "cuda", "cudnn"),
    "host": ("platform", "processor", "cores", "memory_gib"),
    "software": None,
    "git": ("commit", "dirty"),
    "argv": None,
    "config_sha256": None,
    "settings": None,
    "segments": None,
    "cost": None,
}
"""Entries of run.json that are let through, and their own; None: all of them."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00|")
VERSION = re.compile(r"\d+(?:\.\d+)*[A-Za-z0-9.+-]{0,30}")

RENAME = (
    "If only the word in front of the number is strange and it names nobody, say "
    "--neutral WORD. Else give patients and cases neutral names, such as case_001, "
    "where the cohort is made, and run the workflow again"
)


def stripped_run(run: dict[str, Any]) -> dict[str, Any]:
    """Return a run's record without what names a machine, its folders or its user."""
    host = {key: value for key, value in run["host"].items() if key != "name"}
    argv = ["deeprac", *(_without_folder(part) for part in run["argv"][1:])]
    return run | {"host": host, "argv": argv}


def stripped_config(resolved: dict[str, Any]) -> dict[str, Any]:
    """Return a resolved configuration without the folders of the machine.

    Methods and experiments are in it, not the paths of their files. ``results`` is
    where a release is laid out.
    """
    cohort = dict(resolved["cohort"])
    if cohort["path"] is not None:
        cohort["path"] = LEFT_OUT
    cohort |= {"patients": None, "private": "private"}
    cohort["fetch"] = cohort["fetch"] | {"mirror": None}
    return resolved | {"results": "results", "cohort": cohort}


def _without_folder(argument: str) -> str:
    """Keep the last part of a path, also behind an option's ``=``.

    A relative path can name a machine's folders as well as an absolute one.
    """
    option, equals, value = argument.rpartition("=")
    return option + equals + PureWindowsPath(value).name


def objections(name: str, content: bytes, neutral: Iterable[str] = ()) -> Iterator[str]:
    """Yield what in a file must not be released: where, what shape, what to do.

    The text itself is not repeated: it may be a patient's name.

    Args:
        name: Name of the file in the release.
        content: Its content.
        neutral: Words in ids of patients and cases that name nobody.
    """
    text = content.decode("utf-8")
    if name.endswith(".csv"):
        yield from _table_objections(name, text, neutral)
    elif name.endswith(".json"):
        yield from _json_objections(name, json.loads(text))
    else:
        for number, line in enumerate(text.splitlines(), 1):
            found = suspicion(line)
            if found:
                yield f"{name}, line {number}, looks like {found}"


def _table_objections(name: str, text: str, neutral: Iterable[str]) -> Iterator[str]:
    rows = csv.DictReader(io.StringIO(text))
    columns = list(rows.fieldnames or ())
    allowed = COLUMNS.get(name, COLUMNS.get(PurePosixPath(name).name))
    if name.startswith("tables/"):
        allowed = [c for c in columns if c in RUN_COLUMNS or not personal_column(c)]
    foreign = [column for column in columns if column not in (allowed or ())]
    if foreign:
        yield (
            f"{name} has the column {foreign[0]}, which no release holds: remove it, "
            "or write the table again with the verb that makes it"
        )
        return
    table = list(rows)
    for column in columns:
        cells = dict.fromkeys(row[column] or "" for row in table)
        if column in IDS:
            found = suspicious_ids(cells, neutral)
            if found:
                yield f"{name}, column {column}, holds {found}. {RENAME}"
            continue
        for cell in cells:
            found = None if _is_number(cell) else suspicion(cell)
            if found:
                yield f"{name}, column {column}, holds {found}"
                break


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _json_objections(name: str, content: Any) -> Iterator[str]:
    is_run = PurePosixPath(name).name == "run.json"
    if is_run:
        for entry, value in content.items():
            inner = RUN_ENTRIES.get(entry, ())
            foreign = [] if inner is None or not isinstance(value, dict) else value
            wrong = [key for key in foreign if key not in inner]
            if entry not in RUN_ENTRIES or wrong:
                yield (
                    f"{name} has the entry {'.'.join([entry, *wrong[:1]])}, which no "
                    "release holds: remove it"
                )
    for key, text in _strings(content):
        known = is_run and (
            (key.startswith("segments.") and TIME.fullmatch(text))
            or (key.startswith("software.") and VERSION.fullmatch(text))
        )
        found = None if known else suspicion(text)
        if found:
            yield f"{name}, {key}, holds {found}"


def _strings(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a JSON document, names of entries too, with their dotted key."""
    if isinstance(content, str):
        yield key, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield (key or "an entry's name"), name
            yield from _strings(value, f"{key}.{name}".strip("."))
    elif isinstance(content, list):
        for value in content:
            yield from _strings(value, key)
