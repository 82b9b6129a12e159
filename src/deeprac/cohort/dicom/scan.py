"""Finding the DICOM files of a folder, whatever they are called and however deep.

The layout does not matter: patients, studies and series are told apart by the headers.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from deeprac.cohort.dicom.headers import Header, Unusable, quiet, read_header
from deeprac.errors import CohortError

LABEL_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
"""Files that can be the label of a series."""

MAX_DEPTH = 16
"""Folders inside folders that are looked into; TCIA's layout has three."""

MAX_FILES = 5_000_000
"""Files that are looked at."""

_OF_SYSTEMS = {"dicomdir", "thumbs.db", "desktop.ini"}
"""Files beside DICOM, in lower case, that say nothing of it, as hidden ones do."""

_SHOW_PROGRESS_FROM = 500
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Scan:
    """What a folder holds. It identifies patients: never show it.

    ``others`` are no DICOM and no labels; files of the system are left out.
    """

    headers: tuple[Header, ...]
    label_files: tuple[Path, ...]
    damaged: tuple[Path, ...]
    others: tuple[Path, ...]


def scan(folder: Path) -> Scan:
    """Read the headers of all files below a folder.

    Raises:
        CohortError: it is missing, holds no DICOM images, or has too many files or
            folders inside folders.
    """
    if not folder.is_dir():
        raise CohortError(
            f"{folder} is no folder. Set cohort.path to the folder of the DICOM files."
        )
    paths = sorted(_files(folder))
    headers, labels, damaged, others = [], [], [], []
    with quiet():
        for path in tqdm(
            paths, desc="DICOM headers", disable=len(paths) < _SHOW_PROGRESS_FROM
        ):
            if path.name.lower().endswith(LABEL_ENDINGS):
                labels.append(path)
                continue
            header = read_header(path)
            if isinstance(header, Header):
                headers.append(header)
            elif header is Unusable.DAMAGED:
                damaged.append(path)
            elif not (path.name.startswith(".") or path.name.lower() in _OF_SYSTEMS):
                others.append(path)
    if not headers:
        raise CohortError(
            f"{folder} holds no DICOM file: {len(paths)} files were looked at, "
            f"{len(damaged)} of them are damaged DICOM or lack its preamble. Check "
            "cohort.path."
        )
    _LOG.info("%d DICOM files, %d other files", len(headers), len(others))
    return Scan(tuple(headers), tuple(labels), tuple(damaged), tuple(others))


def _refuse(error: OSError) -> None:
    """Stop at a folder whose files would be left out unnoticed."""
    raise CohortError(
        f"{error.filename} cannot be listed ({error.strerror}). Allow reading it, or "
        "move it elsewhere."
    )


def _files(folder: Path) -> Iterator[Path]:
    """All files, each folder once even where links lead to it again."""
    seen: set[tuple[int, int]] = set()
    count = 0
    for root, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        depth = len(Path(root).relative_to(folder).parts)
        count += len(names)
        if (folders and depth >= MAX_DEPTH) or count > MAX_FILES:
            raise CohortError(
                f"{folder} has folders deeper than {MAX_DEPTH} or more than "
                f"{MAX_FILES} files. Set cohort.path to the folder of the patients."
            )
        yield from (Path(root, name) for name in names)
