"""From headers to cases: patients, their segmented series or studies, label files.

A case is a series to which a segmentation refers. Where none of a patient's series is
segmented in DICOM, a case is a study with a label file, and ``series`` chooses.

A label file belongs to a case when it is called after its patient's id
(``{PatientID}.nii.gz``), or when the closest folder above it that holds DICOM images
holds those of one case only.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deeprac.cohort.dicom.headers import Header
from deeprac.cohort.dicom.patients import DicomPatient, patients_of, plain
from deeprac.cohort.dicom.scan import Scan
from deeprac.cohort.dicom.series import grouped
from deeprac.cohort.endings import without_ending
from deeprac.cohort.findings import Finding

SEGMENTATIONS = ("SEG", "RTSTRUCT")
"""Modalities that segment a series."""

_NO_IMAGES = (*SEGMENTATIONS, "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG", "DOC")


@dataclass(repr=False)
class DicomCase:
    """The files of one case; ``images`` may hold several series to choose from.

    ``unmatched`` are its study's segmentations that refer to no series; ``unread``
    files that may belong to it, but cannot be read as DICOM.
    """

    patient: DicomPatient
    images: tuple[Header, ...]
    segmentations: tuple[Header, ...] = ()
    unmatched: int = 0
    label_files: list[Path] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_segmented(self) -> bool:
        """Whether the case has a segmentation or a label file."""
        return bool(self.segmentations or self.label_files)


def cases_of(scan: Scan) -> dict[str, DicomCase]:
    """Cases by key, sorted by it.

    The key is the patient's id and a part of a hash of the series' or study's UID: the
    same whatever else is added to the folder, and no UID itself.
    """
    cases: dict[str, DicomCase] = {}
    for patient, headers in _with_their_series(patients_of(scan.headers)):
        for uid, case in _segmented(patient, headers) or _studies(patient, headers):
            digest = hashlib.sha256(uid.encode()).hexdigest()[:8]
            cases[f"{patient.name}_{digest}"] = case
    _add_label_files(cases, scan.label_files)
    # Studies without segmentation count where the patient has none with it.
    segmented = {case.patient for case in cases.values() if case.is_segmented}
    return {
        key: case
        for key, case in sorted(cases.items())
        if case.is_segmented or case.patient not in segmented
    }


def studies_of(scan: Scan) -> dict[str, DicomCase]:
    """The studies with images by a part of a hash of their UID, segmented or not."""
    return {
        hashlib.sha256(uid.encode()).hexdigest()[:8]: case
        for patient, headers in patients_of(scan.headers)
        for uid, case in _studies(patient, headers)
        if case.images
    }


def _with_their_series(
    patients: Sequence[tuple[DicomPatient, list[Header]]],
) -> list[tuple[DicomPatient, list[Header]]]:
    """Put segmentations to the patient of their series, whatever id they have."""
    home: dict[str, set[int]] = defaultdict(set)
    for index, (_, headers) in enumerate(patients):
        for header in filter(_is_image, headers):
            home[header.series_uid].add(index)
            home[header.frame_of_reference].add(index)
    groups: list[list[Header]] = [[] for _ in patients]
    for index, (_, headers) in enumerate(patients):
        for header in headers:
            uids = header.referenced_series or header.referenced_frames
            homes = {n for uid in uids for n in home.get(uid, ())}
            elsewhere = header.modality in SEGMENTATIONS and index not in homes
            groups[min(homes) if homes and elsewhere else index].append(header)
    return [(p, group) for (p, _), group in zip(patients, groups, strict=True) if group]


def _segmented(
    patient: DicomPatient, headers: Sequence[Header]
) -> list[tuple[str, DicomCase]]:
    """A case for each series to which DICOM segmentations refer, with its UID."""
    images = [header for header in headers if _is_image(header)]
    by_series = grouped(images, "series_uid")
    referring: dict[tuple[str, ...], list[Header]] = defaultdict(list)
    unmatched: Counter[str] = Counter()
    for segmentation in (h for h in headers if h.modality in SEGMENTATIONS):
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
                findings=_of_another(referring[uids], by_series[uids[0]]),
            ),
        )
        for uids in referring
    ]


def _of_another(
    segmentations: Iterable[Header], images: Iterable[Header]
) -> list[Finding]:
    ids = {plain(header.patient_id) for header in images}
    count = sum(plain(header.patient_id) not in ids for header in segmentations)
    problem = (
        f"{count} DICOM segmentations have no patient id, or another one than the "
        "series to which they refer. Correct the id that is wrong, or remove the "
        "segmentation if it is another patient's"
    )
    return [Finding.error("patient id", problem)] if count else []


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
    patient: DicomPatient, headers: Sequence[Header]
) -> list[tuple[str, DicomCase]]:
    """A case for each study with CT images; if there is none, for each study."""
    by_study = grouped(headers, "study_uid")
    of_ct = {header.study_uid for header in headers if header.modality == "CT"}
    with_ct = {uid: group for uid, group in by_study.items() if uid in of_ct}
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


def _add_label_files(cases: Mapping[str, DicomCase], paths: Iterable[Path]) -> None:
    by_folder = keys_by_folder(cases)
    by_id: dict[str, set[str]] = defaultdict(set)
    for key, case in cases.items():
        by_id[case.patient.identity].add(key)
    unclear: Counter[str] = Counter()
    for path in paths:
        near = closest(path, by_folder)
        named = by_id.get(plain(without_ending(path)), set())
        # Of a patient's several cases, the one beside the file.
        keys = named & near if len(named) > 1 else named or near
        if len(keys) == 1:
            cases[next(iter(keys))].label_files.append(path)
        else:
            unclear.update(near)
    for key, count in unclear.items():
        if not cases[key].label_files:
            doubt = (
                f"{count} label files near it could be of several cases and were "
                "ignored. Put each into the folder of its series, or call it after the "
                "patient's id"
            )
            cases[key].findings.append(Finding.warning("segmentation", doubt))


def keys_by_folder(cases: Mapping[str, DicomCase]) -> dict[Path, set[str]]:
    """Keys of the cases whose images lie below each folder."""
    keys: dict[Path, set[str]] = defaultdict(set)
    for key, case in cases.items():
        for folder in {header.path.parent for header in case.images}:
            for parent in (folder, *folder.parents):
                keys[parent].add(key)
    return dict(keys)


def closest(path: Path, by_folder: Mapping[Path, set[str]]) -> set[str]:
    """What the closest folder above a file has; nothing if none has anything."""
    return next((by_folder[p] for p in path.parents if p in by_folder), set())
