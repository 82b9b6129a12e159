"""A reader that says everything that it must not, as libraries do."""

import ctypes
import logging
import os
import warnings
from dataclasses import replace
from functools import partial

from deeprac.cohort.findings import CaseError, Finding, Severity
from deeprac.cohort.nnunet_raw import open_nnunet_raw
from deeprac.errors import CohortError


def leaky_cases(config):
    """Tells names on every way out; what else it does depends on ``LEAK``."""
    cases = open_nnunet_raw(config)
    _leak(cases, "opening")
    if os.environ["LEAK"] == "opening":
        raise CohortError(f"{[*cases]} and {config.path / 'x'} are wrong.")
    return {
        key: replace(case, read=partial(read, cases, key))
        for key, case in cases.items()
    }


def read(cases, key):
    """Read a case, or fail as ``LEAK`` says."""
    case = cases[key]
    path = case.files["image"]
    names = f"{key} of {case.patient} in {path}"
    _leak(cases, names)
    kind = os.environ["LEAK"]
    if kind == "finding":
        raise CaseError([Finding(Severity.ERROR, "file", f"{names} is wrong")])
    if kind == "cohort":
        raise CohortError(f"{names} is wrong.")
    if kind == "missing":
        (path / key).read_bytes()
    if kind == "bug":
        try:
            raise KeyError(names)
        except KeyError as error:
            raise ValueError(f"bad {names}") from error
    note = Finding(Severity.NOTE, "series", f"chosen for {names}")
    return replace(case.read(), findings=(note,))


def _leak(cases, names):
    text = f"{[*cases]} {names}\n"
    os.write(2, text.encode())
    ctypes.CDLL(None).puts(text.encode())
    print(text)
    warnings.warn(text, stacklevel=1)
    logging.getLogger("pydicom").warning(text)
    logging.getLogger("deeprac").info(text)
