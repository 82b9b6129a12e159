"""One DICOM series without segmentation, chosen from a folder by rule."""

import math
from pathlib import Path

from deeprac.cohort.dicom.headers import quiet
from deeprac.cohort.dicom.patients import age_years
from deeprac.cohort.dicom.pixels import read_stack
from deeprac.cohort.dicom.scan import scan
from deeprac.cohort.dicom.series import choose, stacks_of
from deeprac.cohort.dicom.studies import DicomCase, studies_of
from deeprac.cohort.dicom.unread import add_unread
from deeprac.cohort.findings import CaseError
from deeprac.cohort.reader import SourceCase
from deeprac.errors import CohortError
from deeprac.settings.cohort import DicomConfig


def read_unsegmented(
    folder: Path, description: str | None = None
) -> tuple[SourceCase, tuple[Path, ...]]:
    """Read the series of a folder that makes the best CT volume.

    Args:
        folder: files of one study, whatever they are called.
        description: regular expression that the description of the series must
            contain, in any case.

    Returns:
        The series, and its files from the first slice to the last.

    Raises:
        CaseError: it cannot be read, or there is not one study or one best series.
    """
    # Distances are judged by the quality flags, against those of the training.
    rules = DicomConfig((1e-3, math.inf), "thinnest", description, "one")
    case = _only_study(folder)
    with quiet():
        try:
            stack, findings = choose(stacks_of(case.images), rules, segmented=False)
            image, stack, found = read_stack(stack)
        except CaseError as error:
            raise CaseError([*case.findings, *error.findings]) from error
    first = stack.headers[0]
    source = SourceCase(
        image=image,
        segmentations=(),
        age_years=age_years(first.age, first.person[1], first.study_date),
        findings=(*case.findings, *findings, *found),
    )
    return source, tuple(header.path for header in stack.headers)


def _only_study(folder: Path) -> DicomCase:
    try:
        found = scan(folder)
    except CohortError as error:
        # Its message has the folder's name.
        text = "it holds no DICOM image that can be read. Give the folder of a series"
        raise CaseError.of("files", text) from error
    cases = studies_of(found)
    if len(cases) != 1:
        raise CaseError.of(
            "study",
            f"the folder holds {len(cases) or 'no'} studies with images. Give the "
            "folder of one study",
        )
    add_unread(cases, found)
    return next(iter(cases.values()))
