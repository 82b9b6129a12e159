"""A reader that says everything that it must not, as libraries do."""

import ctypes
import logging
import os
import warnings
from dataclasses import replace

from deeprac.cohort.findings import CaseError, Finding, Severity
from deeprac.cohort.nnunet_raw import open_nnunet_raw
from deeprac.errors import CohortError


class LeakyReader:
    """Tells names on every way out; what else it does depends on ``LEAK``."""

    def __init__(self, config):
        self._reader = open_nnunet_raw(config)
        for method in ("keys", "patient", "settings", "files"):
            setattr(self, method, getattr(self._reader, method))
        self._leak("opening")
        if os.environ["LEAK"] == "opening":
            raise CohortError(f"{self.keys()} and {config.path / 'x'} are wrong.")

    def read(self, key):
        """Read a case, or fail as ``LEAK`` says."""
        path = self.files(key)["image"]
        names = f"{key} of {self.patient(key)} in {path}"
        self._leak(names)
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
        return replace(self._reader.read(key), findings=(note,))

    def _leak(self, names):
        text = f"{self.keys()} {names}\n"
        os.write(2, text.encode())
        ctypes.CDLL(None).puts(text.encode())
        print(text)
        warnings.warn(text, stacklevel=1)
        logging.getLogger("pydicom").warning(text)
        logging.getLogger("deeprac").info(text)
