"""A table says which cases are test cases, or has none."""

import pandas as pd

from deeprac.records.case_split import CV, TEST, judged, of_split, split_column

FOLDS = pd.DataFrame({"case": ["a", "b"], "dice": [0.5, 0.6]})
BOTH = pd.DataFrame({"case": ["a", "t", "u"], "split": [CV, TEST, TEST]})


def test_a_table_without_the_column_is_of_folds():
    assert split_column(FOLDS) == ()
    assert of_split(FOLDS, CV).equals(FOLDS)
    assert of_split(FOLDS, TEST).empty
    assert judged(FOLDS).equals(FOLDS)


def test_test_cases_alone_are_judged_where_there_are_any():
    assert split_column(BOTH) == ("split",)
    assert of_split(BOTH, CV).case.tolist() == ["a"]
    assert judged(BOTH).case.tolist() == ["t", "u"]
    assert judged(BOTH[:1]).case.tolist() == ["a"]
