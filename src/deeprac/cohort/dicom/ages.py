"""The age of a patient; dates are used for their difference only."""

import re
from datetime import datetime

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
