"""Groups of ages: names, limits, and cohorts without ages."""

import pandas as pd
import pytest

from deeprac.errors import MetricsError
from deeprac.records.age_groups import age_group_names, age_group_of


def cases(*ages):
    return pd.DataFrame({"case": [f"c{i}" for i in range(len(ages))],
                         "age_years": ages})  # fmt: skip


def test_a_limit_belongs_to_the_older_group():
    groups = age_group_of(cases(0.0, 3.99, 4.0, 9.99, 10.0, 16.0), [4, 10])
    names = age_group_names([4, 10])
    assert groups.tolist() == [names[index] for index in (0, 0, 1, 1, 2, 2)]
    assert groups.index.tolist() == [f"c{index}" for index in range(6)]


def test_one_limit_makes_two_groups():
    assert age_group_names([0.5]) == ["under 0.5", "0.5 and above"]


def test_ages_that_nobody_knows_are_refused():
    with pytest.raises(MetricsError, match="2 of 3 cases in cohort/cases"):
        age_group_of(cases(1.0, None, None), [4])
