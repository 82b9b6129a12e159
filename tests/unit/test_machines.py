"""Which runs shared their machine, and that their times are shown nowhere."""

from pathlib import Path

import pandas as pd
import pytest

from deeprac.errors import MetricsError
from deeprac.layout import Layout
from deeprac.records.inference import PREDICT, predict_cost
from deeprac.records.machines import machine, shared_machine
from deeprac.records.runs import TIMES, without_shared_times
from deeprac.reporting.figures.time_vs_dice import UNTIMED, make
from deeprac.reporting.page.content import runs_table
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables import all_tables
from support.summary_builder import make_cases, make_config, make_runs

HERE = {"name": "here", "platform": "Linux", "processor": "a CPU", "cores": 2}
PLAIN, STN = "coarse_nnunet", "coarse_stn"
DICE = {PLAIN: [0.5, 0.6, 0.7, 0.8], STN: [0.6, 0.7, 0.8, 0.9]}


def record(*segments, host=HERE):
    """A run.json; segments are minutes and seconds of start and stop."""
    times = [
        {"start": f"2026-01-01T10:{start}+00:00", "stop": f"2026-01-01T10:{stop}+00:00"}
        for start, stop in segments
    ]
    return {"host": host, "segments": times}


def shared(**runs):
    found = shared_machine({Path(name): run for name, run in runs.items()})
    return {path.name for path, is_shared in found.items() if is_shared}


def test_two_runs_at_the_same_time_share_the_machine():
    first, second = record(("00:00", "10:00")), record(("09:00", "20:00"))
    third = record(("21:00", "30:00"))
    assert shared(first=first, second=second, third=third) == {"first", "second"}


def test_a_run_inside_another_and_one_behind_it():
    long, inside = record(("00:00", "50:00")), record(("10:00", "11:00"))
    late = record(("40:00", "55:00"))
    assert shared(long=long, inside=inside, late=late) == {"long", "inside", "late"}


@pytest.mark.parametrize(
    ("start", "touch"),
    [("10:00", True), ("09:58", True), ("09:57", False), ("10:01", True)],
)
def test_runs_one_after_another_may_touch(start, touch):
    first, second = record(("00:00", "10:00")), record((start, "20:00"))
    assert shared(first=first, second=second) == (
        set() if touch else {"first", "second"}
    )


def test_a_short_run_inside_another_is_no_longer_than_it_is():
    long, short = record(("00:00", "50:00")), record(("10:00", "10:02"))
    assert shared(long=long, short=short) == set()


def test_runs_on_other_hosts_share_nothing():
    there = HERE | {"name": "there"}
    one, two = record(("00:00", "10:00")), record(("00:00", "10:00"), host=there)
    assert shared(one=one, two=two) == set()


def test_a_resumed_run_is_not_beside_itself_and_its_break_is_free():
    resumed = record(("00:00", "10:00"), ("09:30", "12:00"), ("30:00", "40:00"))
    between, beside = record(("13:00", "29:00")), record(("39:00", "45:00"))
    assert shared(resumed=resumed, between=between) == set()
    found = shared(resumed=resumed, between=between, beside=beside)
    assert found == {"resumed", "beside"}


def test_hosts_of_a_release_have_numbers_or_their_hardware():
    unnamed = {key: value for key, value in HERE.items() if key != "name"}
    one, two = unnamed | {"number": 1}, unnamed | {"number": 2}
    time = ("00:00", "10:00")
    assert machine(record(host=one)) != machine(record(host=two))
    assert shared(a=record(time, host=one), b=record(time, host=two)) == set()
    # Equal hardware without a number: it may be the same.
    found = shared(a=record(time, host=unnamed), b=record(time, host=unnamed))
    assert found == {"a", "b"}
    other = unnamed | {"cores": 16}
    assert shared(a=record(time, host=unnamed), b=record(time, host=other)) == set()


@pytest.mark.parametrize("broken", [{"host": HERE}, record(("no", "time"))])
def test_a_run_without_times_is_named(broken):
    with pytest.raises(
        MetricsError, match=r"^one does not say .* Train this run again"
    ):
        shared(one=broken)


def summary(*is_shared):
    """Two experiments of two folds, of which some shared their machine."""
    config = make_config({PLAIN: "nnunet", STN: "stn"})
    runs = make_runs(config).assign(shared_machine=list(is_shared), predict_seconds=2.0)
    return Summary.of(config, Layout.of(config), make_cases(DICE), runs)


def test_times_are_left_out_and_nothing_else():
    config = make_config({PLAIN: "nnunet", STN: "stn"})
    runs = make_runs(config).assign(shared_machine=[True, False, False, True])
    runs = runs.assign(predict_seconds=2.0)
    left = without_shared_times(runs)
    assert left.training_seconds.isna().tolist() == [True, False, False, True]
    assert left.loc[[0, 3], list(TIMES)].isna().all(axis=None)
    pd.testing.assert_frame_equal(left.loc[[1, 2]], runs.loc[[1, 2]], check_dtype=False)
    others = [column for column in runs if column not in TIMES]
    pd.testing.assert_frame_equal(left[others], runs[others])


def test_means_are_over_the_runs_that_count():
    # Folds 0 and 1 take 100 and 101 s; fold 0 of the STN shared its machine.
    plain, stn = summary(False, False, True, False).rows.itertuples()
    assert (plain.n_runs, plain.n_timed, plain.training_seconds) == (2, 2, 100.5)
    assert (stn.n_runs, stn.n_timed, stn.training_seconds) == (2, 1, 101)
    assert stn.time_ratio == pytest.approx(101 / 100.5)
    assert stn.memory_gib == 100.5


def test_tables_say_how_many_runs_have_a_time():
    results = summary(True, True, True, False)
    tables = all_tables(results)
    for name in ("all", "ladder", "cost"):
        assert any(
            note.startswith("Times: of 1 of 4 runs. ") for note in tables[name].notes
        )
        assert tables[name].rows.time_ratio.isna().all()
    part = tables["cost"].parts[0]
    cells = {
        c.title: c.texts(part.rows) for c in part.columns if c.group in ("Time", "Runs")
    }
    assert cells["timed"] == ["0", "1"]
    assert cells["fold"] == ["-", "1m41"]
    assert cells["ratio"] == ["-", "-"]
    complete = all_tables(summary(False, False, False, False))["cost"].notes
    assert "Times: of all 4 runs; none was trained beside another." in complete


def test_the_page_shows_no_time_of_a_shared_machine():
    table = runs_table(summary(True, False, False, False).runs)
    ((_, part),) = table.grids
    titles = [column["title"] for column in part["columns"]]
    time, flag = titles.index("Training, s"), titles.index("Shared machine")
    rows = [(row[time], row[flag]) for row in part["text"]]
    assert rows[:2] == [("-", "yes"), ("101.0", "no")]


def test_the_figure_leaves_points_without_a_time_out():
    (drawing,) = make(summary(False, False, True, True))
    assert drawing.data[drawing.data.experiment == STN].training_seconds.isna().all()
    left = drawing.figure.axes[0]
    assert [len(points.get_offsets()) for points in left.collections] == [1]
    assert "1 of 2 experiments" in " ".join(drawing.figure.get_supxlabel().split())


@pytest.mark.parametrize("shared", [(True,) * 4, (False, True, False, True)])
def test_the_figure_says_that_nothing_compares(shared):
    """Not all runs of an experiment alone: a mean of some compares other patients."""
    (drawing,) = make(summary(*shared))
    assert UNTIMED in drawing.data.note[0]


def predict(table):
    return [c.title for c in table.parts[0].columns if c.group == "Predict"]


def test_an_empty_column_is_hidden():
    results = summary(False, False, False, False)
    cost = all_tables(results)["cost"]
    assert predict(cost) == ["s per case"]  # on a CPU no GPU memory
    assert cost.rows.predict_seconds.tolist() == [2.0, 2.0]
    assert any(note.startswith("Predict: median") for note in cost.notes)
    none = Summary.of(results.config, results.layout, results.cases,
                      results.runs.assign(predict_seconds=float("nan")))  # fmt: skip
    cost = all_tables(none)["cost"]
    assert predict(cost) == []
    assert "No run has a time of inference that counts." in cost.notes


def test_median_seconds_and_largest_peak_of_the_cases(tmp_path):
    path = tmp_path / "inference.csv"
    path.write_text("case,slices,seconds,gpu_peak_gib\na,3,1.0,0.5\nb,3,9.0,2.5\n"
                    "c,3,2.0,1.0\n")  # fmt: skip
    assert predict_cost(path, remedy="-") == dict(zip(PREDICT, (2.0, 2.5), strict=True))
    path.write_text("case,slices,seconds,gpu_peak_gib\na,3,1.0,\nb,3,2.0,\n")
    seconds, peak = predict_cost(path, remedy="-").values()
    assert seconds == 1.5
    assert pd.isna(peak)
    path.unlink()
    assert all(map(pd.isna, predict_cost(path, remedy="-").values()))
    path.write_text("case,seconds\na,1.0\n")
    with pytest.raises(MetricsError, match="lacks the column"):
        predict_cost(path, remedy="-")
