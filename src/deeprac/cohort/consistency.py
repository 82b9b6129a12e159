"""What only the cohort as a whole can show: cases that do not go together."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from deeprac.cohort.findings import Finding
from deeprac.cohort.inspection import Inspection
from deeprac.records.case_split import CV

WHOLE = ""
"""The name under which findings about the cohort as a whole stand."""

AGE_YEARS = 3.0
"""Ages of one patient's cases may differ by this much."""

KIDNEY_FACTOR = 3.0
"""Kidneys with tumour of one patient's cases may differ in volume by this factor."""

SPACING_FACTOR = 2.0
"""Spacings closer than this factor to the cohort's median are no outliers."""

FEWEST_FOR_OUTLIERS = 5
"""Cases from which on spacings are compared."""

Found = tuple[str, Finding]
"""Name of a case, or ``WHOLE``, and what was found."""


def cohort_findings(cases: Sequence[Inspection], *, folds: int) -> list[Found]:
    """Check all cases that can be read against each other."""
    volumes = [case for case in cases if case.size_z > 1]
    return [
        *_same_images(cases),
        *_contradictions(cases),
        *_outliers(volumes, "slice spacing", lambda case: case.spacing_z_mm),
        *_outliers(cases, "in-plane spacing", lambda case: case.spacing_x_mm),
        *_too_few([case for case in cases if case.split == CV], folds),
    ]


def _same_images(cases: Sequence[Inspection]) -> Iterable[Found]:
    """One image in several cases could be in training and validation at once."""
    alike = defaultdict(list)
    for case in cases:
        alike[case.voxels_sha256].append(case.case)
    for names in alike.values():
        for name in names if len(names) > 1 else []:
            others = ", ".join(other for other in names if other != name)
            text = f"the same image is in two cases: this one and {others}. Keep one"
            yield name, Finding.error("same image", text)


def _contradictions(cases: Sequence[Inspection]) -> Iterable[Found]:
    """Cases of one patient that cannot be of one patient: identifiers that collide."""
    of_patient = defaultdict(list)
    for case in cases:
        of_patient[case.patient].append(case)
    for same in of_patient.values():
        differences = []
        ages = [case.age_years for case in same if case.age_years is not None]
        if ages and max(ages) - min(ages) > AGE_YEARS:
            differences.append(f"are {min(ages):g} to {max(ages):g} years old")
        # Single slices cut the kidneys anywhere.
        volumes = [case.kidney_ml + case.tumour_ml for case in same if case.size_z > 1]
        if volumes and max(volumes) > KIDNEY_FACTOR * min(volumes):
            low, high = min(volumes), max(volumes)
            differences.append(f"have {low:.0f} to {high:.0f} ml of kidney and tumour")
        for what in differences:
            text = (
                f"the cases of this patient {what}. Check that they are of one patient"
            )
            yield same[0].case, Finding.warning("one patient", text)


def _outliers(
    cases: Sequence[Inspection], what: str, spacing_mm: Callable[[Inspection], float]
) -> Iterable[Found]:
    """Spacings unlike the cohort's, which are often errors of a header.

    Beyond Tukey's fences of the logarithms, and not near the median either.
    """
    if len(cases) < FEWEST_FOR_OUTLIERS:
        return
    logs = np.log([spacing_mm(case) for case in cases])
    first, median, third = np.quantile(logs, [0.25, 0.5, 0.75])
    reach = 1.5 * (third - first)
    for case, log in zip(cases, logs, strict=True):
        inside = first - reach <= log <= third + reach
        if not inside and abs(log - median) > np.log(SPACING_FACTOR):
            text = (
                f"the {what} is {spacing_mm(case):.3g} mm, the cohort's median "
                f"{np.exp(median):.3g} mm. Check the header"
            )
            yield case.case, Finding.warning("spacing", text)


def _too_few(cases: Sequence[Inspection], folds: int) -> Iterable[Found]:
    """Folds need patients, and patients with tumour."""
    patients = len({case.patient for case in cases})
    with_tumour = len({case.patient for case in cases if case.tumour_ml > 0})
    if patients < folds:
        text = (
            f"splits.folds is {folds}, patients that can be used are {patients}: every "
            "fold needs one. Lower splits.folds or add patients"
        )
        yield WHOLE, Finding.error("folds", text)
    if not with_tumour:
        text = (
            "no case has a tumour: the tables will have kidneys only. Check "
            "cohort.labels.tumour if that is not meant"
        )
        yield WHOLE, Finding.warning("tumour", text)
    elif with_tumour < 2 * folds:
        text = (
            f"patients with tumour are {with_tumour}, splits.folds is {folds}: fewer "
            "than two for each fold, whose tumour rows rest on one patient or none. "
            "Lower splits.folds or add patients"
        )
        yield WHOLE, Finding.warning("tumour", text)
