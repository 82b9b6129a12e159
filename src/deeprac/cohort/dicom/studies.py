"""From headers to cases: patients, their segmented series or studies, label files.

A case is a series to which a segmentation refers. Where none of a patient's series is
segmented in DICOM, a case is a study with a label file, and ``series`` chooses.

A label file belongs to a case when it is called after its patient's id
(``{PatientID}.nii.gz``), or when the closest folder above it that holds DICOM images
holds those of one case only.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deeprac.cohort.dicom.headers import Header
from deeprac.cohort.dicom.patients import Patient, patients_of, plain
from deeprac.cohort.dicom.scan import LABEL_ENDINGS, Scan
from deeprac.cohort.findings import Finding, Severity

SEGMENTATIONS = ("SEG", "RTSTRUCT")
"""Modalities that segment a series."""

_NO_IMAGES = (*SEGMENTATIONS, "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG", "DOC")


@dataclass(frozen=True, repr=False)
class DicomCase:
    """The files of one case; ``images`` may hold several series to choose from.

    ``damaged`` are files that may belong to it; ``unmatched`` its study's segmentations
    that refer to no series of the patient.
    """

    patient: Patient
    images: tuple[Header, ...]
    segmentations: tuple[Header, ...] = ()
    label_files: tuple[Path, ...] = ()
    unmatched: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def is_segmented(self) -> bool:
        """Whether anything says where the kidneys are."""
        return bool(self.segmentations or self.label_files)


def cases_of(scan: Scan) -> dict[str, DicomCase]:
    """Cases by key, sorted by it.

    The key is the patient's id and a part of a hash of the series' or study's UID: the
    same whatever else is added to the folder, and no UID itself.
    """
    cases: dict[str, DicomCase] = {}
    for patient, headers in patients_of(scan.headers):
        for uid, case in _segmented(patient, headers) or _studies(patient, headers):
            digest = hashlib.sha256(uid.encode()).hexdigest()[:8]
            cases[f"{patient.name}_{digest}"] = case
    cases = _with_label_files(cases, scan.label_files)
    cases = _without_bare_studies(cases)
    cases = _with_damaged(cases, scan.damaged)
    return dict(sorted(cases.items()))


def _segmented(
    patient: Patient, headers: Sequence[Header]
) -> list[tuple[str, DicomCase]]:
    """A case for each series to which DICOM segmentations refer, with its UID."""
    images = [header for header in headers if _is_image(header)]
    by_series = _grouped(images, lambda header: header.series_uid)
    segmentations = [h for h in headers if h.modality in SEGMENTATIONS]
    referring: dict[tuple[str, ...], list[Header]] = defaultdict(list)
    unmatched: dict[str, int] = defaultdict(int)
    for segmentation in segmentations:
        if uids := _referenced(segmentation, images):
            referring[uids].append(segmentation)
        else:
            unmatched[segmentation.study_uid] += 1
    return [
        (
            "/".join(uids),
            DicomCase(
                patient,
                tuple(header for uid in uids for header in by_series[uid]),
                tuple(referring[uids]),
                unmatched=unmatched[by_series[uids[0]][0].study_uid],
            ),
        )
        for uids in referring
    ]


def _referenced(segmentation: Header, images: Sequence[Header]) -> tuple[str, ...]:
    """Series to which a segmentation refers; by the frame of reference if it must."""
    named = {h.series_uid for h in images} & segmentation.referenced_series
    if named or segmentation.referenced_series:
        return tuple(sorted(named))
    frames = segmentation.referenced_frames
    return tuple(
        sorted({h.series_uid for h in images if h.frame_of_reference in frames})
    )


def _studies(
    patient: Patient, headers: Sequence[Header]
) -> list[tuple[str, DicomCase]]:
    """A case for each study with CT images; if there is none, for each study."""
    by_study = _grouped(headers, lambda header: header.study_uid)
    with_ct = {
        uid: group
        for uid, group in by_study.items()
        if any(header.modality == "CT" for header in group)
    }
    return [
        (
            uid,
            DicomCase(
                patient,
                tuple(header for header in group if _is_image(header)),
                unmatched=sum(h.modality in SEGMENTATIONS for h in group),
            ),
        )
        for uid, group in (with_ct or by_study).items()
    ]


def _is_image(header: Header) -> bool:
    return header.modality == "CT" or (
        header.rows > 0 and header.modality not in _NO_IMAGES
    )


def _with_label_files(
    cases: Mapping[str, DicomCase], paths: Iterable[Path]
) -> dict[str, DicomCase]:
    by_folder = _keys_by_folder(cases)
    by_id: dict[str, set[str]] = defaultdict(set)
    for key, case in cases.items():
        by_id[case.patient.identity].add(key)
    found: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        closest = _closest(path, by_folder)
        named = by_id.get(plain(_stem(path)), set())
        # Of a patient's several cases, the one beside the file.
        keys = named & closest if len(named) > 1 else named or closest
        if len(keys) == 1:
            found[next(iter(keys))].append(path)
    return {
        key: replace(case, label_files=tuple(found[key])) for key, case in cases.items()
    }


def _stem(path: Path) -> str:
    name = path.name.casefold()
    for ending in (".seg.nrrd", *sorted(LABEL_ENDINGS, key=len, reverse=True)):
        name = name.removesuffix(ending)
    return name


def _without_bare_studies(cases: Mapping[str, DicomCase]) -> dict[str, DicomCase]:
    """Leave out studies without segmentation of patients who have one with it."""
    segmented = {case.patient for case in cases.values() if case.is_segmented}
    return {
        key: case
        for key, case in cases.items()
        if case.is_segmented or case.patient not in segmented
    }


def _with_damaged(
    cases: Mapping[str, DicomCase], paths: Iterable[Path]
) -> dict[str, DicomCase]:
    """Tell the cases to which a damaged file may belong of it."""
    by_folder = _keys_by_folder(cases)
    beside: dict[str, int] = defaultdict(int)
    nearby: dict[str, int] = defaultdict(int)
    for path in paths:
        own = by_folder.get(path.parent, set())
        for key in own:
            beside[key] += 1
        for key in () if own else _closest(path, by_folder):
            nearby[key] += 1
    return {
        key: replace(
            case,
            findings=(
                *case.findings,
                *_damage(Severity.ERROR, beside[key], "among its files"),
                *_damage(Severity.WARNING, nearby[key], "in a folder near its files"),
            ),
        )
        for key, case in cases.items()
    }


def _damage(severity: Severity, count: int, where: str) -> list[Finding]:
    if not count:
        return []
    message = (
        f"{count} DICOM files {where} are damaged or lack the preamble: slices may be "
        "missing. Export the series again, or remove these files"
    )
    return [Finding(severity, "files", message)]


def _keys_by_folder(cases: Mapping[str, DicomCase]) -> dict[Path, set[str]]:
    """Keys of the cases whose images lie below each folder."""
    keys: dict[Path, set[str]] = defaultdict(set)
    for key, case in cases.items():
        for folder in {header.path.parent for header in case.images}:
            for parent in (folder, *folder.parents):
                keys[parent].add(key)
    return dict(keys)


def _closest(path: Path, by_folder: Mapping[Path, set[str]]) -> set[str]:
    return next((by_folder[p] for p in path.parents if p in by_folder), set())


def _grouped(headers, name) -> dict[str, list[Header]]:
    groups: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        groups[name(header)].append(header)
    return dict(groups)
