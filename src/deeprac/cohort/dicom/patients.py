"""Whose files these are: patients by their ids, ids that collide, and ages."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from deeprac.cohort.dicom.headers import Header
from deeprac.cohort.findings import Finding, Severity

_PERSON = (
    # Names are spelled in many ways: two of them prove nothing.
    (0, "names", Severity.WARNING),
    (1, "birth dates", Severity.ERROR),
    (2, "sexes", Severity.ERROR),
)


@dataclass(frozen=True, repr=False)
class DicomPatient:
    """A patient: the id in the source's words, and what makes ids equal."""

    name: str
    identity: str
    findings: tuple[Finding, ...] = ()


def patients_of(headers: Iterable[Header]) -> list[tuple[DicomPatient, list[Header]]]:
    """The patients and their files, in the order of their ids.

    Ids that differ in upper and lower case or in spaces only are one patient, with a
    warning: taken for two, one child could fall into two folds. The issuer of ids
    counts where one id has several.
    """
    groups: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        groups[plain(header.patient_id)].append(header)
    patients = []
    for plain_id in sorted(groups):
        for issuer, group in sorted(_by_issuer(groups[plain_id]).items()):
            name = "_".join(filter(None, [min(h.patient_id for h in group), issuer]))
            identity = "_".join([plain_id, issuer]).strip("_")
            findings = tuple(_findings(group))
            patients.append(
                (DicomPatient(name or "unknown", identity, findings), group)
            )
    return patients


def _by_issuer(headers: Sequence[Header]) -> dict[str, list[Header]]:
    """Files by issuer of the id, '' for all unless there are several issuers.

    Files without an issuer, such as segmentations, follow their study.
    """
    if len({header.issuer for header in headers} - {""}) < 2:
        return {"": list(headers)}
    of_study = {header.study_uid: header.issuer for header in headers if header.issuer}
    groups: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        groups[header.issuer or of_study.get(header.study_uid, "")].append(header)
    return dict(groups)


def _findings(headers: Sequence[Header]) -> Iterable[Finding]:
    ids = {header.patient_id for header in headers}
    if ids == {""}:
        yield Finding.error(
            "patient id",
            "the files have no patient id, so that cases of one patient could fall "
            "into different folds. Fill it in",
        )
    elif len(ids) > 1:
        yield Finding.warning(
            "patient id",
            f"{len(ids)} patient ids differ only in upper and lower case or spaces and "
            "are taken for one patient. Correct the ids if they are two",
        )
    for index, what, severity in _PERSON:
        found = {plain(header.person[index]) for header in headers} - {""}
        if len(found) > 1:
            yield Finding(
                severity,
                "patient id",
                f"files of the same patient id have {len(found)} different {what}: "
                "two patients may share the id. Give every patient an id of its own",
            )


def plain(text: str) -> str:
    """An id or a name as it is compared: without case, ``^`` and spaces as one."""
    return " ".join(text.replace("^", " ").split()).casefold()


DAYS = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}
"""Days of DICOM's units of age."""


def age_years(age: str, birth_date: str, study_date: str) -> float | None:
    """Age at the study in years, to a tenth.

    Args:
        age: DICOM's age, such as 018M; it comes first.
        birth_date: YYYYMMDD, or anything else that is then ignored.
        study_date: the same.

    Returns:
        The age; None where it is unknown or negative.

    Example:
        >>> age_years("018M", "", ""), age_years("", "20200101", "20260702")
        (1.5, 6.5)
    """
    if match := re.fullmatch(r"(\d{1,3})([DWMY])", age):
        return round(int(match[1]) * DAYS[match[2]] / DAYS["Y"], 1)
    try:
        born, studied = _day(birth_date), _day(study_date)
    except ValueError:
        return None
    days = (studied - born).days
    return round(days / DAYS["Y"], 1) if days >= 0 else None


def _day(date: str) -> datetime:
    # strptime takes 202011 for the first of January.
    if len(date) != len("YYYYMMDD"):
        raise ValueError
    return datetime.strptime(date, "%Y%m%d")
