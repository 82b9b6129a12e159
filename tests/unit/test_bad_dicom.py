"""The DICOM rows of ``docs/cohorts/bad_input.md``: each made on disk and read."""

import re
from pathlib import Path

import numpy as np
import pytest

from deeprac.cohort.formats import open_source
from deeprac.errors import CohortError
from support.cohort_builders import ct_like
from support.dicom_builders import Series, rtstruct, write, write_seg
from support.dicom_cases import add_label, dicom_config, edit, kidney, told, trunk

PAGE = Path(__file__).parents[2] / "docs" / "cohorts" / "bad_input.md"


def page_rows() -> dict[str, tuple[str, str]]:
    """Severity and message by input of the page's DICOM section."""
    text = PAGE.read_text(encoding="utf-8").split("\n## DICOM")[1]
    _, *rows = re.findall(r"^\| (.+?) \| (\w+) \| (.+?) \|$", text, re.MULTILINE)
    return {what: (severity, message) for what, severity, message in rows}


def long_trunk(**changes) -> Series:
    """Eight slices, so that enough are left where some are missing."""
    return trunk(**({"hu": np.concatenate([ct_like(1), ct_like(2)])} | changes))


def segmented(folder: Path, series: Series, *, without: slice | None = None) -> None:
    """A series and a DICOM-SEG of its kidney, then some slices taken away."""
    paths = series.write(folder / "ct")
    mask = np.zeros(series.hu.shape, bool)
    mask[: len(kidney())] = kidney() == 1
    write_seg(folder / "seg.dcm", paths, {"kidney": mask})
    for path in paths[without] if without else ():
        path.unlink()


def missing(folder):
    segmented(folder, long_trunk(), without=slice(6, 7))


def with_label(folder: Path) -> list[Path]:
    """A trunk of eight slices with endings, its kidney in a label file."""
    paths = long_trunk().write(folder / "ct")
    add_label(trunk(), folder / "ct")
    return [path.rename(path.with_suffix(".dcm")) for path in paths]


def empty_slice(folder):
    with_label(folder)[-1].write_bytes(b"")


def page_as_slice(folder):
    with_label(folder)[-1].write_text("<!DOCTYPE html><title>404</title>")


def slice_cut_short(folder):
    last = with_label(folder)[-1]
    last.write_bytes(last.read_bytes()[:300])


def empty_segmentation(folder):
    long_trunk().write(folder / "ct")
    (folder / "segmentation").mkdir()
    (folder / "segmentation" / "1-1.dcm").write_bytes(b"")


def unreadable_nearby(folder):
    with_label(folder)
    (folder / "other").mkdir()
    (folder / "other" / "1-1.dcm").write_text("<!DOCTYPE html>")


def other_files(folder):
    with_label(folder)
    for name in ("LICENSE", "README.txt", "DICOMDIR", ".DS_Store", "Thumbs.db"):
        (folder / "ct" / name).write_text("about something else")


def another_patient(folder):
    series = trunk()
    segmented(folder, series)
    edit(folder / "seg.dcm", PatientID="p8")
    trunk(patient="p8").write(folder / "ct8")


def low_values_bright(folder):
    series = trunk()
    for path in series.write(folder):
        edit(path, PhotometricInterpretation="MONOCHROME1")
    add_label(series, folder)


def acquisitions(folder, *origins_mm):
    """Four slices of each acquisition, all in one series, and a label file."""
    for number, z_mm in enumerate(origins_mm):
        series = trunk(
            origin_mm=(-31.0, 17.5, z_mm),
            study_uid="1.2.3",
            series_uid="1.2.3.4",
            tags={"AcquisitionNumber": number + 1},
        )
        series.write(folder / f"{number}")
    add_label(trunk(), folder)


def same_place(folder):
    acquisitions(folder, 102, 102)


def between(folder):
    acquisitions(folder, 102, 107)


def apart(folder):
    acquisitions(folder, 102, 162)


def crossing(folder):
    """Two boxes of 4 x 4 voxels in slices 1 and 2 that share 2 x 2 of them."""
    series = trunk()
    series.write(folder / "ct")
    boxes = []
    for k in (1, 2):
        for low in (20.5, 22.5):
            corners = [(low, low), (low + 4, low), (low + 4, low + 4), (low, low + 4)]
            index = np.array([(i, j, k) for i, j in corners])
            boxes.append(series.origin_mm + index * series.spacing_mm)
    write(rtstruct(series, {"Kidney": boxes}), folder / "rt.dcm")


def through_centres(folder):
    series = trunk()
    series.write(folder / "ct")
    corners = [(15, 18), (24, 18), (24, 25), (15, 25)]
    boxes = [
        series.origin_mm + np.array([(*c, k) for c in corners]) * series.spacing_mm
        for k in (1, 2)
    ]
    write(rtstruct(series, {"Kidney": boxes}), folder / "rt.dcm")


def too_large(folder):
    acquisitions(folder, 102)
    for path in (folder / "0").iterdir():
        edit(path, Rows=32768, Columns=4097)


def identical_twice(folder):
    series = trunk()
    paths = series.write(folder)
    again = folder / "again"
    again.write_bytes(paths[2].read_bytes())
    edit(again, SOPInstanceUID="1.2.3.4")
    add_label(series, folder)


def different_twice(folder):
    series = trunk()
    paths = series.write(folder)
    series.hu = series.hu + 1
    series.slice(2).save_as(folder / "again", enforce_file_format=True)
    assert len(paths) == 4
    add_label(series, folder)


def uneven(folder):
    series = trunk()
    paths = series.write(folder)
    position = series.position_mm(3) + np.array([0, 0, 4])
    edit(paths[3], ImagePositionPatient=[float(v) for v in position])
    add_label(series, folder)


def several_series(folder):
    first = trunk()
    first.write(folder)
    trunk(study_uid=first.study_uid, patient=first.patient).write(folder / "second")
    add_label(first, folder)


def thick_and_thin(folder):
    first = trunk()
    first.write(folder)
    trunk(
        hu=ct_like(2)[:, ::2], study_uid=first.study_uid, spacing_mm=(6, 6, 11)
    ).write(folder / "second")
    add_label(first, folder)


def tilted(folder):
    tilt = np.deg2rad(12)
    axes = np.array([[1, 0, 0], [0, np.cos(tilt), 0], [0, np.sin(tilt), 1.0]])
    series = trunk()
    paths = series.write(folder)
    for path in paths:
        edit(path, ImageOrientationPatient=[float(v) for v in axes[:, :2].T.ravel()])
    add_label(series, folder)


def orientations(folder):
    series = long_trunk()
    paths = series.write(folder)
    for path in paths[6:]:
        edit(path, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    add_label(trunk(), folder)


def few(folder):
    series = trunk(hu=ct_like(1)[:3])
    series.write(folder)
    add_label(trunk(), folder)


def scout(folder):
    series = trunk(tags={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    series.write(folder)
    add_label(series, folder)


def magnetic(folder):
    series = trunk(tags={"Modality": "MR"})
    series.write(folder)
    add_label(series, folder)


def without_rescale(folder):
    series = trunk()
    for path in series.write(folder):
        edit(path, RescaleSlope=None, RescaleIntercept=None)
    add_label(series, folder)


def without_place(folder):
    series = trunk()
    for path in series.write(folder):
        edit(path, ImagePositionPatient=None)
    add_label(series, folder)


def not_segmented(folder):
    trunk().write(folder)


def no_kidney(folder):
    series = trunk()
    write_seg(folder / "seg.dcm", series.write(folder / "ct"), {"lung": kidney() == 1})


def another_series(folder):
    other = trunk()
    paths = other.write(folder / "gone")
    write_seg(folder / "seg.dcm", paths, {"kidney": kidney() == 1})
    for path in paths:
        path.unlink()
    trunk(study_uid=other.study_uid).write(folder / "ct")


def two_segmentations(folder):
    paths = trunk().write(folder / "ct")
    for name in ("a", "b"):
        write_seg(folder / f"{name}.dcm", paths, {"kidney": kidney() == 1})


def colliding(folder):
    for index, born in enumerate(("20010203", "20110405")):
        series = trunk(tags={"PatientBirthDate": born, "PatientName": f"N{index}^X"})
        series.write(folder / f"{index}")
        add_label(series, folder / f"{index}")


MAKE = {
    "a slice is missing": missing,
    "a slice is there twice, pixel for pixel": identical_twice,
    "a slice is there twice, with other pixels": different_twice,
    "slices unevenly spaced": uneven,
    "several equal series in one folder": several_series,
    "two series, a label file beside them": thick_and_thin,
    "gantry tilt": tilted,
    "slices of several orientations": orientations,
    "too few slices for a volume": few,
    "a scout": scout,
    "MR series": magnetic,
    "no rescale slope and intercept": without_rescale,
    "no positions": without_place,
    "no segmentation": not_segmented,
    "a segmentation without kidney": no_kidney,
    "a segmentation of another series": another_series,
    "two segmentations of one series": two_segmentations,
    "two acquisitions of one series in one place": same_place,
    "two acquisitions of one series, slices between slices": between,
    "two acquisitions of one series, a gap between them": apart,
    "contours that overlap, neither inside the other": crossing,
    "contours through the centres of voxels, as rt-utils draws them": through_centres,
    "more than 2^29 voxels": too_large,
    "MONOCHROME1": low_values_bright,
    "one patient id, two persons": colliding,
    "a segmentation with another patient id than its series": another_patient,
    "the last slice is an empty file": empty_slice,
    "the last slice is a page of HTML": page_as_slice,
    "the last slice is cut short in its header": slice_cut_short,
    "the segmentation is an empty file": empty_segmentation,
    "unreadable files in another folder": unreadable_nearby,
    "a licence and other files beside the slices": other_files,
}
"""Writes each input of the page into a folder."""


def found_in(folder) -> list[tuple[str, str]]:
    """Severity and message, the worst first."""
    config = dicom_config(folder, slice_spacing_mm=(1, 12))
    try:
        open_source(config)
    except CohortError as error:
        return [("error", str(error).removesuffix(".").replace(str(folder), "FOLDER"))]
    worst_first = ("error", "warning", "repaired", "note")
    return sorted(told(config), key=lambda found: worst_first.index(found[0]))


@pytest.mark.parametrize("what", MAKE)
def test_input_is_told_as_the_page_says(what, tmp_path):
    folder = tmp_path / "dicom"
    MAKE[what](folder)
    found = found_in(folder)
    worst = [entry for entry in found if entry[0] == found[0][0]]
    assert page_rows().get(what) in worst, "\n".join(
        f"| {what} | {s} | {m} |" for s, m in found
    )


def test_the_page_and_the_inputs_are_the_same():
    assert list(page_rows()) == list(MAKE)
