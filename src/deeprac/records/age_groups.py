"""The column ``age_group``: how old the patient of a case is, in the groups asked for.

``statistics.age_groups`` asks for it. Ages themselves stay in the cohort: tables made
of predictions are shared, and a group of many says less of a person than a number.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from deeprac.errors import MetricsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

AGE_GROUP = "age_group"
"""Column of summary/cases.csv."""


def age_group_names(bounds_years: "Sequence[float]") -> list[str]:
    """Names of the groups between some ages, youngest first.

    Example:
        >>> age_group_names([4, 10])
        ['under 4', '4 to 10', '10 and above']
    """
    ends = [f"{bound:g}" for bound in bounds_years]
    between = [f"{a} to {b}" for a, b in pairwise(ends)]
    return [f"under {ends[0]}", *between, f"{ends[-1]} and above"]


def age_group_of(cases: "pd.DataFrame", bounds_years: "Sequence[float]") -> "pd.Series":
    """Say in which group the patient of every case is.

    Args:
        cases: columns of cohort/cases.csv.
        bounds_years: ages at which a group ends and the next begins, rising.

    Returns:
        Names of groups, by case.

    Raises:
        MetricsError: a case has no age.
    """
    ages = cases.set_index("case")["age_years"]
    if unknown := int(ages.isna().sum()):
        raise MetricsError(
            f"statistics.age_groups asks for the ages of all patients, but {unknown} "
            f"of {len(ages)} cases in cohort/cases.csv have none. Give them "
            "(cohort.patients has a column for it), or set statistics.age_groups to []."
        )
    names = age_group_names(bounds_years)
    return ages.map(lambda age: names[sum(age >= bound for bound in bounds_years)])
