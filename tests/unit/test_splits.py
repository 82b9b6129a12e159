import json
import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeprac.cohort.splits import (
    check_splits,
    given_splits,
    make_splits,
    subset,
    warn_without_tumour,
)
from deeprac.errors import MetricsError, SplitError
from deeprac.records.cases import read_cases


def table(volumes_ml, *, sides=None, patients=None) -> pd.DataFrame:
    count = len(volumes_ml)
    return pd.DataFrame(
        {
            "case": [f"c{i:03d}" for i in range(count)],
            "patient": patients or [f"p{i:03d}" for i in range(count)],
            "tumour_ml": volumes_ml,
            "side": sides or ["left" if ml > 0 else "none" for ml in volumes_ml],
        }
    )


def val_of(splits) -> list[list[str]]:
    return [split["val"] for split in splits]


@settings(max_examples=40)
@given(
    owners=st.lists(st.integers(0, 12), min_size=5, max_size=60),
    folds=st.integers(2, 5),
    seed=st.integers(0, 9),
)
def test_patients_never_leak_and_folds_are_even(owners, folds, seed):
    patients = [f"p{owner}" for owner in owners]
    cases = table([10.0 * (i % 4) for i in range(len(owners))], patients=patients)
    if len(set(patients)) < folds:
        with pytest.raises(SplitError):
            make_splits(cases, folds=folds, seed=seed)
        return
    splits = make_splits(cases, folds=folds, seed=seed)
    check_splits(splits, cases)
    owner = dict(zip(cases["case"], cases["patient"], strict=True))
    sizes = [len({owner[case] for case in val}) for val in val_of(splits)]
    assert max(sizes) - min(sizes) <= 1
    validated = [case for val in val_of(splits) for case in val]
    assert sorted(validated) == sorted(cases["case"])


def test_order_of_rows_does_not_matter_and_the_seed_does():
    cases = table(list(np.linspace(0, 900, 23)))
    shuffled = cases.sample(frac=1, random_state=4)
    assert make_splits(cases, folds=4, seed=1) == make_splits(shuffled, folds=4, seed=1)
    assert make_splits(cases, folds=4, seed=1) != make_splits(cases, folds=4, seed=2)


def test_volume_and_side_are_spread_over_the_folds():
    # Three volumes and two sides, five patients of each of the six kinds.
    volumes = [ml for ml in (50, 300, 900) for _ in range(10)]
    cases = table(volumes, sides=["left", "right"] * 15)
    for val in val_of(make_splits(cases, folds=5, seed=3)):
        chosen = cases[cases["case"].isin(val)]
        kinds = set(zip(chosen["tumour_ml"], chosen["side"], strict=True))
        assert len(kinds) == len(val) == 6


def test_patients_without_tumour_are_spread_too():
    cases = table([0.0] * 4 + [100.0, 200, 300, 400, 500, 600, 700, 800])
    for val in val_of(make_splits(cases, folds=4, seed=0)):
        assert (cases[cases["case"].isin(val)]["tumour_ml"] == 0).sum() == 1


def test_patients_with_many_cases_do_not_meet():
    # Two patients of ten cases, four of one: in two folds, ten on each side.
    patients = ["a"] * 10 + ["b"] * 10 + ["c", "d", "e", "f"]
    cases = table([100.0] * 24, patients=patients)
    for seed in range(5):
        sizes = [len(val) for val in val_of(make_splits(cases, folds=2, seed=seed))]
        assert sizes == [12, 12]


def test_format_is_nnunets():
    splits = make_splits(table([1.0, 2, 3]), folds=3, seed=0)
    assert [set(split) for split in splits] == [{"train", "val"}] * 3
    for split in splits:
        assert sorted(split["train"] + split["val"]) == ["c000", "c001", "c002"]
        assert split["train"] == sorted(split["train"])


def test_fewer_patients_than_folds():
    cases = table([1.0] * 4, patients=["a", "a", "b", "c"])
    with pytest.raises(SplitError, match=r"splits\.folds is 5.* has 3 patients"):
        make_splits(cases, folds=5, seed=0)


CASES = table([1.0, 2, 3, 4], patients=["p", "p", "q", "r"])


@pytest.mark.parametrize(
    ("vals", "trains", "message"),
    [
        (
            [["c000"], ["c001", "c002", "c003"]],
            [["c001", "c002", "c003"], ["c000"]],
            r"train and val of fold 0: p.*patient p is in val of folds 0, 1",
        ),
        ([["c000", "c001"], ["c002"]], [[], []], "cases in no val: c003"),
        ([["c000", "c001", "c009"]], [[]], "fold 0 names cases .* c009"),
        (
            [["c000", "c001", "c002"], ["c002", "c003"]],
            [[], []],
            "patient q is in val of folds 0, 1",
        ),
    ],
)
def test_bad_splits_are_refused(vals, trains, message):
    splits = [
        {"train": train, "val": val} for train, val in zip(trains, vals, strict=True)
    ]
    with pytest.raises(SplitError, match=message):
        check_splits(splits, CASES)


def test_folds_of_a_file_are_kept_with_the_cohorts_own_test_cases(tmp_path):
    cases = table([10.0, 0, 10, 0, 5]).assign(split=["cv"] * 4 + ["test"])
    path = tmp_path / "splits_final.json"
    # As nnU-Net writes them: in any order, without test cases.
    path.write_text(
        json.dumps(
            [
                {"train": ["c003", "c000"], "val": ["c002", "c001"]},
                {"train": ["c001", "c002"], "val": ["c000", "c003"]},
            ]
        )
    )
    assert given_splits(path, cases, folds=2) == [
        {"train": ["c000", "c003"], "val": ["c001", "c002"], "test": ["c004"]},
        {"train": ["c001", "c002"], "val": ["c000", "c003"], "test": ["c004"]},
    ]


ONE_LEAKS = [
    {"train": ["c001"], "val": ["c000", "c002"]},
    {"train": ["c000"], "val": ["c001", "c003"]},
]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"splits.file is .*own\.json, which does not exist"),
        ("no JSON", r"own\.json \(splits.file\) is not in nnU-Net's format"),
        ('{"train": [], "val": []}', "is not in nnU-Net's format: a list"),
        ('[{"train": ["c000"]}, {"val": [1]}]', "is not in nnU-Net's format"),
        (json.dumps(ONE_LEAKS[:1]), "has 1 folds, but splits.folds is 2"),
        # CASES: c000 and c001 are of one patient.
        (json.dumps(ONE_LEAKS), r"splits of .*own\.json cannot be used: .* patient p"),
    ],
)
def test_files_of_folds_that_cannot_be_used_are_named(tmp_path, content, message):
    path = tmp_path / "own.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SplitError, match=message):
        given_splits(path, CASES, folds=2)


def test_fold_without_tumour_is_warned_of(caplog):
    cases = table([0.0, 0, 500])
    splits = make_splits(cases, folds=3, seed=0)
    with caplog.at_level(logging.WARNING):
        empty = warn_without_tumour(splits, cases)
    assert len(empty) == 2
    assert caplog.text.count("has no tumour among its 1 validation cases") == 2


COHORT = table(
    [0.0] * 8 + list(np.linspace(10, 900, 24)),
    patients=[f"p{i:03d}" for i in range(32)],
)


@settings(max_examples=40)
@given(
    owners=st.lists(st.integers(0, 12), min_size=1, max_size=40),
    counts=st.tuples(st.integers(1, 13), st.integers(1, 13)),
    seed=st.integers(0, 9),
)
def test_smaller_training_sets_are_part_of_larger_ones(owners, counts, seed):
    patients = [f"p{owner}" for owner in owners]
    cases = table([10.0 * (i % 4) for i in range(len(owners))], patients=patients)
    few, many = sorted(min(count, len(set(owners))) for count in counts)
    train = list(cases["case"])
    chosen = [
        subset(train, cases, count=count, seed=seed, asked_by="n")
        for count in (few, many)
    ]
    assert set(chosen[0]) <= set(chosen[1])
    for count, names in zip((few, many), chosen, strict=True):
        owners_of = cases[cases["case"].isin(names)]["patient"]
        assert owners_of.nunique() == count
        # All cases of a chosen patient, none of another.
        assert names == sorted(cases["case"][cases["patient"].isin(owners_of)])


def test_a_training_set_has_only_cases_of_the_fold_and_not_their_order():
    train = [f"c{i:03d}" for i in range(20)]
    chosen = subset(train, COHORT, count=6, seed=1, asked_by="n")
    assert set(chosen) < set(train)
    shuffled = COHORT.sample(frac=1, random_state=2)
    assert subset(train[::-1], shuffled, count=6, seed=1, asked_by="n") == chosen
    assert subset(train, COHORT, count=6, seed=2, asked_by="n") != chosen
    assert subset(train, COHORT, count=20, seed=1, asked_by="n") == train


@pytest.mark.parametrize("seed", range(5))
def test_tumour_volumes_are_spread_over_smaller_training_sets(seed):
    # 8 patients without tumour and 8 in each third of the volumes: of the first 4 n,
    # every kind has n, since each kind fills its places at the same pace.
    train = list(COHORT["case"])
    for n in range(1, 9):
        chosen = subset(train, COHORT, count=4 * n, seed=seed, asked_by="n")
        numbers = np.array([int(case[1:]) for case in chosen])
        assert np.histogram(numbers, [0, 8, 16, 24, 32])[0].tolist() == [n] * 4


def test_more_training_patients_than_the_fold_has():
    key = "one, fold 1: training_patients"
    with pytest.raises(SplitError, match=f"^{key} is 40, but the fold has 32 training"):
        subset(list(COHORT["case"]), COHORT, count=40, seed=0, asked_by=key)


def test_names_that_look_like_numbers_stay_text(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("case,patient,tumour_ml,side\n007,01,3.5,left\n008,NA,0,none\n")
    cases = read_cases(path)
    assert list(cases["case"]) == ["007", "008"]
    assert list(cases["patient"]) == ["01", "NA"]
    assert list(cases["side"]) == ["left", "none"]


@pytest.mark.parametrize("column", ["case", "patient"])
def test_names_that_are_no_file_names(tmp_path, column):
    path = tmp_path / "cases.csv"
    table = {"case": ["a"], "patient": ["p"], "tumour_ml": [1.0], "side": ["left"]}
    pd.DataFrame(table | {column: ["<script>"]}).to_csv(path, index=False)
    with pytest.raises(MetricsError, match=r"has the \w+ '<script>'\. Rename it"):
        read_cases(path)


def test_missing_table(tmp_path):
    with pytest.raises(MetricsError, match=r"missing.*Run `deeprac cohort`"):
        read_cases(tmp_path / "cases.csv")


def test_test_cases_lie_in_no_fold_and_change_none():
    cases = table([10.0 * (i % 4) for i in range(12)])
    test = cases[:3].assign(case=["t2", "t0", "t1"], patient=["q0", "q1", "q2"])
    both = pd.concat([cases.assign(split="cv"), test.assign(split="test")])
    splits = make_splits(both, folds=3, seed=1)
    expected = make_splits(cases, folds=3, seed=1)
    assert splits == [split | {"test": ["t0", "t1", "t2"]} for split in expected]
    assert all("test" not in split for split in expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": ["c000", "t0"]}, "patients in train and test of fold 0: q0"),
        ({"train": ["c000", "c002"]}, "patients in train and test of fold 0: q0"),
        ({"test": []}, "test cases are not those under test of fold 0"),
        ({"val": ["c001", "t0"]}, "test cases are not those under test of fold 0"),
    ],
)
def test_a_test_case_that_leaks_is_named(change, message):
    """The third case of the folds is of a patient who is tested."""
    cases = table([1.0, 2.0, 3.0, 4.0], patients=["p0", "p1", "q0", "q0"])
    cases = cases.assign(case=["c000", "c001", "c002", "t0"])
    cases = cases.assign(split=["cv", "cv", "cv", "test"])
    fold = {"train": ["c000"], "val": ["c001"], "test": ["t0"]}
    with pytest.raises(SplitError, match=message):
        check_splits([fold | change], cases)
