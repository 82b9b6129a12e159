"""Finding the DICOM files of a folder, whatever they are called and however deep.

The layout does not matter: the headers say which patient, study and series it is.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from deeprac.cohort.dicom.headers import Header, Unusable, quiet, read_header
from deeprac.cohort.endings import META_IMAGE, NIFTI
from deeprac.cohort.source_files import files_below
from deeprac.errors import CohortError

LABEL_ENDINGS = (*NIFTI, ".nrrd", *META_IMAGE)
"""Files that can be the label of a series."""

_OF_SYSTEMS = {"dicomdir", "thumbs.db", "desktop.ini"}
"""Files of operating systems and discs, in lower case; ignored."""

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
    paths = sorted(files_below(folder))
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
            elif path.name.lower() not in _OF_SYSTEMS:
                others.append(path)
    if not headers:
        raise CohortError(
            f"{folder} holds no DICOM file: {len(paths)} files were looked at, "
            f"{len(damaged)} of them are damaged DICOM or lack its preamble. Check "
            "cohort.path."
        )
    _LOG.info("%d DICOM files, %d other files", len(headers), len(others))
    return Scan(tuple(headers), tuple(labels), tuple(damaged), tuple(others))
