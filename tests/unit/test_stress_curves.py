"""Collecting runs under stress, and the figure of their curves."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import ConfigError, MetricsError
from deeprac.evaluation.statistics.curves import stress_curves, with_upright
from deeprac.evaluation.statistics.estimates import mean_interval
from deeprac.evaluation.statistics.two_way import two_way_interval
from deeprac.evaluation.summarise import collect_stress
from deeprac.files import read_json, write_csv
from deeprac.layout import Layout
from deeprac.records.stress import STRESS_COLUMNS, conditions, stressed_runs
from deeprac.reporting.figures.draw import FIGURES
from deeprac.reporting.summary import Summary
from support.results_tree import TreeOptions, write_tree

EXPERIMENTS = ("coarse_nnunet", "coarse_stn", "fine_stn")
STRESS = {
    "experiments": ["coarse_stn", "fine_stn"],
    "angles_deg": [-45, 45],
    "scales": [0.5, 2.0],
    "shifts": [0.1],
}


def made_up_dice(experiment, case, label, condition):
    """Falls with the change; more for one method, and for tumours."""
    fall = {"rotation": abs(condition.value) / 100, "scale": 0.2, "shift": 0.1}
    fall |= {"arms_down": 0.3}
    worse = {"coarse_stn": 0.02, "fine_stn": 0.0}[experiment]
    return 0.9 - fall.get(condition.kind, 0) - worse - 0.1 * (label == "tumour")


def write_stress(config, layout):
    folds = read_json(layout.splits)
    for key in stressed_runs(config):
        rows = [
            {
                "cohort": config.cohort.name,
                "experiment": key.experiment,
                "fold": key.fold,
                "seed": key.seed,
                "case": case,
                "patient": f"patient{case[-3:]}",
                "label": label,
                "kind": condition.kind.value,
                "value": condition.value,
                "dice": made_up_dice(key.experiment, case, label, condition),
                "visible": 0.75 if condition.kind == "scale" else 1.0,
                "n_slices": 3,
            }
            for case in folds[key.fold]["val"]
            for condition in conditions(config.stress)
            for label in ("kidney", "tumour")
        ]
        path = layout.run(key.experiment, key.seed, key.fold) / "stress.csv"
        write_csv(path, pd.DataFrame(rows))


@pytest.fixture
def scenes():
    return []


@pytest.fixture
def tree(tmp_path, scenes):
    settings = {"cohort": {"name": "tree"}, "stress": STRESS | {"scenes": scenes}}
    path = write_tree(tmp_path, TreeOptions(experiments=EXPERIMENTS, settings=settings))
    config = load_config([path])
    layout = Layout.of(config)
    write_stress(config, layout)
    return path, config, layout


def edit(layout, change):
    path = layout.run("fine_stn", 0, 1) / "stress.csv"
    write_csv(path, change(pd.read_csv(path, keep_default_na=False)))


def test_all_rows_of_the_runs_under_stress(tree):
    path, _, layout = tree
    assert main(["summarise", "--what", "stress", "--config", str(path)]) == 0
    table = pd.read_csv(layout.summary_stress)
    assert tuple(table.columns) == STRESS_COLUMNS
    # experiments x cases x (upright and five changes) x labels
    assert len(table) == 2 * 4 * 6 * 2
    assert set(table.experiment) == {"coarse_stn", "fine_stn"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[t.case != "case003"], "missing: case003 kidney none 0, case003"),
        (lambda t: t[t.value != 45], "missing: case001 kidney rotation 45,"),
        (lambda t: pd.concat([t, t[:1]]), "double: case001 kidney none 0 in"),
        (lambda t: t.replace({"value": {2.0: 1.5}}), "missing: .* scale 2,"),
        (
            lambda t: pd.concat([t, t[2:3].assign(value=30.0)]),
            "not asked for: .* 30 in",
        ),
        (lambda t: t.assign(seed=4), "belongs to seed 0 but has a row of .*4"),
        (lambda t: t.assign(dice=80.5), r"dice lies in 0\.\.1; .* has 80\.5"),
        (lambda t: t.drop(columns="visible"), r"lacks the column\(s\) visible"),
    ],
)
def test_incomplete_or_foreign_tables_are_refused(tree, change, message):
    _, config, layout = tree
    edit(layout, change)
    with pytest.raises(MetricsError, match=message) as raised:
        collect_stress(config, layout)
    remedy = "Run `deeprac stress --experiment fine_stn --seed 0 --fold 1`"
    assert remedy in str(raised.value)


def test_a_missing_run_names_its_verb(tree):
    _, config, layout = tree
    (layout.run("coarse_stn", 0, 0) / "stress.csv").unlink()
    with pytest.raises(MetricsError, match=r"missing: .*fold_0/stress\.csv.*stress --"):
        collect_stress(config, layout)


def test_nothing_to_collect(tmp_path, capsys):
    path = write_tree(tmp_path, TreeOptions(experiments=("coarse_nnunet",)))
    assert main(["summarise", "--what", "stress", "--config", str(path)]) == 1
    assert "stress.experiments is empty" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        collect_stress(load_config([path]), Layout.of(load_config([path])))


def sources_of(config, layout):
    empty = pd.DataFrame()
    return Summary(config, layout, empty, empty)


@pytest.fixture
def drawing(tree):
    path, config, layout = tree
    assert main(["summarise", "--what", "stress", "--config", str(path)]) == 0
    (drawing,) = FIGURES["stress_curves"](sources_of(config, layout))
    return drawing


def test_methods_are_judged_by_the_cases_that_show_a_label(tree):
    """One finds some of a label that is out of the picture (0), another none (NaN)."""
    path, _, layout = tree
    assert main(["summarise", "--what", "stress", "--config", str(path)]) == 0
    table = pd.read_csv(layout.summary_stress)
    gone = (table.kind == "scale") & (table.case == "case001")
    before = stress_curves(with_upright(table[~gone]))
    table.loc[gone, ["dice", "visible"]] = 0.0, 0.0
    table.loc[gone & (table.experiment == "fine_stn"), "dice"] = np.nan
    pd.testing.assert_frame_equal(stress_curves(with_upright(table)), before)


def test_panels_and_words(drawing):
    axes = drawing.figure.axes
    assert len(axes) == 6
    assert [ax.get_title() for ax in axes[:3]] == ["Rotation", "Zoom", "Shift"]
    assert [ax.get_ylabel() for ax in axes[::3]] == ["Kidney Dice, %", "Tumour Dice, %"]
    assert [ax.get_xscale() for ax in axes[:3]] == ["linear", "log", "linear"]
    texts = [text.get_text() for text in drawing.figure.findobj(Text)]
    words = " ".join(texts).replace("\n", " ")
    assert "n = 4 patients, 4 cases, 1 seed, unseen in training" in words
    assert "95 % bootstrap interval over patients, of this one training" in words
    assert "kidney 75 %, tumour 75 %" in words
    assert "claimed to hold (report.claims)" in words
    assert shaded(axes) == [(-30, 30), (0.6, 1.6), None] * 2
    (legend,) = drawing.figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names[:2] == [
        "STN pose-size + nnU-Net, coarse",
        "STN pose-size + nnU-Net, fine",
    ]


def shaded(axes):
    """From where to where each panel is shaded; None where it is not."""
    edges = [
        [(p.get_x(), p.get_x() + p.get_width()) for p in ax.patches] for ax in axes
    ]
    return [tuple(np.round(one[0], 9)) if one else None for one in edges]


def test_the_shaded_range_is_that_of_a_claim(tree):
    path, config, layout = tree
    assert main(["summarise", "--what", "stress", "--config", str(path)]) == 0
    claims = [c for c in config.report.claims if c.conditions]
    claims = tuple(replace(c, conditions={"shift": (-0.1, 0.1)}) for c in claims)
    config = replace(config, report=replace(config.report, claims=claims))
    (drawing,) = FIGURES["stress_curves"](sources_of(config, layout))
    assert shaded(drawing.figure.axes[:3]) == [None, None, (-10, 10)]
    config = replace(config, report=replace(config.report, claims=()))
    (drawing,) = FIGURES["stress_curves"](sources_of(config, layout))
    assert shaded(drawing.figure.axes[:3]) == [None] * 3
    (legend,) = drawing.figure.legends
    assert "claimed" not in " ".join(text.get_text() for text in legend.get_texts())


def test_upright_images_stand_at_the_neutral_value(drawing):
    kidney_rotation, kidney_zoom, kidney_shift = drawing.figure.axes[:3]
    for ax, x in (
        (kidney_rotation, [-45, 0, 45]),
        (kidney_zoom, [0.5, 1, 2]),
        (kidney_shift, [0, 10]),
    ):
        first, second = ax.lines
        np.testing.assert_allclose(first.get_xdata(), x)
        assert first.get_linestyle() != second.get_linestyle()  # two matrices
    np.testing.assert_allclose(kidney_rotation.lines[0].get_ydata(), [43, 88, 43])
    np.testing.assert_allclose(kidney_shift.lines[1].get_ydata(), [90, 80])
    assert list(drawing.data) == [
        *("experiment", "label", "kind", "value", "n_patients", "n_seeds"),
        *("dice_percent", "low_percent", "high_percent", "visible"),
    ]


@pytest.mark.parametrize("scenes", [["arms_down"]])
def test_a_scene_that_was_tried_has_a_column(drawing):
    kidney, tumour = drawing.figure.axes[3::4]
    assert len(drawing.figure.axes) == 8
    assert kidney.get_title() == "Arms"
    assert [tick.get_text() for tick in tumour.get_xticklabels()] == ["up", "down"]
    for line, dice in zip(kidney.lines, ([88, 58], [90, 60]), strict=True):
        np.testing.assert_allclose(line.get_xdata(), [0, 1])
        np.testing.assert_allclose(line.get_ydata(), dice)
    assert "cushion" not in set(drawing.data.kind)


def row(patient, case, seed, dice, kind="none", value=0.0):
    names = {"experiment": "e", "label": "kidney", "kind": kind, "value": value}
    return {**names, "patient": patient, "case": case, "seed": seed, "dice": dice}


def curves(rows):
    return stress_curves(with_upright(pd.DataFrame(rows).assign(visible=1.0)))


def test_unchanged_images_stand_on_the_curves_that_were_tried():
    rows = [row("p", "a", 0, 0.5), row("p", "a", 0, 0.25, "scale", 2.0)]
    data = curves(rows)
    assert list(zip(data.kind, data.value, data.dice_percent, strict=True)) == [
        ("scale", 1, 50),
        ("scale", 2, 25),
    ]


def test_cases_are_averaged_before_patients_and_seeds():
    rows = [
        row("p", "a", 0, 0.2),
        row("p", "b", 0, 0.4),
        row("p", "a", 1, 0.5),
        row("p", "b", 1, np.nan),
        row("q", "c", 0, 0.8),
        row("q", "c", 1, 0.8),
        row("r", "d", 0, np.nan),
    ]
    point = stress_curves(pd.DataFrame(rows).assign(visible=1.0)).iloc[0]
    # p: (0.3 + 0.5) / 2 = 0.4; q: 0.8; r has no kidney.
    assert point.dice_percent == pytest.approx(60)
    assert (point.n_patients, point.n_seeds) == (2, 2)


def test_the_interval_is_that_of_all_tables():
    values = np.random.default_rng(1).normal(0.7, 0.1, (30, 3))
    rows = [
        row(f"p{i:02}", f"c{i}", seed, dice)
        for (i, seed), dice in np.ndenumerate(values)
    ]
    point = stress_curves(pd.DataFrame(rows).assign(visible=1.0)).iloc[0]
    everywhere = two_way_interval(values).scaled(100)
    found = point.low_percent, point.high_percent
    assert found == pytest.approx((everywhere.low, everywhere.high))
    alone = stress_curves(pd.DataFrame(rows)[::3].assign(visible=1.0)).iloc[0]
    of_patients = mean_interval(values[:, 0]).scaled(100)
    found = alone.low_percent, alone.high_percent
    assert found == pytest.approx((of_patients.low, of_patients.high))
    nobody = stress_curves(pd.DataFrame([row("p", "c", 0, np.nan)]).assign(visible=1.0))
    assert np.isnan(nobody[["low_percent", "high_percent"]]).all(axis=None)
