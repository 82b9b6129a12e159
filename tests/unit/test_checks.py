import pandas as pd
import pytest

from deeprac.errors import MetricsError
from deeprac.evaluation.checks import check_no_case_twice, check_same_cases


def _cases(**by_experiment):
    return pd.DataFrame(
        [
            {
                "experiment": experiment,
                "seed": 0,
                "fold": 0,
                "case": case,
                "label": "kidney",
            }
            for experiment, cases in by_experiment.items()
            for case in cases
        ]
    )


def test_same_cases_pass():
    check_same_cases(_cases(one=["b", "a"], two=["a", "b"]))


def test_different_cases_are_named():
    with pytest.raises(
        MetricsError,
        match=r"only in one \(seed 0\): a; only in two \(seed 0\): c, d; predict",
    ):
        check_same_cases(_cases(one=["a", "b"], two=["b", "c", "d"]))


def test_case_held_out_twice():
    with pytest.raises(MetricsError, match=r"case a of one .* in several folds"):
        check_no_case_twice(_cases(one=["a", "b", "a"]))


def _of_folds(**by_fold):
    tables = [
        _cases(one=cases).assign(fold=int(fold[1:]), split="test")
        for fold, cases in by_fold.items()
    ]
    return pd.concat(tables, ignore_index=True)


def test_every_fold_predicts_all_test_cases():
    both = _of_folds(f0=["t", "u"], f1=["t", "u"])
    check_no_case_twice(both)
    check_same_cases(both)
    with pytest.raises(MetricsError, match=r"all test cases; some lack u\."):
        check_same_cases(_of_folds(f0=["t", "u"], f1=["t"]))
