"""What a release holds: files, columns, entries, ids and forms of text, and no other.

Everything else is refused and not left out in silence: whoever released it would
believe it to be there, or would not know that it could have been. What may be in is
listed; forms of names or dates are not looked for, as no list of these is complete.
"""

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from deeprac.cohort.pseudonyms import is_pseudonym
from deeprac.evaluation.cohort import COHORT_COLUMNS
from deeprac.labels import TITLES
from deeprac.records.age_groups import AGE_GROUP
from deeprac.records.case_split import SPLIT
from deeprac.records.diagnostics import (
    DIAGNOSTIC_COLUMNS,
    LATER_COLUMNS,
    VOLUME_COLUMNS,
)
from deeprac.records.inference import INFERENCE_COLUMNS
from deeprac.records.metrics import METRIC_COLUMNS
from deeprac.records.runs import OTHER_CASES, PRETRAINING, RUN_COLUMNS, TRAINING_DICE
from deeprac.records.stress import STRESS_COLUMNS
from deeprac.records.training import training_columns
from deeprac.release.configuration import LEFT_OUT

TRAINING_COLUMNS = training_columns(title for title in TITLES if title != "background")

COLUMNS = {
    "cases.csv": (*METRIC_COLUMNS, SPLIT, AGE_GROUP),
    "runs.csv": RUN_COLUMNS,
    "diagnostics.csv": (*DIAGNOSTIC_COLUMNS, *LATER_COLUMNS, *VOLUME_COLUMNS, SPLIT),
    "stress.csv": (*STRESS_COLUMNS, SPLIT),
    "cohort.csv": COHORT_COLUMNS,
    "training.csv": TRAINING_COLUMNS,
    "inference.csv": INFERENCE_COLUMNS,
}
"""Columns by table; those of training.csv are the same in all runs of a cohort."""

IDS = ("case", "patient")

RUN_ENTRIES: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("schema", "cohort", "experiment", "method", "matrix", "seed")),
    **dict.fromkeys(("fold", "software", "argv", "config_sha256", "settings")),
    **dict.fromkeys(("run_settings", "segments", "interruptions", "cost")),
    TRAINING_DICE: TITLES,
    PRETRAINING: (
        *("cohort", "experiment", "seed", "fold", "commit"),
        *("config_sha256", "weights_sha256"),
    ),
    OTHER_CASES: ("cohort", "fold", "patients", "cases_sha256"),
    "device": (
        *("type", "name", "threads", "memory_gib", "cuda", "cudnn"),
        *("capture", "slices"),
    ),
    "host": ("number", "platform", "processor", "cores", "memory_gib"),
    "git": ("commit", "dirty"),
}
"""Entries of run.json that are let through, and their own; None: all of them."""

PHANTOM = r"(?:phantom|patient)_(?:test_)?\d{3,5}"

_PART = r"(?:[A-Za-z]+\d{0,5}|\d{1,2}[A-Za-z]+)"
NAME = rf"{_PART}(?:(?:[_-](?:{_PART}|\d{{1,3}}))*|(?:[_-]{_PART})*[_-]\d{{4,5}})"
"""Names of keys, experiments, methods: words with numbers, but no date or record."""

_WORD = r"[^\W\d_]+(?:['/+-][^\W\d_]+)*'?|[A-Za-z]+\d{1,4}"
_NUMBER = r"\d[A-Za-z]?|\d{1,3}\.\d+|[-+*/%&=<>]"
TEXT = rf"(?:[\"(]*(?:{_WORD}|{_NUMBER})[\")]*[,.;:!?]?(?:\s+|$))*"
"""Plain words, decimal numbers and single digits: nothing that numbers a person, a day
or a file. What else a text holds, somebody has to read (``reviewed``)."""

_HEXADECIMAL = r"[0-9a-f]{40}|[0-9a-f]{64}"
_VERSION = r"\d+(?:\.\d+)*[A-Za-z0-9.+-]{0,30}"
_MAKERS = "AMD|ARM|Apple|GeForce|IBM|Intel|NVIDIA|Neoverse|Quadro|Tesla|Virtual"
_HARDWARE = rf"(?!.*\d{{6}})(?:1\dth Gen )?(?:{_MAKERS})\b[\w()@.+ -]{{0,90}}"
_SIZE = r"\d{1,4}(?:x\d{1,4}){1,2}"
_SYSTEM = r"(?!.*\d{6})(?:Linux|Windows|macOS)-[\w.+-]{0,90}"
_AGE = r"\d{1,2}(?:\.\d)?"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00|"

FORMS = {
    "device.name": _HARDWARE,
    "device.cuda": _VERSION,
    "device.cudnn": _VERSION,
    "host.platform": _SYSTEM,
    "host.processor": _HARDWARE,
    "software": _VERSION,
    "segments.start": _TIME,
    "segments.stop": _TIME,
    "git.commit": _HEXADECIMAL,
    "config_sha256": _HEXADECIMAL,
    **{
        f"{PRETRAINING}.{key}": _HEXADECIMAL
        for key in ("commit", "config_sha256", "weights_sha256")
    },
    f"{OTHER_CASES}.cases_sha256": _HEXADECIMAL,
    "argv": rf"--[a-z-]+(?:=\w+)?|(?:--config=)?{NAME}\.(?:json|ya?ml)|\d{{1,5}}",
    "cohort.fetch.licence": r"CC[A-Z0-9.-]{1,20}",
    "device_name": _HARDWARE,
    AGE_GROUP: rf"under {_AGE}|{_AGE} to {_AGE}|{_AGE} and above",
    "git_commit": _HEXADECIMAL,
    "git_dirty": "True|False",
    "shared_machine": "True|False",
    "matrix_size": _SIZE,
    "network_input_size": _SIZE,
    "value": rf"{_HEXADECIMAL}|cohort/cases\.csv[a-z ,]*",
}
"""Forms of texts that are written by the machine, by dotted entry or column."""

RENAME = (
    "Give patients and cases neutral names where the cohort is made "
    "(cohort.pseudonyms), and run the workflow again"
)
REVIEW = (
    "Change it; or read it, and if it names no patient and no place, say --reviewed {}"
)


def stripped_run(run: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a run's record without what names a machine, its folders or its user.

    Args:
        run: Content of run.json.
        number: Stands for the machine, so that runs on the same one are known.
    """
    host = {key: value for key, value in run["host"].items() if key != "name"}
    host["number"] = number
    # Which devices a scheduler gave may be a device's own number (GPU-UUID).
    device = {key: value for key, value in run["device"].items() if key != "visible"}
    argv = ["deeprac"]
    for part in run["argv"][1:]:
        # The last part of a path, also behind an option's =: a relative path can name
        # a machine's folders as well as an absolute one.
        option, equals, value = part.rpartition("=")
        argv.append(option + equals + PureWindowsPath(value).name)
    return run | {"host": host, "device": device, "argv": argv}


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
    pretraining, splits = dict(resolved["pretraining"]), dict(resolved["splits"])
    if splits.get("file") is not None:
        splits["file"] = LEFT_OUT
    if pretraining["results"] is not None:
        pretraining["results"] = LEFT_OUT
    experiments = [
        row | {"other_results": LEFT_OUT} if row.get("other_results") else row
        for row in resolved["experiments"]
    ]
    return resolved | {
        "experiments": experiments,
        "results": "results",
        "cohort": cohort,
        "splits": splits,
        "pretraining": pretraining,
    }


def objections(
    files: Mapping[str, bytes],
    *,
    own_ids: Collection[str] = (),
    reviewed: Iterable[str] = (),
) -> Iterator[str]:
    """Yield what in a release must not be released: where, what shape, what to do.

    The text itself is not repeated: it may be a patient's name. The tables are not
    looked at: they are made of the other files.

    Args:
        files: Content by name.
        own_ids: Names of cases and patients that are no secret.
        reviewed: Keys of JSON files whose texts somebody has read, such as
            ``report.notes`` or ``methods``.
    """
    read = tuple(reviewed)
    for name, content in files.items():
        text = content.decode("utf-8")
        if name.startswith("tables/"):
            continue
        if name.endswith(".csv"):
            yield from _table_objections(name, text, own_ids, read)
        else:
            yield from _json_objections(name, json.loads(text), read)


def _table_objections(
    name: str, text: str, own_ids: Collection[str], read: tuple[str, ...]
) -> Iterator[str]:
    rows = csv.DictReader(io.StringIO(text))
    allowed = COLUMNS[PurePosixPath(name).name]
    foreign = [column for column in rows.fieldnames or () if column not in allowed]
    if foreign:
        yield (
            f"{name} has the column {foreign[0]}, which no release holds: remove it, "
            "or write the table again with the verb that makes it"
        )
        return
    table = list(rows)
    for column in rows.fieldnames or ():
        cells = dict.fromkeys(row[column] or "" for row in table)
        if column in IDS:
            free = {cell for cell in cells if is_pseudonym(cell)} | set(own_ids)
            named = [cell for cell in cells if cell not in free]
            wrong = [cell for cell in named if not re.fullmatch(PHANTOM, cell)]
            what = "no pseudonym", RENAME
        else:
            texts = [cell for cell in cells if not _is_number(cell)]
            wrong = [text for text in texts if not _is_plain(column, text, read)]
            what = "more than plain words", REVIEW.format(column)
        if wrong:
            yield (
                f"{name}, column {column}, holds {what[0]} (of the shape "
                f"{shape(wrong[0])!r}). {what[1]}"
            )


def _is_plain(key: str, text: str, read: tuple[str, ...]) -> bool:
    """Whether a text is of a form that is let through, by its column or entry."""
    if key.startswith(read):
        return True
    form = FORMS.get(key, FORMS.get(key.partition(".")[0], ""))
    return any(re.fullmatch(one, text) for one in (form, NAME, TEXT))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _json_objections(
    name: str, content: dict[str, Any], read: tuple[str, ...]
) -> Iterator[str]:
    if PurePosixPath(name).name == "run.json":
        for entry in _foreign_entries(content):
            yield f"{name} has the entry {entry}, which no release holds: remove it"
    for entry, text in _texts(content):
        key = entry.removeprefix("config.")  # of the protocol
        if not _is_plain(key, text, read):
            yield (
                f"{name}, {key}, holds more than plain words (of the shape "
                f"{shape(text)!r}). {REVIEW.format(key)}"
            )


def _foreign_entries(run: dict[str, Any]) -> Iterator[str]:
    for entry, value in run.items():
        inner, wrong = RUN_ENTRIES.get(entry, ()), []
        if inner is not None and isinstance(value, dict):
            wrong = [key for key in value if key not in inner]
        if entry not in RUN_ENTRIES or wrong:
            yield ".".join([entry, *wrong[:1]])


def _texts(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a JSON document, names of entries too, with their dotted key."""
    if isinstance(content, str):
        yield key, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield (key or "an entry's name"), name
            yield from _texts(value, f"{key}.{name}".strip("."))
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value, key)


def shape(text: str, *, longest: int = 24) -> str:
    """Say how a text looks without saying it.

    Example:
        >>> shape("Doe^Jane 1234")
        'Aaa^Aaaa 9999'
    """
    masked = "".join(
        "9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalnum() else c
        for c in text[:longest]
    )
    return masked + "…" * (len(text) > longest)
