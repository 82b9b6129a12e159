"""Everything that is written of one patient, into an empty folder.

Files are made in a hidden folder inside it, which is also the lock, and moved when all
are there, ``result.json`` last: a folder without it holds no result.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from deeprac import files
from deeprac.errors import SurgeryError
from deeprac.surgery import dicom_seg, result
from deeprac.surgery.flags import Flag
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.model_checks import mesh_flags
from deeprac.surgery.models import write_models
from deeprac.surgery.page.build import write_page
from deeprac.surgery.preview import write_preview
from deeprac.surgery.protocol import withheld
from deeprac.surgery.seg_nrrd import write_labels, write_seg_nrrd
from deeprac.surgery.study import Study
from deeprac.surgery.surfaces import Surface, surfaces

WORKING = ".deeprac-writing"
"""Where files are made."""


def write_study(study: Study, folder: Path, *, dicom: Sequence[Path] = ()) -> None:
    """Write all files of a patient; arguments and errors as of the two below."""
    with result_folder(folder) as working:
        write_files(study, working, dicom=dicom)


def write_files(study: Study, working: Path, *, dicom: Sequence[Path] = ()) -> None:
    """Write all files of a patient; equal studies give equal bytes.

    Args:
        study: the patient.
        working: of ``result_folder``.
        dicom: files of the series that was segmented, for a DICOM-SEG, which carries
            the patient's identity and is an instance of its own each time; none: it is
            not asked for.

    Raises:
        SurgeryError: they cannot be written to the end.
    """
    with _complete():
        drawn = surfaces(study.anatomy)
        doubts = written_flags(drawn, dicom_seg=bool(dicom))
        study = _flagged(study, doubts)
        write_labels(study, working / "labels.nii.gz")
        write_seg_nrrd(study, working / "segmentation.seg.nrrd")
        if dicom and drawn:
            target = working / "segmentation.dcm"
            series = dicom_seg.read_series(dicom)
            dicom_seg.write_dicom_seg(study.anatomy, study.source, series, target)
        tables = {"measures": study.measures, "changes": study.changes}
        if study.protocol is not None:
            tables["protocol"] = study.protocol
        for name, table in tables.items():
            files.write_csv(working / f"{name}.csv", table)
        write_models(drawn, working / "models")
        write_preview(study, drawn, working / "preview")
        write_page(study, drawn, working / "preview", working / "report.html")
        content = result.result_of(study, drawn, working)
        files.write_json(working / result.NAME, content)


def _flagged(study: Study, doubts: tuple[Flag, ...]) -> Study:
    """With the last flags; where they say so, nothing is compared with a protocol."""
    flags = (*study.flags, *doubts)
    protocol = study.protocol
    if protocol is not None:
        protocol = withheld(protocol, flags)
    return replace(study, flags=flags, protocol=protocol)


def written_flags(drawn: Sequence[Surface], *, dicom_seg: bool) -> tuple[Flag, ...]:
    """Doubts about what is written: models that stray, a DICOM-SEG that cannot be.

    Args:
        drawn: the surfaces of all structures.
        dicom_seg: whether one is asked for.
    """
    flags = mesh_flags(
        {one.structure.name: one.volume_ml for one in drawn},
        {one.structure.name: one.voxel_ml for one in drawn},
    )
    if dicom_seg:
        message = "there is no DICOM-SEG, for it cannot be without a structure"
        flags += LIMITS["no_dicom_seg"].flags(len(drawn), message)
    return flags


@contextmanager
def result_folder(folder: Path) -> Iterator[Path]:
    """Hold a folder for one result, from before the expensive work.

    Args:
        folder: made when missing; must be empty.

    Yields:
        A folder for files, which become those of ``folder`` at the end, or vanish.

    Raises:
        SurgeryError: another run holds it, it is not empty, or cannot be written.
    """
    working = folder / WORKING
    try:
        found = folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        working.mkdir()
    except FileExistsError as error:
        raise SurgeryError(
            "A result is written into a folder of its own; another run writes into "
            f"this one, or was killed there, or it is a file. Give another, or remove "
            f"{WORKING} from it."
        ) from error
    except OSError as error:
        raise SurgeryError(
            "A result is written into a folder that can be written; this one cannot: "
            f"{error.strerror}. Give another."
        ) from error
    try:
        if any(entry.name != WORKING for entry in folder.iterdir()):
            raise SurgeryError(
                "A result is written into an empty folder, so that nothing of it is "
                "older than the rest; this one is not empty. Give another."
            )
        yield working
        with _complete():
            _move(working, folder)
    finally:
        shutil.rmtree(working, ignore_errors=True)
        if not found:
            with suppress(OSError):  # it holds the result
                folder.rmdir()


@contextmanager
def _complete() -> Iterator[None]:
    """Tell of a full disk, without the name of a file."""
    try:
        yield
    except OSError as error:
        raise SurgeryError(
            "A result is written completely or not at all; it could not be written: "
            f"{error.strerror or 'the disk may be full'}. Make room, or give another "
            "folder."
        ) from error


def _move(working: Path, folder: Path) -> None:
    """Move all files, the seal last; none where one fails."""
    entries = sorted(working.iterdir(), key=lambda path: path.name == result.NAME)
    targets = [folder / entry.name for entry in entries]
    try:
        for entry, target in zip(entries, targets, strict=True):
            os.replace(entry, target)
    except BaseException:  # a signal may end it at any step
        for target in targets:
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
        raise
