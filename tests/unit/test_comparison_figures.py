"""Figures that compare methods patient by patient, on tables with known answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from deeprac.config import Config
from deeprac.config_files import resolve
from deeprac.evaluation.statistics.agreement import agreement
from deeprac.layout import Layout
from deeprac.records.runs import TIMES
from deeprac.reporting.figures import (
    bland_altman,
    dice_by_method,
    paired_differences,
    ranking,
    significance,
)
from deeprac.reporting.style import MethodStyle, save, theme
from deeprac.reporting.summary import Summary
from deeprac.settings.reports import Comparison
from support.results_tree import REPO

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("coarse_pictures")]

NAN = float("nan")
COMPARED = (paired_differences, significance, ranking)
ALL = (*COMPARED, bland_altman, dice_by_method)


def config_of(*methods, comparisons=(), matrix="coarse"):
    """A configuration with one experiment per method, named as it, at one matrix."""
    rows = [{"experiment": n, "matrix": matrix, "method": n} for n in methods]
    raw = {"methods": str(REPO / "config/methods.yaml"), "experiments": rows}
    config = Config.from_resolved(resolve(raw))
    section = replace(config.statistics, comparisons=tuple(comparisons))
    return replace(config, statistics=section)


def cases_of(dice, *, tumour=True, seeds=(0,)):
    """Rows of cases.csv: ``dice`` holds each experiment's Dice, patient by patient."""
    rows = []
    for experiment, values in dice.items():
        for index, value in enumerate(values):
            for label in ("kidney", "tumour", "kidney_and_tumour"):
                empty = label == "tumour" and not tumour
                reference = 0.0 if empty else 20.0 * (index + 1)
                for seed in seeds:
                    rows.append(
                        {
                            "experiment": experiment,
                            "fold": 0,
                            "seed": seed,
                            "case": f"case{index}",
                            "patient": f"patient{index}",
                            "label": label,
                            "dice": NAN if empty else value,
                            "volume_ml": reference + 2 * (not empty),
                            "reference_volume_ml": reference,
                        }
                    )
    return pd.DataFrame(rows)


def sources_of(config, cases, folder="nowhere"):
    runs = cases[["experiment", "seed", "fold"]].drop_duplicates()
    runs = runs.assign(shared_machine=False, epochs=2, iterations_per_epoch=3)
    runs = runs.assign(**dict.fromkeys(TIMES, 1.0))
    return Summary.of(config, Layout(Path(folder)), cases, runs)


def words_of(figure):
    texts = [text.get_text() for text in figure.findobj(Text)]
    return "\n".join(texts).replace("\n", " ")


BETTER = {
    "nnunet": [0.50, 0.52, 0.54, 0.56, 0.58, 0.60, 0.62, 0.64],
    "moments": [0.61, 0.64, 0.67, 0.70, 0.73, 0.76, 0.79, 0.82],
    "stn": [0.605, 0.645, 0.668, 0.703, 0.729, 0.762, 0.788, 0.821],
}
ENOUGH = {name: 2 * values for name, values in BETTER.items()}
FIVE = range(5)
"""Patients and seeds with which there are verdicts."""
PLANNED = (
    Comparison("moments", "nnunet", "superiority"),
    Comparison("stn", "moments", "non_inferiority"),
)


def test_planned_comparisons_with_means_patients_and_margin():
    config = config_of(*BETTER, comparisons=PLANNED)
    cases = cases_of(ENOUGH, seeds=FIVE)
    (drawing,) = paired_differences.make(sources_of(config, cases))
    data = drawing.data
    means = data[data.kind == "mean"].set_index(["experiment", "label"])
    gain = means.loc[("moments", "kidney")]
    assert gain.difference_points == pytest.approx(14.5)
    assert gain.low_points < 14.5 < gain.high_points
    assert gain.verdict == "superior"
    assert np.isnan(gain.margin_points)
    assert means.margin_points["stn", "kidney"] == pytest.approx(2)
    patients = data[(data.kind == "patient") & (data.experiment == "moments")]
    points = patients[patients.label == "tumour"].difference_points
    np.testing.assert_allclose(sorted(points), np.repeat(np.arange(11, 19), 2))
    seeds = data[(data.kind == "seed") & (data.experiment == "moments")]
    assert list(seeds.seed) == 2 * list(FIVE)
    assert seeds[seeds.label == "kidney"].difference_points.mean() == pytest.approx(
        gain.difference_points
    )
    words = words_of(drawing.figure)
    assert "+14.5 [" in words
    assert "n = 16, superior" in words
    assert "non-inferiority margin" in words
    assert "vs Moments + nnU-Net" in words


def test_a_supported_verdict_is_filled():
    config = config_of(*BETTER, comparisons=PLANNED)
    cases = cases_of(ENOUGH, seeds=FIVE)
    (drawing,) = paired_differences.make(sources_of(config, cases))
    ax = drawing.figure.axes[0]
    faces = [
        line.get_markerfacecolor() for line in ax.lines if line.get_marker() == "D"
    ]
    verdicts = drawing.data.query("kind == 'mean' and label == 'kidney'").verdict
    assert set(verdicts) == {"superior", "non-inferior"}
    assert faces == ["0.2", "0.2"]
    (drawing,) = paired_differences.make(sources_of(config, cases_of(BETTER)))
    means = drawing.data[drawing.data.kind == "mean"]
    assert set(means.verdict) == {"not decidable"}
    assert set(means.interval_over) == {"patients of one training"}
    assert means.low_points.notna().all()
    lines = drawing.figure.axes[0].lines
    assert {o.get_markerfacecolor() for o in lines if o.get_marker() == "D"} == {
        "white"
    }


def test_without_planned_comparisons_all_are_compared_with_the_plain_nnunet():
    config = config_of(
        *BETTER, comparisons=[Comparison("oracle", "stn", "superiority")]
    )
    (drawing,) = paired_differences.make(sources_of(config, cases_of(BETTER)))
    pairs = set(zip(drawing.data.experiment, drawing.data.reference, strict=True))
    assert pairs == {("moments", "nnunet"), ("stn", "nnunet")}
    words = words_of(drawing.figure)
    assert "No planned comparison is run" in words
    assert "Non-inferior" not in words


def test_comparisons_that_are_not_run_are_named():
    planned = (*PLANNED, Comparison("oracle", "stn", "superiority"))
    config = config_of(*BETTER, comparisons=planned)
    (drawing,) = paired_differences.make(sources_of(config, cases_of(BETTER)))
    assert "Not run: oracle against stn." in words_of(drawing.figure)


def test_the_map_is_ordered_and_antisymmetric():
    config = config_of(*BETTER)
    (drawing,) = significance.make(sources_of(config, cases_of(BETTER)))
    table = drawing.data[drawing.data.label == "kidney"]
    names = ["moments", "stn", "nnunet"]
    kind, difference = significance.matrices(table, names)
    better, worse = significance.BETTER, significance.WORSE
    assert list(kind[:, 2]) == [better, better, significance.ITSELF]
    assert list(kind[2]) == [worse, worse, significance.ITSELF]
    assert kind[0, 1] == kind[1, 0] == significance.NEITHER
    np.testing.assert_allclose(difference, -difference.T)
    assert difference[0, 2] == pytest.approx(14.5)
    ticks = [t.get_text() for t in drawing.figure.axes[0].get_yticklabels()]
    assert [tick.split()[-1] for tick in ticks] == ["1", "2", "3"]
    assert ticks[-1] == "nnU-Net  3"
    assert "+14.5" in words_of(drawing.figure)


def test_a_sure_ranking_has_one_blob_per_row():
    config = config_of("nnunet", "moments")
    dice = {name: BETTER[name] for name in ("nnunet", "moments")}
    (drawing,) = ranking.make(sources_of(config, cases_of(dice)))
    kidney = drawing.data[drawing.data.label == "kidney"].set_index("experiment")
    assert kidney.p_rank_1["moments"] == 1
    assert kidney["rank"]["nnunet"] == 2
    blobs = drawing.figure.axes[0].collections[0]
    np.testing.assert_allclose(blobs.get_offsets(), [[1, 0], [2, 1]])
    np.testing.assert_allclose(blobs.get_sizes(), ranking.BLOB_AREA)
    assert "Kendall's tau 1.00 [1.00, 1.00]" in words_of(drawing.figure)


def differences(**seeds):
    return pd.DataFrame(
        [
            {"patient": patient, "seed": seed, "difference": value}
            for seed, values in enumerate(seeds.values())
            for patient, value in enumerate(values)
        ]
    )


def test_limits_of_agreement_of_one_seed_are_the_textbooks():
    found = agreement(differences(one=[-2.0, 0.0, 1.0, 5.0]))
    sd = np.std([-2, 0, 1, 5], ddof=1)
    assert found.n == 4
    assert found.bias == 1
    np.testing.assert_allclose(found.limits, [1 - 1.95996 * sd, 1 + 1.95996 * sd], 1e-5)
    # t of 3 degrees of freedom at 97.5 %: 3.18245.
    half = 3.18245 * sd / 2
    np.testing.assert_allclose(found.bias_interval, [1 - half, 1 + half], rtol=1e-5)
    half = 3.18245 * sd * np.sqrt(1 / 4 + 1.95996**2 / 6)
    np.testing.assert_allclose(
        found.upper_interval, found.limits[1] + np.array([-half, half]), rtol=1e-5
    )


def test_equal_seeds_change_no_limit_and_differing_ones_widen_them():
    one = agreement(differences(a=[-2.0, 0.0, 1.0, 5.0]))
    same = agreement(differences(a=[-2.0, 0.0, 1.0, 5.0], b=[-2.0, 0.0, 1.0, 5.0]))
    np.testing.assert_allclose(same.limits, one.limits)
    # Means as above; each patient's two seeds lie 2 apart: variance 2 within.
    noisy = agreement(differences(a=[-3.0, -1.0, 0.0, 4.0], b=[-1.0, 1.0, 2.0, 6.0]))
    sd = np.sqrt(np.var([-2, 0, 1, 5], ddof=1) + (1 - 1 / 2) * 2)
    assert noisy.bias == 1
    assert noisy.limits[1] == pytest.approx(1 + 1.95996 * sd, rel=1e-5)


def test_random_effects_are_found_again():
    """Patients with SD 3 and seeds with SD 4 give single differences of SD 5."""
    rng = np.random.default_rng(0)
    patients = rng.normal(0, 3, 4000)
    seeds = {f"s{i}": patients + rng.normal(0, 4, 4000) for i in range(3)}
    found = agreement(differences(**seeds))
    assert (found.limits[1] - found.limits[0]) / 2 / 1.96 == pytest.approx(5, rel=0.02)


def test_volume_errors_in_ml_and_percent():
    config = config_of("nnunet", "moments")
    dice = {name: BETTER[name] for name in ("nnunet", "moments")}
    (drawing,) = bland_altman.make(sources_of(config, cases_of(dice)))
    first = drawing.data.iloc[0]
    assert (first.difference_ml, first.difference_percent) == (2, 10)
    assert drawing.data.bias_ml.tolist() == [2] * 16
    labels = [ax.get_ylabel() for ax in drawing.figure.axes]
    assert "Error, ml" in labels
    assert "Error, %" not in labels  # 20 to 160 ml: less than a decade
    assert "n = 8 patients" in words_of(drawing.figure)
    wide = cases_of({name: values * 2 for name, values in dice.items()})
    (drawing,) = bland_altman.make(sources_of(config, wide))
    labels = [ax.get_ylabel() for ax in drawing.figure.axes]
    assert labels[:2] == ["Error, ml", "Error, %"]
    wide.loc[wide.case == wide.case[0], "reference_volume_ml"] = 0.0
    (drawing,) = bland_altman.make(sources_of(config, wide))
    assert " (15 in %)" in words_of(drawing.figure)


ODD = {
    "one patient": {"dice": {"nnunet": [0.5], "moments": [0.6]}},
    "two patients": {"dice": {"nnunet": [0.5, 0.6], "moments": [0.6, 0.5]}},
    "equal values": {"dice": {"nnunet": [0.5] * 6, "moments": [0.5] * 6}},
    "no tumour": {
        "dice": {"nnunet": [0.5, 0.6], "moments": [0.6, 0.7]},
        "tumour": False,
    },
    "no Dice": {"dice": {"nnunet": [NAN, NAN], "moments": [NAN, NAN]}},
    "several seeds": {"dice": {"nnunet": [0.5, 0.6], "moments": [0.6, 0.5]}}
    | {"seeds": (0, 1, 2)},
}


@pytest.mark.parametrize("figure", ALL, ids=lambda module: module.__name__[26:])
@pytest.mark.parametrize("kind", ODD)
def test_odd_cohorts_are_drawn_or_explained(figure, kind, tmp_path):
    config = config_of("nnunet", "moments", comparisons=PLANNED)
    with theme():
        (drawing,) = figure.make(sources_of(config, cases_of(**ODD[kind])))
        save(drawing.figure, tmp_path / drawing.name)
    assert "n = " in words_of(drawing.figure)
    assert len(drawing.data)


@pytest.mark.parametrize("figure", [bland_altman, dice_by_method, paired_differences])
def test_one_experiment_alone(figure, tmp_path):
    config = config_of("nnunet")
    sources = sources_of(config, cases_of({"nnunet": [0.5, 0.6, 0.7]}))
    with theme():
        (drawing,) = figure.make(sources)
        save(drawing.figure, tmp_path / drawing.name)
    assert "n = " in words_of(drawing.figure)


def test_why_nothing_is_there_is_said_in_the_figure():
    config = config_of("nnunet", "moments", comparisons=PLANNED)
    cases = cases_of(ODD["no tumour"]["dice"], tumour=False)
    sources = sources_of(config, cases)
    (drawing,) = bland_altman.make(sources)
    assert "no reference has any tumour" in words_of(drawing.figure)
    (drawing,) = ranking.make(sources)
    assert "No patient has Dice in every method" in words_of(drawing.figure)
    (drawing,) = significance.make(sources)
    assert "No patient has Dice in two methods" in words_of(drawing.figure)
    (drawing,) = paired_differences.make(sources)
    words = words_of(drawing.figure)
    assert "n = 0: no patient has Dice in both" in words
    assert "n = 2, " in words  # the kidneys


def test_equal_data_gives_equal_bytes(tmp_path):
    config = config_of(*BETTER, comparisons=PLANNED)
    sources = sources_of(config, cases_of(BETTER))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        with theme():
            (drawing,) = paired_differences.make(sources)
            save(drawing.figure, tmp_path / folder / "figure")
    for name in ("figure.svg", "figure.png"):
        first, second = (tmp_path / folder / name for folder in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("figure", ALL, ids=lambda module: module.__name__[26:])
def test_letters_are_readable_at_180_mm(figure):
    config = config_of(*BETTER, comparisons=PLANNED)
    with theme():
        (drawing,) = figure.make(sources_of(config, cases_of(BETTER)))
    assert drawing.figure.get_figwidth() <= 180 / 25.4
    written = [t for t in drawing.figure.findobj(Text) if t.get_text()]
    assert min(text.get_fontsize() for text in written) >= 6


def test_many_points_are_one_picture_in_the_svg(tmp_path):
    def drawn(count):
        figure = Figure()
        style = MethodStyle("one", (0, 0, 0), "o")
        data = pd.DataFrame({"experiment": "one", "dice_percent": np.arange(count)})
        data["case"] = data["patient"] = [f"case{i}" for i in range(count)]
        dice_by_method.draw(data, {"one": style}, ax=figure.subplots())
        save(figure, tmp_path / f"{count}")
        return (tmp_path / f"{count}.svg").read_text()

    assert "<image" not in drawn(100)
    assert "<image" in drawn(1000)
