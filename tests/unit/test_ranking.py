"""Resamples of two patients counted by hand; Kendall's tau against scipy's."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from deeprac.evaluation.statistics import ranking
from deeprac.evaluation.statistics.ranking import (
    bootstrap_ranks,
    composite_ranks,
    kendall_tau,
    scheme_ranks,
    seed_ranks,
    seeds_tau,
)
from support.summary_builder import make_cases

NAN = float("nan")


def scores(**values):
    return pd.DataFrame(
        [
            {"experiment": name, "patient": f"p{i}", "dice": value}
            for name, column in values.items()
            for i, value in enumerate(column)
        ]
    )


def test_two_patients():
    # Resamples: the first twice (1/4), both (1/2), the second twice (1/4). a leads in
    # the first two, b in the last.
    table = bootstrap_ranks(scores(a=(0.9, 0.5), b=(0.5, 0.7), c=(0.1, 0.1)))
    assert table.experiment.tolist() == ["a", "b", "c"]
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["mean"].tolist() == pytest.approx([0.7, 0.6, 0.1])
    assert table.p_rank_1.tolist() == pytest.approx([0.75, 0.25, 0], abs=0.02)
    assert table.p_rank_2.tolist() == pytest.approx([0.25, 0.75, 0], abs=0.02)
    assert table.rank_low.tolist() == [1, 1, 3]
    assert table.rank_high.tolist() == [2, 2, 3]


def test_schemes_may_disagree():
    # Means 0.4, 0.5, 0.45; medians 0.6, 0.5, 0.45; ranks 1 1 3, 2 2 1 and 3 3 2.
    table = scheme_ranks(scores(a=(0.6, 0.6, 0), b=(0.5, 0.5, 0.5), c=(0.45,) * 3))
    assert table.rank_median.tolist() == [1, 2, 3]
    assert table.rank_of_ranks.tolist() == [1, 1, 3]
    assert scheme_ranks(scores(a=(NAN,), b=(1.0,))).rank_median.isna().all()


def test_the_composite_is_the_mean_of_two_ranks_then_the_tumour():
    means = pd.DataFrame(
        {
            "experiment": list("abcd"),
            "dice": [0.9, 0.8, 0.7, 0.6],
            "nsd": [0.7, 0.9, 0.8, 0.6],
            "tumour_dice": [0.5, 0.6, 0.9, 0.9],
        }
    )
    table = composite_ranks(means)
    assert table.rank_dice.tolist() == [1, 2, 3, 4]
    assert table.rank_nsd.tolist() == [3, 1, 2, 4]
    # 2, 1.5, 2.5 and 4.
    assert table["rank"].tolist() == [2, 1, 3, 4]
    means["nsd"] = [0.7, 0.8, 0.9, 0.6]
    # 2, 2, 2 and 4: the tumour parts them.
    assert composite_ranks(means)["rank"].tolist() == [3, 2, 1, 4]
    means["tumour_dice"] = 0.5
    assert composite_ranks(means)["rank"].tolist() == [1, 1, 1, 4]


def test_lower_may_be_better():
    table = bootstrap_ranks(scores(a=(3.0, 4.0), b=(1.0, 2.0)), better="low")
    assert table["rank"].tolist() == [2, 1]
    assert table.p_rank_1.tolist() == [0, 1]


def test_equal_experiments_share_the_better_rank():
    table = bootstrap_ranks(scores(a=(0.1, 0.2, 0.3), b=(0.3, 0.2, 0.1), c=(0, 0, 0)))
    assert table["rank"].tolist() == [1, 1, 3]
    same = bootstrap_ranks(scores(a=(0.7, 0.1), b=(0.7, 0.1)))
    assert same.p_rank_1.tolist() == [1, 1]


def test_patients_without_a_value_are_counted():
    table = bootstrap_ranks(scores(a=(0.9, NAN, 0.8), b=(0.5, 0.9, 0.6)))
    assert table.n.tolist() == [2, 2]
    assert table.n_left_out.tolist() == [1, 1]
    assert table["mean"].tolist() == pytest.approx([0.85, 0.55])


@pytest.mark.filterwarnings("error")
def test_no_patient_and_one():
    nobody = bootstrap_ranks(scores(a=(NAN,), b=(0.5,)))
    assert nobody.n.tolist() == [0, 0]
    assert nobody["rank"].isna().all()
    one = bootstrap_ranks(scores(a=(0.9,), b=(0.5,)))
    assert one["rank"].tolist() == [1, 2]
    assert one[["rank_low", "rank_high", "p_rank_1"]].isna().all(axis=None)
    for table in (scores(a=(NAN,), b=(0.5,)), scores(a=(0.9,), b=(0.5,))):
        assert math.isnan(kendall_tau(table).value)
    alone = bootstrap_ranks(scores(a=(0.9, 0.8)))
    assert alone["rank"].tolist() == [1]
    assert math.isnan(kendall_tau(scores(a=(0.9, 0.8))).value)
    equal = scores(a=(0.5, 0.5), b=(0.5, 0.5))
    assert bootstrap_ranks(equal).rank_high.tolist() == [1, 1]
    assert math.isnan(kendall_tau(equal).value)


def test_tau_is_scipys(monkeypatch):
    monkeypatch.setattr(ranking, "RESAMPLES", 201)
    rng = np.random.default_rng(2)
    values = rng.integers(0, 4, (6, 5)) / 4  # with ties
    table = scores(**dict(zip("abcdef", values, strict=True)))
    complete = ranking._complete(table, "dice")
    own, resampled = ranking._ranks(complete, "high")
    taus = [stats.kendalltau(own, ranks).statistic for ranks in resampled]
    low, middle, high = np.nanquantile(taus, [0.025, 0.5, 0.975], method="inverted_cdf")
    tau = kendall_tau(table)
    assert (tau.low, tau.value, tau.high) == pytest.approx((low, middle, high))


def test_a_clear_order_is_stable():
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.01, (3, 20))
    tau = kendall_tau(scores(a=0.9 + noise[0], b=0.7 + noise[1], c=0.5 + noise[2]))
    assert (tau.value, tau.low, tau.high, tau.n) == (1, 1, 1, 20)


def test_order_of_rows_and_runs_change_nothing():
    rng = np.random.default_rng(4)
    table = scores(**{name: rng.uniform(0, 1, 9) for name in "abcd"})
    ranks = bootstrap_ranks(table)
    pd.testing.assert_frame_equal(bootstrap_ranks(table), ranks, check_exact=True)
    shuffled = bootstrap_ranks(table.sample(frac=1, random_state=1))
    shuffled = shuffled.set_index("experiment").loc[list("abcd")].reset_index()
    pd.testing.assert_frame_equal(shuffled, ranks, check_exact=True)
    assert kendall_tau(table.sample(frac=1, random_state=2)) == kendall_tau(table)


def test_ranks_of_each_seed():
    cases = make_cases(
        {"a": [0.9, 0.7], "b": [0.5, 0.6], "c": [0.1, 0.2]}, seeds=(0, 1, 2)
    )
    cases = cases[cases.label == "tumour"]
    failed = (cases.experiment == "a") & (cases.seed == 1)
    cases.loc[failed, "dice"] = 0.0
    ranks = seed_ranks(cases)
    assert ranks.loc["a"].tolist() == [1, 3, 1]
    assert ranks.loc["c"].tolist() == [3, 2, 3]
    # Seeds 0 and 2 agree; with seed 1 one pair of three is in the same order.
    tau = seeds_tau(ranks)
    assert (tau.low, tau.high, tau.n) == pytest.approx((-1 / 3, 1, 3))
    assert tau.value == pytest.approx((1 - 2 / 3) / 3)
    # A seed that one experiment lacks ranks nothing.
    lost = (cases.experiment == "b") & (cases.seed == 2)
    assert seed_ranks(cases[~lost]).columns.tolist() == [0, 1]
    assert math.isnan(seeds_tau(seed_ranks(cases[cases.seed == 0])).value)
    assert math.isnan(seeds_tau(seed_ranks(cases[cases.experiment == "a"])).value)
