"""The table of ``docs/cohorts/bad_input.md``: every row is made on disk and read."""

import gzip
import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.findings import CaseError
from deeprac.cohort.formats import open_source
from deeprac.errors import CohortError
from deeprac.labels import source_names
from support.cohort_builders import cohort_config, ct_like, volume, write_raw

PAGE = Path(__file__).parents[2] / "docs" / "cohorts" / "bad_input.md"
SPACING_MM = (6.0, 6.0, 10.0)
"""With it the kidney of ``pair`` has 58 ml."""

DIM, DATATYPE, PIXDIM, VOX_OFFSET, SLOPE = 40, 70, 80, 108, 112
UNITS, QFORM_CODE, QUATERN_B, SROW_X, SROW_Z = 123, 252, 256, 280, 312
"""Bytes of a NIfTI header where these fields, or pixdim[1], begin; sform_code follows
qform_code."""


def page_rows() -> dict[str, tuple[str, str]]:
    """Severity and message by input, of the tables above the page's DICOM section.

    The rows below it are test_bad_dicom.py's.
    """
    text = PAGE.read_text(encoding="utf-8").split("\n## DICOM")[0]
    _, *rows = re.findall(r"^\| (.+?) \| (\w+) \| (.+?) \|$", text, re.MULTILINE)
    assert len(rows) == len(dict(row[:2] for row in rows)), "an input is listed twice"
    return {what: (severity, message) for what, severity, message in rows}


def pair(image=None, label=None, spacing_mm=SPACING_MM):
    """Image and label of one case; what is not given is good."""
    if image is None:
        image = ct_like(1)
    if label is None:
        label = np.zeros(image.shape, np.uint8)
        label[1:3, 18:26, 15:25] = 1
        label[2, 18:22, 15:18] = 2
    return volume(image, spacing_mm), volume(label, spacing_mm)


def cohort(folder, image=None, label=None, **changes):
    """A cohort of one case, made of arrays."""
    return replace(
        write_raw(folder, {"a": pair(image, label)}),
        private=folder / "private",
        **changes,
    )


def image_file(folder):
    return folder / "imagesTr" / "a_0000.nii.gz"


def with_header(folder, *patches):
    """A cohort of which both headers are overwritten: offset, format and values."""
    config = cohort(folder)
    for path in (image_file(folder), folder / "labelsTr" / "a.nii.gz"):
        content = bytearray(gzip.decompress(path.read_bytes()))
        for offset, kind, *values in patches:
            struct.pack_into("<" + kind, content, offset, *values)
        path.write_bytes(gzip.compress(bytes(content)))
    return config


def sheared(folder, degrees):
    """The slices are stacked obliquely, in steps of 10 mm still."""
    angle = np.radians(degrees)
    return with_header(
        folder,
        (QFORM_CODE, "2h", 0, 1),
        (SROW_X + 8, "f", 10 * np.sin(angle)),
        (SROW_Z + 8, "f", 10 * np.cos(angle)),
    )


def with_label(folder, value, dtype):
    _, label = pair()
    numbers = sitk.GetArrayFromImage(label).astype(dtype)
    numbers[0, 0, 0] = value
    return cohort(folder, label=numbers)


def with_frames(folder, frames):
    config = cohort(folder)
    image = sitk.ReadImage(str(image_file(folder)))
    sitk.WriteImage(sitk.JoinSeries([image] * frames), str(image_file(folder)))
    return config


def with_bytes(folder, change):
    config = cohort(folder)
    path = image_file(folder)
    path.write_bytes(change(path.read_bytes()))
    return config


def lfs_pointer(folder, shared):
    real = shared / "bad" / "lfs_pointer" / "imaging.nii.gz"
    return with_bytes(folder, lambda _: real.read_bytes())


def with_bytes_after(folder, after):
    return with_bytes(folder, lambda content: content + after)


def scaled_label(folder, _):
    """As nibabel saves the floats of ``get_fdata`` with an int16 header."""
    config = cohort(folder)
    path = folder / "labelsTr" / "a.nii.gz"
    label = nib.load(path)
    label.header.set_data_dtype(np.int16)
    nib.save(nib.Nifti1Image(label.get_fdata(), label.affine, label.header), path)
    return config


def listed(folder, ending, change):
    """A list of one pair, the header of whose image ``change`` has rewritten."""
    for name, content in zip(("ct", "label"), pair(), strict=True):
        sitk.WriteImage(content, str(folder / f"{name}{ending}"))
    path = folder / f"ct{ending}"
    path.write_bytes(change(path.read_bytes()))
    return listed_pair(folder, f"ct{ending}", f"label{ending}")


def listed_pair(folder, image, label):
    (folder / "pairs.csv").write_text(f"image,label\n{image},{label}\n")
    return cohort_config(
        format="pairs",
        path=folder / "pairs.csv",
        labels=source_names("pairs", {}),
        private=folder / "private",
    )


def with_nrrd(folder, **fields):
    """The image is NRRD with other fields, ``_`` standing for spaces."""

    def change(content):
        for key, value in fields.items():
            line = f"{key.replace('_', ' ')}: {value}\n".encode()
            pattern = line.split(b":")[0] + b":.*\n"
            content, count = re.subn(pattern, line, content, count=1)
            assert count == 1
        return content

    return listed(folder, ".nrrd", change)


def swollen(folder, _):
    """A MetaImage whose packed voxels are those of a larger volume."""
    larger, _ = pair(np.zeros((400, 48, 64), np.int16))
    sitk.WriteImage(larger, str(folder / "larger.mha"), useCompression=True)
    content = (folder / "larger.mha").read_bytes()
    return listed(folder, ".mha", lambda _: content.replace(b"48 400", b"48 4"))


def slicer_names(folder, _):
    """3D Slicer's names of kidney and tumour, the other way round than beside it."""
    config = listed(folder, ".nrrd", bytes)
    names = "".join(
        f"Segment{index}_{key}:={value}\n"
        for index, name in enumerate(("tumour", "kidney"))
        for key, value in (("Name", name), ("LabelValue", index + 1), ("Layer", 0))
    )
    path = folder / "label.nrrd"
    head, voxels = path.read_bytes().split(b"\n\n", 1)
    path.write_bytes(head + b"\n" + names.encode() + b"\n" + voxels)
    return config


def another_grid(folder, _):
    image, label = pair()
    label.SetOrigin((-7.0, 11.0, 31.0))
    return write_raw(folder, {"a": (image, label)})


def another_size(folder, _):
    image, label = pair()
    return write_raw(folder, {"a": (image, label[:, :, :3])})


def missing_label(folder, _):
    return write_raw(folder, {"a": (pair()[0], None)})


def real_mr(folder, shared):
    image = sitk.ReadImage(str(shared / "bad" / "mr" / "example_mr_sm.nii.gz"))
    numbers = np.zeros(image.GetSize()[::-1], np.uint8)
    numbers[8:12, 40:60, 50:70] = 1
    label = sitk.GetImageFromArray(numbers)
    label.CopyInformation(image)
    return write_raw(folder, {"a": (image, label)})


def real_chest(folder, shared):
    reader = sitk.ImageSeriesReader()
    slices = str(shared / "bad" / "no_kidney")
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(slices))
    image = reader.Execute()
    return write_raw(folder, {"a": (image, sitk.Cast(image > 3000, sitk.sitkUInt8))})


def rows_of_patients(folder, *rows):
    config = write_raw(folder / "raw", {"a": pair(), "b": pair()})
    table = folder / "patients.csv"
    table.write_text("\n".join(["case,patient", *rows]) + "\n")
    return replace(config, patients=table)


def with_columns(folder, header):
    config = rows_of_patients(folder)
    config.patients.write_text(f"{header}\na,p,a\n")
    return config


def with_lost_zeros(folder):
    config = write_raw(folder / "raw", {"0012": pair(), "0013": pair()})
    table = folder / "patients.csv"
    table.write_text("case,patient\n12,p\n13,q\n")
    return replace(config, patients=table)


def pairs(folder, *rows):
    config = cohort(folder)
    table = folder / "pairs.csv"
    table.write_text("\n".join(["case,image,label", *rows]) + "\n")
    return replace(config, format="pairs", path=table)


def named(folder, labels, **dataset):
    """The tumour of ``pair`` has the number 2."""
    config = write_raw(folder, {"a": pair()}, labels={"background": 0, **labels})
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | dataset))
    return config


REGIONS = {"kidney": [1, 2, 3], "masses": [2, 3], "tumor": 2}
IGNORE = {"kidney": 1, "tumour": 2, "ignore": 3}


def with_ignored(folder, **labels):
    """One voxel of the label says that nobody labelled it."""
    config = with_label(folder, 3, np.uint8)
    path = folder / "dataset.json"
    dataset = json.loads(path.read_text())
    path.write_text(json.dumps(dataset | {"labels": {"background": 0} | IGNORE}))
    return replace(config, labels=dict(config.labels) | labels)


def twice_in_json(folder):
    config = cohort(folder)
    path = folder / "dataset.json"
    text = json.dumps(json.loads(path.read_text()), indent=1)
    path.write_text(text[:-2] + ',\n "labels": {"tumour": 1, "kidney": 2}\n}\n')
    return config


def accents(folder):
    """The table has the name composed, the files decomposed, as macOS writes them."""
    config = write_raw(folder / "raw", {"Le\u0301kar\u030c": pair()})
    table = folder / "patients.csv"
    table.write_text("case,patient\nL\xe9ka\u0159,p\n", encoding="utf-8")
    return replace(config, patients=table)


def spreadsheet(folder):
    config = rows_of_patients(folder)
    config.patients.write_text(
        "\ufeffcase;patient;age_years;;\na;p;2,5;;\nb;q;;;\n;;;;\n"
    )
    return config


def organs(folder, **masks):
    """A case of TotalSegmentator whose masks are 0 and the given value, None: none."""
    image, label = pair()
    case = folder / "s0001"
    (case / "segmentations").mkdir(parents=True)
    sitk.WriteImage(image, str(case / "ct.nii.gz"))
    for name, value in ({"kidney_left": 1, "kidney_right": 0} | masks).items():
        if value is not None:
            mask = sitk.Cast(label == 1, sitk.sitkFloat32) * value
            path = case / "segmentations" / f"{name}.nii.gz"
            sitk.WriteImage(mask, str(path))
    names = source_names("totalsegmentator", {})
    return cohort_config(format="totalsegmentator", path=folder, labels=names)


def foreign_paths(folder, _):
    folder /= "Kohorte für Kinder 腎臓"
    config = write_raw(folder, {"Müller 1": pair()})
    return replace(config, pseudonyms=True, private=folder / "private")


def not_square(folder, _):
    image = np.full((2, 512, 796), -1000, np.int16)
    image[:, 100:400, 200:600] = ct_like(1)[:2].repeat(7, 1).repeat(7, 2)[:, :300, :400]
    label = np.zeros(image.shape, np.uint8)
    label[:, 200:260, 300:360] = 1
    return write_raw(folder, {"a": pair(image, label, (0.7, 0.7, 5.0))})


def padded(folder, _):
    image = ct_like(1)
    image[:, :3] = -3024
    return cohort(folder, image)


MAKE = {
    "Git-LFS pointer instead of the image": lfs_pointer,
    "gzip file cut short": lambda f, _: with_bytes(f, lambda b: b[:-200]),
    "empty file": lambda f, _: with_bytes(f, lambda b: b""),
    "bytes after the end of the gzip file": lambda f, _: with_bytes_after(f, b"<html>"),
    "no NIfTI inside": lambda f, _: with_bytes(f, lambda b: gzip.compress(b"x" * 999)),
    "no label file": missing_label,
    "several frames (4D)": lambda f, _: with_frames(f, 2),
    "4D with one frame": lambda f, _: with_frames(f, 1),
    "sizes of an axis below one": lambda f, _: with_header(
        f, (DIM, "4h", 3, 64, -48, 4)
    ),
    "type of numbers that NIfTI does not know": lambda f, _: with_header(
        f, (DATATYPE, "h", 999)
    ),
    "voxels that begin nowhere (NaN)": lambda f, _: with_header(
        f, (VOX_OFFSET, "f", np.nan)
    ),
    "slope of 1e38": lambda f, _: with_header(f, (SLOPE, "2f", 1e38, 0)),
    "packed voxels that are more than the header tells": swollen,
    "NRRD packed with bzip2": lambda f, _: with_nrrd(f, encoding="bzip2"),
    "label shifted against the image": another_grid,
    "label with fewer slices than the image": another_size,
    "spacing of zero": lambda f, _: with_header(f, (PIXDIM, "f", 0.0)),
    "negative spacing": lambda f, _: with_header(f, (PIXDIM, "f", -6.0)),
    "spacing in metres": lambda f, _: with_header(
        f,
        (PIXDIM, "3f", 6e-3, 6e-3, 1e-2),
        (QFORM_CODE, "2h", 0, 1),
        (SROW_X, "12f", -6e-3, 0, 0, 7e-3, 0, -6e-3, 0, -11e-3, 0, 0, 1e-2, 3e-2),
        (UNITS, "B", 1),
    ),
    "qform and sform disagree": lambda f, _: with_header(f, (SROW_X + 12, "f", 40.0)),
    "quaternion longer than one": lambda f, _: with_header(
        f, (QFORM_CODE, "2h", 1, 0), (QUATERN_B, "3f", 3, 0, 1)
    ),
    "origin that is no number": lambda f, _: with_header(
        f, (QFORM_CODE, "2h", 0, 1), (SROW_X + 12, "f", np.nan)
    ),
    "origin 1000 km away": lambda f, _: with_header(
        f, (QFORM_CODE, "2h", 0, 1), (SROW_X + 12, "f", 1e9)
    ),
    "NRRD whose space names no anatomy": lambda f, _: with_nrrd(
        f, space="3D-right-handed"
    ),
    "NRRD without an axis": lambda f, _: with_nrrd(
        f, space_directions="(6,0,0) none (0,0,10)"
    ),
    "MetaImage whose unit is cm": lambda f, _: listed(
        f, ".mha", lambda b: b.replace(b"CenterOf", b"DistanceUnits = cm\nCenterOf")
    ),
    "neither qform nor sform": lambda f, _: with_header(f, (QFORM_CODE, "2h", 0, 0)),
    "axes sheared by 3 degrees": lambda f, _: sheared(f, 3),
    "axes sheared by 0.03 degrees": lambda f, _: sheared(f, 0.03),
    "no label named kidney": lambda f, _: named(f, {"Niere": 1, "tumour": 2}),
    "a label of another name": lambda f, _: named(f, {"kidney": 1, "spleen": 2}),
    "label names that differ only in case": lambda f, _: named(
        f, {"kidney": 1, "Kidney": 2}
    ),
    "nnU-Net's label ignore": lambda f, _: with_ignored(f),
    "nnU-Net's label ignore, under background": lambda f, _: with_ignored(
        f, background=("ignore",)
    ),
    "a key twice in dataset.json": lambda f, _: twice_in_json(f),
    "regions without regions_class_order": lambda f, _: named(f, REGIONS),
    "regions that regions_class_order contradicts": lambda f, _: named(
        f, REGIONS, regions_class_order=[1, 2, 3]
    ),
    "regions that overlap in part": lambda f, _: named(
        f, {"kidney": [1, 3], "tumor": [2, 3]}, regions_class_order=[1, 2]
    ),
    "regions as in nnU-Net's dataset of KiTS23": lambda f, _: named(
        f, REGIONS, regions_class_order=[1, 3, 2]
    ),
    "a mask without that of the other side": lambda f, _: organs(f, kidney_right=None),
    "a mask that nobody named": lambda f, _: organs(f, kidney_stones=1),
    "a mask with fractions": lambda f, _: organs(f, tumour=0.5),
    "names of 3D Slicer that contradict those beside the file": slicer_names,
    "label with 255": lambda f, _: with_label(f, 255, np.uint8),
    "label with fractions": lambda f, _: with_label(f, 0.5, np.float32),
    "label of 1.0039, scaled to 8 bits": lambda f, _: with_label(
        f, 1.0039216, np.float32
    ),
    "label that nibabel scaled": scaled_label,
    "label with a negative value": lambda f, _: with_label(f, -1, np.int16),
    "tumour without kidney": lambda f, _: cohort(
        f, label=2 * (sitk.GetArrayFromImage(pair()[1]) == 2).astype(np.uint8)
    ),
    "MR instead of CT": real_mr,
    "chest CT without kidneys": real_chest,
    "windowed picture, 0 to 255": lambda f, _: cohort(
        f, (ct_like(1).clip(-160, 240) + 160.0) * (255 / 400)
    ),
    "NaN in the image": lambda f, _: cohort(
        f, np.where(ct_like(1) > 600, np.nan, ct_like(1))
    ),
    "one value everywhere": lambda f, _: cohort(f, np.zeros((4, 48, 64), np.int16)),
    "wrong scale: ten times HU": lambda f, _: cohort(
        f, ct_like(1).astype(np.int32) * 10
    ),
    "offset of 1000": lambda f, _: cohort(f, ct_like(1).clip(-1000) + 1000),
    "unsigned image (uint16) with an offset of 1024": lambda f, _: cohort(
        f, (ct_like(1) + 1024).astype(np.uint16)
    ),
    "padding of -3024": padded,
    "image cut to the body": lambda f, _: cohort(
        f, ct_like(1)[:, 12:36, 14:46], np.ones((4, 24, 32), int)
    ),
    "spacing ten times too small": lambda f, _: write_raw(
        f, {"a": pair(spacing_mm=(0.6, 0.6, 1.0))}
    ),
    "a case listed twice": lambda f, _: rows_of_patients(f, "a,p", "b,q", "a,r"),
    "a file listed twice among pairs": lambda f, _: pairs(
        f,
        "a,imagesTr/a_0000.nii.gz,labelsTr/a.nii.gz",
        "b,imagesTr/a_0000.nii.gz,labelsTr/b.nii.gz",
    ),
    "patient ids that collide": lambda f, _: rows_of_patients(f, "a,P 7", "b,p7"),
    "leading zeros lost in a table": lambda f, _: with_lost_zeros(f),
    "a column twice in a table": lambda f, _: with_columns(f, "case,patient,case"),
    "a name with commas, not quoted": lambda f, _: rows_of_patients(
        f, "a,Doe, John", "b,q"
    ),
    "semicolons, empty columns and lines in a table": lambda f, _: spreadsheet(f),
    "accents composed in a table, decomposed on disk": lambda f, _: accents(f),
    "gzip file padded with zeros": lambda f, _: with_bytes_after(f, bytes(512)),
    "gzip file of two members": lambda f, _: with_bytes(
        f,
        lambda b: b"".join(
            gzip.compress(part)
            for part in (gzip.decompress(b)[:999], gzip.decompress(b)[999:])
        ),
    ),
    "int64 image": lambda f, _: cohort(f, ct_like(1).astype(np.int64)),
    "uint16 label": lambda f, _: with_label(f, 0, np.uint16),
    "whole numbers stored as floats": lambda f, _: with_label(f, 0, np.float64),
    "slices of 796 x 512": not_square,
    "spaces and non-ASCII in paths and names": foreign_paths,
}
"""Makes each input of the page: folder and folder of real data -> configuration."""


def found_in(config, folder) -> list[tuple[str, str]]:
    """Severity and message of all that is told about a cohort of one case."""
    try:
        source = open_source(config)
    except CohortError as error:
        return [("error", str(error).removesuffix(".").replace(str(folder), "FOLDER"))]
    try:
        findings = source.load(source.names()[0]).findings
    except CaseError as error:
        findings = error.findings
    # Which of the files it was comes first; of both the same is told.
    told = [
        (f.severity.value, re.sub(r"^(the )?(image|label): ", "", f.message))
        for f in findings
    ]
    return list(dict.fromkeys(told))


@pytest.mark.parametrize("what", MAKE)
def test_input_is_told_as_the_page_says(what, tmp_path, request):
    real = what.startswith(("Git-LFS", "MR ", "chest "))
    shared = request.getfixturevalue("shared_data") if real else None
    found = found_in(MAKE[what](tmp_path, shared), tmp_path)
    severity, message = page_rows()[what]
    expected = [] if severity == "accepted" else [(severity, message)]
    assert found == expected, "\n".join(f"| {what} | {s} | {m} |" for s, m in found)


def test_the_page_and_the_inputs_are_the_same():
    assert list(page_rows()) == list(MAKE)
