"""summary/cohort.csv: what the cohort is, without a row of a patient."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from deeprac.errors import MetricsError
from deeprac.evaluation.cohort import collect_cohort, describe_cohort


def cohort(**columns):
    base = {"case": ["a", "b", "c"], "patient": ["p", "p", "q"]}
    return pd.DataFrame(base | columns)


def value(table, quantity, statistic):
    chosen = table[(table.quantity == quantity) & (table.statistic == statistic)]
    (found,) = chosen.value
    return found


def test_counts_patients_and_cases():
    table = describe_cohort(cohort(), digest="d")
    assert value(table, "patients", "n") == 2
    assert value(table, "cases", "n") == 3


def test_distributions_leave_unknown_values_out_and_say_how_many_are_known():
    table = describe_cohort(cohort(tumour_ml=[10.0, np.nan, 30.0]), digest="d")
    assert [value(table, "tumour_ml", s) for s in ("n", "min", "median", "max")] == [
        2,
        10.0,
        20.0,
        30.0,
    ]
    assert "kidney_ml" not in set(table.quantity)


def test_sides_are_counted_with_the_unknown_ones():
    table = describe_cohort(cohort(side=["left", "", "left"]), digest="d")
    assert value(table, "side", "left") == 2
    assert value(table, "side", "unknown") == 1


@pytest.mark.parametrize(
    ("checksums", "covers"),
    [(["1", "2", "3"], "with the checksums"), (["1", np.nan, "3"], "without")],
)
def test_the_hash_says_what_it_covers(checksums, covers):
    columns = {"image_sha256": checksums, "label_sha256": ["1", "2", "3"]}
    table = describe_cohort(cohort(**columns), digest="d")
    assert covers in value(table, "cohort_hash", "covers")


def test_the_hash_is_that_of_the_file(tmp_path):
    path = tmp_path / "cases.csv"
    cohort().to_csv(path, index=False)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert value(collect_cohort(path), "cohort_hash", "sha256") == expected


def test_no_name_of_a_case_or_patient_is_in_it():
    names = {"case": ["secret1", "secret2"], "patient": ["secret3", "secret4"]}
    table = describe_cohort(pd.DataFrame(names), digest="d")
    assert "secret" not in table.to_csv()


def test_a_missing_cohort_says_what_to_run(tmp_path):
    with pytest.raises(MetricsError, match="deeprac cohort"):
        collect_cohort(tmp_path / "cases.csv")
