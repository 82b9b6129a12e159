"""Cohorts of DICOM series."""

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from deeprac.cohort.case_files import Labels, label_file, numbered, read_part
from deeprac.cohort.dicom.headers import Header, quiet
from deeprac.cohort.dicom.patients import age_years
from deeprac.cohort.dicom.pixels import read_stack
from deeprac.cohort.dicom.scan import scan
from deeprac.cohort.dicom.segmentations import (
    NONE,
    choose_segmentations,
    read_segmentations,
    wanted_names,
)
from deeprac.cohort.dicom.series import choose, stacks_of
from deeprac.cohort.dicom.studies import DicomCase, cases_of
from deeprac.cohort.dicom.unread import add_unread, named
from deeprac.cohort.findings import CaseError, Finding, Severity
from deeprac.cohort.grid import Grid
from deeprac.cohort.reader import ListedCase, SourceCase
from deeprac.cohort.source_files import stamp
from deeprac.errors import CohortError
from deeprac.settings.cohort import CohortConfig


def open_dicom(config: CohortConfig) -> dict[str, ListedCase]:
    """Read all headers and group them into cases, by patient's id and part of a hash.

    Raises:
        CohortError: there is no DICOM, or ``cohort.patients`` is set beside it.
    """
    if config.patients is not None:
        raise CohortError(
            "cohort.patients is set, but DICOM files name their patients. Leave it out."
        )
    found = scan(config.source_path)
    cases = cases_of(found)
    add_unread(cases, found)
    if not cases:
        raise CohortError(
            f"{config.path} holds DICOM files, but no images among them. Check "
            "cohort.path."
        )
    return {
        key: ListedCase(
            patient=case.patient.name,
            files=_files(case, config.source_path),
            settings=partial(_settings, case, config),
            read=partial(_read, case, config),
        )
        for key, case in cases.items()
    }


def _settings(case: DicomCase, config: CohortConfig) -> dict[str, Any]:
    """Files by size and time of change, and the rules that choose among them."""
    headers = (*case.images, *case.segmentations)
    paths = {*(header.path for header in headers), *case.label_files, *case.unread}
    return {
        "files": [stamp(path) for path in sorted(paths)],
        **asdict(config.dicom),
        "label_numbers": sorted(config.number_names.items()),
    }


def _files(case: DicomCase, root: Path) -> dict[str, Path]:
    """The folder of the images, segmentations, and files that cannot be read."""
    folders = [str(header.path.parent) for header in case.images]
    folder = Path(os.path.commonpath(folders)) if folders else root
    labels = [*(header.path for header in case.segmentations), *case.label_files]
    return {"image": folder} | numbered("label", labels) | named(case.unread)


def _read(case: DicomCase, config: CohortConfig) -> SourceCase:
    """Choose the series, check its slices, read it and its segmentation."""
    findings = [*case.patient.findings, *case.findings]
    if case.unmatched:
        findings.append(
            Finding.warning(
                "segmentation",
                f"{case.unmatched} DICOM segmentations of the study refer to no "
                "series in the folder. Put the series there",
            )
        )
    with quiet():
        try:
            return _read_chosen(case, config, findings)
        except CaseError as error:
            raise CaseError([*findings, *error.findings]) from error


def _read_chosen(
    case: DicomCase, config: CohortConfig, findings: list[Finding]
) -> SourceCase:
    """Read a case; what was found until an error is in ``findings``."""
    stacks = stacks_of(case.images)
    segmented = bool(case.segmentations)
    stack, found = choose(stacks, config.dicom, segmented=segmented)
    findings += found
    # An unread file may be the segmentation; it is an error already.
    if not (case.is_segmented or case.unread):
        findings.append(Finding.error("segmentation", NONE))
    image, stack, found = read_stack(stack)
    findings += found
    headers, found = choose_segmentations(
        case.segmentations, config.dicom.segmentations
    )
    findings += found
    segmentations: Labels | None = ()
    if case.is_segmented:
        segmentations, found = _segmentations(case, headers, Grid.of(image), config)
        findings += found
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise CaseError(())
    first = stack.headers[0]
    return SourceCase(
        image=image,
        segmentations=segmentations or (),
        age_years=age_years(first.age, first.person[1], first.study_date),
        findings=tuple(findings),
    )


def _segmentations(
    case: DicomCase, headers: tuple[Header, ...], grid: Grid, config: CohortConfig
) -> tuple[Labels | None, list[Finding]]:
    count = bool(headers) + len(case.label_files)
    if count > 1:
        raise CaseError.of(
            "segmentation",
            f"{len(case.label_files)} label files belong to the case"
            f"{', and a DICOM segmentation' if headers else ''}. Keep one of them",
        )
    if headers:
        wanted = wanted_names(config.labels)
        return read_segmentations(headers, grid, wanted)
    label = label_file(case.label_files[0], config.number_names)
    return read_part("label", label.read)
