"""Reading patients' files without repeating their names.

Readers name no file and no patient in their messages; but libraries do, in exceptions,
in warnings and from C++ straight to standard error. Here all of it is caught: the names
are taken out of the messages, and everything else goes into a log in the private
folder.
"""

import csv
import ctypes
import itertools
import logging
import os
import re
import sys
import traceback
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from deeprac.cohort.findings import CaseError, Finding, unforeseen
from deeprac.cohort.tables import SEPARATORS
from deeprac.errors import DeepracError
from deeprac.settings.cohort import CohortConfig

logger = logging.getLogger(__name__)

HIDDEN = "[hidden]"
"""Stands for a name of the source."""

ORDINARY = frozenset(
    {
        *("case", "patient", "image", "images", "label", "labels", "kidney", "tumour"),
        *("tumor", "cyst", "background", "imaging", "segmentation", "dataset"),
        *("imagesTr", "labelsTr", "imagesTs", "dataset.json", "kits.json"),
        *("kits23.json", "age_years", "meta.csv", "segmentations", "kidney_tumour"),
        *("kidney_left", "kidney_right", "kidney_cyst_left", "kidney_cyst_right"),
        *("kidney_tumor", "image_id"),
    }
)
"""Words of messages and names that a layout prescribes: they identify nobody."""

_MOST_NAMES = 100_000


@contextmanager
def confidential(
    log: Path | None, names: Callable[[], Mapping[str, str]]
) -> Iterator[None]:
    """Keep messages of readers and libraries about a file from getting out.

    Args:
        log: private file that takes what is held back; None: nothing keeps it.
        names: returns what stands in messages for each name of the source.

    Raises:
        DeepracError: of the same kind as inside, without names.
        CaseError: anything else, with the place of the error, not its message.
    """
    with _diverted(log) as stream:
        try:
            yield
        except CaseError as error:
            print(error, file=stream)
            raise CaseError(without_names(error.findings, names())) from None
        except DeepracError as error:
            print(error, file=stream)
            raise type(error)(without(str(error), names())) from None
        except Exception as error:
            traceback.print_exc(file=stream)
            report = (
                f"The whole report is in {log}; it may name patients, so look through "
                "it before you send it to anyone"
            )
            raise unforeseen(error, report if log is not None else "") from None


@contextmanager
def open_to_all() -> Iterator[None]:
    """Hide nothing; but what a library raises becomes an error of the case here too.

    Raises:
        DeepracError: as inside.
        CaseError: anything else; the log of the program has the whole report.
    """
    try:
        yield
    except DeepracError:
        raise
    except Exception as error:
        logger.exception("A library failed over a foreign file")
        raise unforeseen(error, "The log has the whole report") from error


def without_names(
    findings: Iterable[Finding], names: Mapping[str, str]
) -> tuple[Finding, ...]:
    """The findings with names of the source replaced."""
    return tuple(
        replace(finding, message=without(finding.message, names))
        for finding in findings
    )


def without(text: str, names: Mapping[str, str]) -> str:
    """The text with names of the source replaced; the longest first.

    Names of fewer than four characters stay, as do ordinary words: a patient named 12
    looks like 12 slices.

    Example:
        >>> without("/ct/Doe.nii: Doe.nii is cut short", {"Doe.nii": "the image"})
        '/ct/the image: the image is cut short'
    """
    for name in sorted(names, key=len, reverse=True):
        if len(name) >= 4 and name not in ORDINARY:
            stands_for = names[name].replace("\\", r"\\")
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", stands_for, text)
    return text


def names_of_files(files: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """What stands for each path, each file and each folder below the cohort's.

    ``files`` are those of the case by role; ``folder``, ``cohort.path``, is no secret.
    """
    names: dict[str, str] = {}
    for role, path in files.items():
        inside = path.relative_to(folder) if path.is_relative_to(folder) else path
        names |= dict.fromkeys(inside.parts[:-1], HIDDEN)
        own = (str(path), str(path.absolute()), path.name, path.name.split(".")[0])
        names |= dict.fromkeys(own, f"the {role}")
    return names


def names_of_source(config: CohortConfig) -> dict[str, str]:
    """All names in a cohort's folder and tables, each of them hidden."""
    names: set[str] = set()
    for path in (config.path, config.patients):
        if path is not None and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            for separator in SEPARATORS:
                rows = csv.reader(text.splitlines(), delimiter=separator)
                names |= {cell.strip() for row in rows for cell in row}
    found = (
        name for _, *lists in os.walk(config.path or "") for n in lists for name in n
    )
    for name in itertools.islice(found, _MOST_NAMES):
        stem = name.split(".")[0]
        names |= {name, stem, re.sub(r"_\d{4}$", "", stem)}
    # Messages may spell accents as the disk does, the table as the keyboard does.
    composed = {unicodedata.normalize("NFC", name) for name in names}
    decomposed = {unicodedata.normalize("NFD", name) for name in names}
    return dict.fromkeys(composed | decomposed, HIDDEN)


@contextmanager
def _diverted(log: Path | None) -> Iterator[TextIO]:
    """Send standard output and error, of C++ too, to the end of a file."""
    with _opened(log) as stream:
        _flush()
        saved = [(number, os.dup(number)) for number in (1, 2)]
        for number, _ in saved:
            os.dup2(stream.fileno(), number)
        try:
            with redirect_stdout(stream), redirect_stderr(stream):
                yield stream
        finally:
            stream.flush()
            _flush()
            for number, copy in saved:
                os.dup2(copy, number)
                os.close(copy)


def _opened(log: Path | None) -> TextIO:
    """The log, or where it cannot be written (a rerun from a copy), nothing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        handle = os.open(log or os.devnull, flags, 0o600)
    except OSError:
        handle = os.open(os.devnull, os.O_WRONLY)
    return os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace")


def _flush() -> None:
    """Empty the buffers of Python and of C, which outlive a change of the file."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    ctypes.CDLL(None).fflush(None)
