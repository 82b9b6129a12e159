"""Everything that is written of one patient, into an empty folder.

Files are made in a hidden folder inside it, which is also the lock, and moved when all
are there, ``result.json`` last: a folder without it holds no result.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from deeprac import files
from deeprac.errors import SurgeryError
from deeprac.surgery import dicom_seg, result
from deeprac.surgery.flags import Flag, Verdict
from deeprac.surgery.models import write_models
from deeprac.surgery.page.build import write_page
from deeprac.surgery.preview import write_preview
from deeprac.surgery.seg_nrrd import write_labels, write_seg_nrrd
from deeprac.surgery.study import Study
from deeprac.surgery.surfaces import Surface, surfaces
from deeprac.surgery.terminology import title

STRAYS = ((5.0, 0.01), (0.0, 0.05))
"""From this volume in ml on, a surface may differ from its voxels by this share."""

NO_DICOM_SEG = Flag(
    code="no_dicom_seg",
    verdict=Verdict.LOOK,
    message="There is no DICOM-SEG, for it cannot be without a structure.",
    remedy="Look at the CT: nothing was found in it.",
)

WORKING = ".deeprac-writing"
"""Where files are made."""


def refuse_folder(folder: Path) -> None:
    """Find out whether a result can be written, before the expensive work.

    Raises:
        SurgeryError: the folder is not empty, or cannot be written.
    """
    with _working(folder):
        pass


def write_study(study: Study, folder: Path, *, dicom: Path | None = None) -> None:
    """Write all files of a patient; equal studies give equal bytes.

    Args:
        study: the patient.
        folder: made when missing; must be empty.
        dicom: folder of the series that was segmented, for a DICOM-SEG, which carries
            the patient's identity and is an instance of its own each time.

    Raises:
        SurgeryError: the folder is not empty or cannot be written to the end, or the
            series is not in its folder. Nothing is left in it.
        CohortError: the folder of the series holds no DICOM.
    """
    with _working(folder) as working:
        series = dicom and dicom_seg.read_series(dicom, study.source)
        drawn = surfaces(study.anatomy)
        flags = [*study.flags, *stray_flags(drawn)]
        if series and not drawn:
            flags.append(NO_DICOM_SEG)
        study = replace(study, flags=tuple(flags))
        write_labels(study, working / "labels.nii.gz")
        write_seg_nrrd(study, working / "segmentation.seg.nrrd")
        if series and drawn:
            target = working / "segmentation.dcm"
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


def stray_flags(drawn: Iterable[Surface]) -> Iterator[Flag]:
    """A flag for each surface that strays from the volume of its voxels."""
    for surface in drawn:
        limit = next(share for ml, share in STRAYS if surface.voxel_ml >= ml)
        if surface.strays_by > limit:
            yield Flag(
                code="surface_strays",
                verdict=Verdict.LOOK,
                message=(
                    f"{title(surface.structure)}: the 3D model has "
                    f"{surface.volume_ml:.3g} ml, its voxels {surface.voxel_ml:.3g} ml."
                ),
                remedy="Use the volume of the voxels, and the planes for the shape.",
                value=surface.strays_by,
                limit=limit,
                structure=surface.structure.name,
            )


@contextmanager
def _working(folder: Path) -> Iterator[Path]:
    """A folder for files that become those of ``folder`` at the end, or vanish."""
    working = folder / WORKING
    try:
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
        _move(working, folder)
    except OSError as error:
        raise SurgeryError(
            "A result is written completely or not at all; it could not be written: "
            f"{error.strerror or 'the disk may be full'}. Make room, or give another "
            "folder."
        ) from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _move(working: Path, folder: Path) -> None:
    """Move all files, the seal last; none where one fails."""
    entries = sorted(working.iterdir(), key=lambda path: path.name == result.NAME)
    moved = []
    try:
        for entry in entries:
            os.replace(entry, folder / entry.name)
            moved.append(folder / entry.name)
    except OSError:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
