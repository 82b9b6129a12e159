"""What the cohort is, in numbers that name no patient: summary/cohort.csv."""

import hashlib
from pathlib import Path

import pandas as pd

from deeprac.records.case_split import TEST, of_split
from deeprac.records.cases import read_cases

COHORT_COLUMNS = ("quantity", "statistic", "value")
"""Columns of summary/cohort.csv: one row per number."""

QUANTITIES = (
    *("age_years", "size_x", "size_y", "size_z"),
    *("spacing_x_mm", "spacing_y_mm", "spacing_z_mm", "kidney_ml", "tumour_ml"),
)
"""Columns of cohort/cases.csv that are described, where they are there."""

CHECKSUMS = ("image_sha256", "label_sha256")
STATISTICS = ("n", "min", "median", "max")


def collect_cohort(cases_csv: Path) -> pd.DataFrame:
    """Describe the cohort that a cases.csv lists.

    Returns:
        Columns ``COHORT_COLUMNS``; see :func:`describe_cohort`. The cohort's hash is
        the SHA-256 of the file itself, so that ``sha256sum`` checks it.

    Raises:
        MetricsError: The table is missing or foreign.
    """
    cases = read_cases(cases_csv)
    digest = hashlib.sha256(cases_csv.read_bytes()).hexdigest()
    return describe_cohort(cases, digest=digest)


def describe_cohort(cases: pd.DataFrame, *, digest: str) -> pd.DataFrame:
    """Counts, distributions and hash of a cohort; no row names a patient.

    Args:
        cases: columns of cohort/cases.csv; all but case and patient may be missing.
        digest: SHA-256 of that file.

    Returns:
        One row per number: quantity, statistic, value. Distributions are over cases
        with a known value, whose number is the statistic ``n``.
    """
    covers = "cohort/cases.csv, without the content of images and labels"
    if all(name in cases and cases[name].notna().all() for name in CHECKSUMS):
        covers = "cohort/cases.csv with the checksums of all images and labels"
    rows: list[tuple[str, str, object]] = [
        ("patients", "n", cases.patient.nunique()),
        ("cases", "n", len(cases)),
    ]
    if len(test := of_split(cases, TEST)):
        rows.append(("test_cases", "n", len(test)))
    for quantity in QUANTITIES:
        if quantity in cases:
            values = cases[quantity].dropna()
            numbers = (len(values), values.min(), values.median(), values.max())
            rows += zip((quantity,) * 4, STATISTICS, numbers, strict=True)
    if "side" in cases:
        sides = cases.side.replace("", "unknown").value_counts()
        rows += [("side", side, sides[side]) for side in sorted(sides.index)]
    rows += [
        ("cohort_hash", "sha256", digest),
        ("cohort_hash", "covers", covers),
    ]
    return pd.DataFrame(rows, columns=list(COHORT_COLUMNS))
