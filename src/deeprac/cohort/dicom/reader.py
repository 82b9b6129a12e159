"""The reader of DICOM cohorts."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deeprac.cohort.case_files import LabelFile, Labels, numbered, read_part
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
from deeprac.cohort.dicom.unread import named, with_unread
from deeprac.cohort.findings import CaseError, Finding, Severity
from deeprac.cohort.grid import Grid
from deeprac.cohort.reader import SourceCase
from deeprac.cohort.source_files import stamp
from deeprac.errors import CohortError
from deeprac.settings.cohort import CohortConfig


class DicomReader:
    """Reads the cases of a folder of DICOM files, one at a time."""

    def __init__(self, config: CohortConfig) -> None:
        """Read all headers and group them into cases.

        Raises:
            CohortError: there is no DICOM, or ``cohort.patients`` is set beside it.
        """
        if config.patients is not None:
            raise CohortError(
                "cohort.patients is set, but DICOM files name their patients. Leave it "
                "out."
            )
        self._config = config
        found = scan(config.source_path)
        self._cases = with_unread(cases_of(found), found)
        if not self._cases:
            raise CohortError(
                f"{config.path} holds DICOM files, but no images among them. Check "
                "cohort.path."
            )

    def keys(self) -> list[str]:
        """Patient's id and a part of a hash for each case, sorted."""
        return list(self._cases)

    def patient(self, key: str) -> str:
        """The patient's id, with its issuer where one id has several."""
        return self._cases[key].patient.name

    def settings(self, key: str) -> Mapping[str, Any]:
        """Files by size and time of change, and the rules that choose among them."""
        case, rules = self._cases[key], self._config.dicom
        headers = (*case.images, *case.segmentations)
        paths = {header.path for header in headers}
        paths |= {*case.label_files, *case.unread}
        return {
            "files": [stamp(path) for path in sorted(paths)],
            "slice_spacing_mm": list(rules.slice_spacing_mm),
            "prefer": rules.prefer,
            "description": rules.description,
            "segmentations": rules.segmentations,
            "label_numbers": sorted(self._config.number_names.items()),
        }

    def files(self, key: str) -> Mapping[str, Path]:
        """The folder of the images, segmentations, and files that cannot be read."""
        case = self._cases[key]
        folders = [str(header.path.parent) for header in case.images]
        folder = os.path.commonpath(folders) if folders else str(self._config.path)
        labels = [*(header.path for header in case.segmentations), *case.label_files]
        return {"image": Path(folder)} | numbered("label", labels) | named(case.unread)

    def read(self, key: str) -> SourceCase:
        """Choose the series, check its slices, read it and its segmentation.

        Raises:
            CaseError: it cannot be used; everything that was found.
        """
        case = self._cases[key]
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
                return self._read(case, findings)
            except CaseError as error:
                raise CaseError([*findings, *error.findings]) from error

    def _read(self, case: DicomCase, findings: list[Finding]) -> SourceCase:
        stacks = stacks_of(case.images)
        segmented = bool(case.segmentations)
        stack, found = choose(stacks, self._config.dicom, segmented=segmented)
        findings += found
        # An unread file may be the segmentation; it is an error already.
        if not (case.is_segmented or case.unread):
            findings.append(Finding.error("segmentation", NONE))
        image, stack, found = read_stack(stack)
        findings += found
        headers, found = choose_segmentations(
            case.segmentations, self._config.dicom.segmentations
        )
        findings += found
        segmentations: Labels | None = ()
        if case.is_segmented:
            segmentations, found = self._segmentations(case, headers, Grid.of(image))
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
        self, case: DicomCase, headers: tuple[Header, ...], grid: Grid
    ) -> tuple[Labels | None, list[Finding]]:
        count = bool(headers) + len(case.label_files)
        if count > 1:
            raise CaseError.of(
                "segmentation",
                f"{len(case.label_files)} label files belong to the case"
                f"{', and a DICOM segmentation' if headers else ''}. Keep one of them",
            )
        if headers:
            wanted = wanted_names(self._config.labels)
            return read_segmentations(headers, grid, wanted)
        label = LabelFile(case.label_files[0], self._config.number_names)
        return read_part("label", label.read)
