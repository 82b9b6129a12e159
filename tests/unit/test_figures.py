from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.text import Text

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.layout import Layout
from deeprac.reporting.figures import (
    dice_by_method,
    memory,
    overlays,
    stn_slices,
    time_vs_dice,
    training_curves,
)
from deeprac.reporting.figures.blocks import align, blocks
from deeprac.reporting.figures.catalogue import CATALOGUE
from deeprac.reporting.figures.draw import FIGURES
from deeprac.reporting.figures.stn_mean_image import moments_of
from deeprac.reporting.slices import AxialSlice, largest_slice
from deeprac.reporting.style import (
    MethodStyle,
    experiment_style,
    method_styles,
    save,
    theme,
)
from deeprac.reporting.summary import read_summary
from support.results_tree import TreeOptions, write_tree

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("coarse_pictures")]

NAN = float("nan")


def _sources(folder, **options):
    path = write_tree(folder, TreeOptions(**options))
    config = load_config([path])
    for experiment in config.run.experiments:
        for fold in config.run.folds:
            run = ["--experiment", experiment, "--fold", str(fold)]
            for verb in ("evaluate", "diagnose"):
                assert main([verb, "--config", str(path), *run]) == 0
    for verb in ("summarise", "summarise --what diagnostics"):
        assert main([*verb.split(), "--config", str(path)]) == 0
    return path, read_summary(config, Layout.of(config))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return _sources(tmp_path_factory.mktemp("tree"))


def _texts(figure):
    """All words in a figure: titles, labels, ticks, legend, caption."""
    texts = [text.get_text() for text in figure.findobj(Text)]
    return "\n".join(texts).replace("\n", " ")


ELSEWHERE = {"learning_curve", "stress_curves", "budget_curve", "stn_volumes"}
"""Of what these results lack."""
SELECTED = sorted({*FIGURES} - ELSEWHERE)


@pytest.mark.parametrize("name", SELECTED)
def test_every_figure_states_n(tree, name):
    for drawing in FIGURES[name](tree[1]):
        assert "n = " in _texts(drawing.figure)
        assert len(drawing.data)


def test_verb_writes_png_svg_and_data(tree):
    path, sources = tree
    assert main(["figures", "--config", str(path), "--only", "memory", "overlays"]) == 0
    written = sorted(file.name for file in sources.layout.figures.iterdir())
    assert written == [
        f"{name}.{ending}"
        for name in ("memory", "overlays_coarse", "overlays_fine")
        for ending in ("csv", "png", "svg")
    ]


PRICE = r"\frac{ for $5 or {$6"
"""What stands between the two $ is no formula that matplotlib could set."""


@pytest.mark.parametrize("name", SELECTED)
def test_a_dollar_in_a_label_is_a_dollar(tree, name, tmp_path):
    config = tree[1].config
    methods = {key: replace(m, label=PRICE) for key, m in config.methods.items()}
    sources = replace(tree[1], config=replace(config, methods=methods))
    for drawing in FIGURES[name](sources):
        for text in drawing.figure.findobj(Text):
            if "frac" in text.get_text():
                assert r"for \$5 or {\$6" in text.get_text().replace("\n", " ")
                assert not is_math_text(text.get_text())
        save(drawing.figure, tmp_path / drawing.name)
        assert r"\$" not in drawing.data.to_csv()


def test_verb_refuses_unknown_figures(tree, capsys):
    assert (
        main(["figures", "--config", str(tree[0]), "--only", "pie", "stress_curves"])
        == 1
    )
    assert (
        "--only names no figure of this configuration: pie, stress_curves. It has dice"
        in (capsys.readouterr().err)
    )


def test_dice_axes_and_labels(tree):
    (drawing,) = dice_by_method.make(tree[1])
    axes = drawing.figure.axes
    labels = [ax.get_xlabel() for ax in axes]
    assert labels == ["", "", "Kidney Dice, %", "Tumour Dice, %"]
    titles = [ax.get_title(loc="left") for ax in axes[::2]]
    assert titles == ["coarse matrix, 128 x 128", "fine matrix, 512 x 512"]
    ticks = [tick.get_text() for tick in axes[0].get_yticklabels()]
    assert ticks == ["nnU-Net", "STN pose-size + nnU-Net"]
    bottom, top = axes[0].get_ylim()
    assert bottom > top  # the first experiment stands on top


def test_dice_lines_join_the_same_case():
    data = pd.DataFrame(
        {
            "experiment": ["one", "one", "two", "two"],
            "patient": ["p", "q", "q", "p"],
            "case": ["a", "b", "b", "a"],
            "dice_percent": [10.0, 20.0, 60.0, NAN],
        }
    )
    style = MethodStyle("label", (0, 0, 0), "o")
    ax = Figure().subplots()
    dice_by_method.draw(data, {"one": style, "two": style}, ax=ax)
    lines = [list(line.get_xdata()) for line in ax.lines]
    np.testing.assert_equal(lines, [[10, NAN], [20, 60]])


def test_means_have_their_interval_and_a_tick_for_each_training():
    style = MethodStyle("label", (0, 0, 0), "o")
    means = pd.DataFrame(
        {"experiment": ["one"], "dice_percent": 15.0, "low_percent": 5.0}
    ).assign(high_percent=25.0)
    trainings = pd.DataFrame(
        {"experiment": "one", "seed": [0, 1, 2], "dice_percent": [10.0, 20.0, NAN]}
    )
    ax = Figure().subplots()
    dice_by_method.draw_means(means, trainings, {"one": style}, ax=ax)
    interval, mean, ticks = (c.get_segments() for c in ax.collections)
    assert interval[0][:, 0].tolist() == [5, 25]
    assert mean[0][0, 0] == 15
    assert [segment[0, 0] for segment in ticks] == [10, 20]


def test_time_vs_dice_puts_the_papers_points_beside_ours(tree):
    points = time_vs_dice.points(tree[1].rows, tree[1].config)
    stn_kidney = points[
        (points.experiment == "coarse_stn") & (points.label == "kidney")
    ]
    paper = stn_kidney[stn_kidney.source == "paper"].iloc[0]
    assert paper.dice_gain_points == pytest.approx(86.75 - 83.66)
    assert paper.time_ratio == pytest.approx(105 / 95, abs=1e-6)
    assert (stn_kidney.source == "ours").sum() == 1
    (drawing,) = time_vs_dice.make(tree[1])
    words = _texts(drawing.figure)
    assert "Training time per fold, " in words
    assert "hollow: the paper" in words


def test_memory_says_where_it_was_measured(tree):
    (drawing,) = FIGURES["memory"](tree[1])
    labels = [ax.get_xlabel() for ax in drawing.figure.axes]
    assert labels == [
        "Saved for backward in one step, GiB",
        "Peak host memory above the lightest, GiB",
    ]


def test_memory_is_what_training_adds():
    rows = pd.DataFrame(
        {"memory_kind": ["host", "host", "gpu_reserved"], "memory_gib": [0.7, 0.6, 9.0]}
    )
    assert memory.added(rows).added_gib.tolist() == pytest.approx([0.1, 0, 9])


def test_training_curves_are_in_percent(tree):
    (drawing,) = FIGURES["training_curves"](tree[1])
    assert drawing.data.val_dice_kidney.max() > 50
    assert "Pseudo Dice, %" in _texts(drawing.figure)


def test_training_curves_mark_epochs_without_a_segmentation():
    data = pd.DataFrame(
        {
            "epoch": [0, 1, 2, 0, 1, 2],
            "train_loss": [0.3, 0.2, 0.5, 0.4, 0.3, 0.6],
            "val_dice_kidney": [NAN, NAN, 50, NAN, NAN, 40],
            "val_dice_tumour": [NAN, NAN, 10, NAN, NAN, NAN],
        }
    )
    assert list(training_curves.front_end_epochs(data)) == [0, 1]
    assert training_curves.front_end_epochs(data[data.epoch == 2]).empty


def test_stn_figures_undo_the_pose(tree):
    (drawing,) = FIGURES["stn_mean_image"](tree[1])
    assert drawing.data.sd_after.iloc[0] < 0.5 * drawing.data.sd_before.iloc[0]
    assert "Window -160 to 240 HU" in _texts(drawing.figure)
    (drawing,) = FIGURES["stn_slices"](tree[1])
    assert drawing.data.scale.is_monotonic_increasing
    assert "Network input: crop" in _texts(drawing.figure)


def test_the_stn_figure_shows_the_crop_at_the_largest_matrix(tree):
    assert stn_slices.normalising_experiment(tree[1].config) == "fine_stn_crop"


LEARNING = [
    {"experiment": f"{method}_{count}", "matrix": "coarse", "method": method}
    | {"training_patients": None if count == "all" else int(count)}
    for method in ("nnunet", "stn")
    for count in ("1", "all")
]


def test_the_learning_curve_joins_experiments_of_one_method(tmp_path):
    rows = [*LEARNING, LEARNING[0] | {"experiment": "alone", "method": "moments"}]
    names = tuple(row["experiment"] for row in rows)
    _, sources = _sources(tmp_path, experiments=names, settings={"experiments": rows})
    summary = sources
    few = summary.runs.experiment.str.endswith("_1")
    summary.runs.loc[few, "training_patients"] = 1
    sources.rows.loc[
        sources.rows.experiment.str.endswith("_1"), "training_patients"
    ] = 1
    (drawing,) = FIGURES["learning_curve"](sources)
    data = drawing.data
    assert set(data.method) == {"nnunet", "stn"}  # one point makes no curve
    assert list(data.training_patients) == [1] * 4 + [2] * 4
    mine = data[(data.experiment == "stn_1") & (data.label == "kidney")].iloc[0]
    cases = summary.cases
    dice = cases[(cases.experiment == "stn_1") & (cases.label == "kidney")].dice
    assert mine.dice_percent == pytest.approx(100 * dice.mean())
    assert mine.low_percent <= mine.dice_percent <= mine.high_percent
    assert (mine.n_patients, mine.n_seeds) == (4, 1)
    top = drawing.figure.axes[0]
    assert top.get_ylabel() == "Kidney Dice, %"
    assert len(top.containers) == 2
    assert list(top.get_xticks()) == [1, 2]
    texts = _texts(drawing.figure)
    assert "Training patients" in texts
    assert "n = 4 patients" in texts


def test_experiments_on_few_patients_have_names_of_their_own(tmp_path):
    names = tuple(row["experiment"] for row in LEARNING)
    _, sources = _sources(
        tmp_path, experiments=names, settings={"experiments": LEARNING}
    )
    labels = [experiment_style(sources.config, name).label for name in names]
    assert labels[:2] == ["nnU-Net, 1 patient", "nnU-Net"]
    (drawing,) = FIGURES["memory"](sources)
    ticks = [tick.get_text() for tick in drawing.figure.axes[0].get_yticklabels()]
    assert len(set(ticks)) == 4
    # Each is compared with the plain nnU-Net on as many patients.
    points = time_vs_dice.points(sources.rows, sources.config)
    ours = points[(points.source == "ours") & (points.method == "nnunet")]
    assert ours.dice_gain_points.tolist() == [0] * 4


def test_mean_image_and_spread():
    images = np.zeros((2, 1, 3))
    images[:, 0, 0] = 10, 30  # mean 20, SD 10
    images[:, 0, 1] = 50, 900  # clipped to 100: mean 75, SD 25
    images[:, 0, 2] = -500, -500  # air in both: no body
    moments = moments_of(images, window=(0, 100))
    np.testing.assert_allclose(moments.mean, [[20, 75, 0]])
    assert moments.spread == pytest.approx((10 + 25) / 2)


def _dice(**scores):
    return pd.DataFrame(
        [
            {"case": case, "fold": 0, "label": label, "dice": value}
            for case, pair in scores.items()
            for label, value in zip(("kidney", "tumour"), pair, strict=True)
        ]
    )


def test_best_median_and_worst_case():
    ranked = overlays.rank_cases(
        _dice(a=(0.9, 0.1), b=(0.6, NAN), c=(0.8, 0.8), d=(NAN, NAN), e=(0.2, 0.0))
    )
    # Scores: c 0.8, b 0.6 (kidney alone), a 0.5, e 0.1; d has none.
    assert list(zip(ranked.role, ranked.case, strict=True)) == [
        ("best", "c"),
        ("median", "a"),
        ("worst", "e"),
    ]
    two = overlays.rank_cases(_dice(a=(0.9, 0.1), c=(0.8, 0.8)))
    assert list(two.role) == ["best", "worst"]
    assert list(overlays.rank_cases(_dice(a=(0.9, 0.1))).case) == ["a"]


def test_overlay_keeps_the_true_aspect_and_sides():
    image = np.full((4, 6), -1000.0)
    image[1:3, 2:5] = 40.0
    label = np.zeros((4, 6), np.uint8)
    label[1, 4] = 1
    axial = AxialSlice(image, label, z=3, count=9, spacing_mm=(2.0, 20.0))
    overlay = overlays.Overlay(axial, label, window=(-160.0, 240.0), title="title")
    # Columns 2 to 4 of 2 mm: 4 to 10 mm; rows 1 to 2 of 20 mm: 20 to 60 mm; margin 8.
    assert overlay.view_mm == (0, 12, 68, 12)
    ax = overlays.draw(overlay, ax=Figure().subplots())
    assert ax.get_aspect() == 1
    assert ax.images[0].get_extent() == [0, 12, 80, 0]
    low, high = ax.get_ylim()
    assert low > high  # row 0, anterior, is on top
    texts = {text.get_text(): text.get_position()[0] for text in ax.texts}
    assert texts["R"] < 0.5 < texts["L"]
    assert "50 mm" in texts


def test_largest_slice_by_priority():
    label_map = np.zeros((4, 2, 3), np.uint8)
    label_map[1] = 1
    label_map[2, 0, 0] = 2
    assert largest_slice(label_map, by=(2, 1)) == 2
    assert largest_slice(label_map, by=(1, 2)) == 1
    assert largest_slice(np.zeros((5, 2, 2)), by=(2, 1)) == 2


def test_methods_differ_in_colour_marker_and_name(tree):
    styles = method_styles(tree[1].config)
    looks = {(style.colour, style.marker) for style in styles.values()}
    assert len(looks) == len(styles)
    assert len({style.label for style in styles.values()}) == len(styles)
    assert styles["stn"].colour != styles["oracle"].colour


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A tree with whole slices and nnU-Net's own plan side by side."""
    rows = [
        {"experiment": f"{matrix}_{method}", "matrix": matrix, "method": method}
        for matrix, method in (
            ("coarse", "nnunet"),
            ("planned", "nnunet"),
            ("planned", "nnunet_augment"),
        )
    ]
    settings = {
        "experiments": rows,
        "matrices": {"planned": {"size": "planned", "batch_size": 8}},
    }
    names = tuple(row["experiment"] for row in rows)
    folder = tmp_path_factory.mktemp("planned")
    return _sources(folder, experiments=names, settings=settings)[1]


@pytest.mark.parametrize(
    "name", ["dice_by_method", "time_vs_dice", "memory", "training_curves", "overlays"]
)
def test_figures_of_a_planned_matrix_say_so(planned, name):
    words = [_texts(drawing.figure).lower() for drawing in FIGURES[name](planned)]
    expected = {
        "memory": "planned: nnu-net",
        "training_curves": "planned: nnu-net",
        "overlays": "planned matrix, own spacing and patches",
    }
    assert expected.get(name, "planned matrix, own spacing") in words[-1]


def test_rows_of_a_planned_matrix_refer_to_its_own_plain_row(planned):
    rows = planned.rows.set_index("experiment")
    assert rows.matrix_size["planned_nnunet"] == "384x320"
    assert rows.time_ratio["planned_nnunet"] == 1
    # 9 times 100 s, or 150 s with augmentation, and 5 s in the mean of the folds.
    assert rows.time_ratio["planned_nnunet_augment"] == pytest.approx(1.5, abs=0.01)


def test_blocks_share_axes_and_name_them_once(tree):
    names = [f"coarse_{name}" for name in ("nnunet", "nnunet_augment", "stn")] * 2
    config = tree[1].config
    experiments = [name for name in config.experiments if name in names]
    figure, axes = blocks(
        config, experiments, panels=2, notes=dict.fromkeys(names, "!")
    )
    for index, (upper, lower) in enumerate(axes.values()):
        upper.set(xlim=(0, index + 1), ylim=(-index, 1))
        lower.set(xlim=(0, 1), ylim=(0, 10))
    align(axes, xlabel="Epoch", heights=True)
    assert {ax.get_xlim() for ax in figure.axes} == {(0, len(experiments))}
    assert {upper.get_ylim() for upper, _ in axes.values()} == {(-2, 1)}
    assert [lower.get_xlabel() for _, lower in axes.values()] == ["Epoch"] * 3
    assert figure.axes[0].get_title() == "128: nnU-Net\n!"


ODD_ROWS = [
    {"experiment": f"coarse_{method}", "matrix": "coarse", "method": method}
    for method in ("nnunet", "stn", "stn_crop")
]
ODD = ["one patient", "equal values", "no tumour"]
NOT_VOLUMES = [name for name in SELECTED if "volumes" not in CATALOGUE[name].needs]


@pytest.fixture(scope="module", params=ODD)
def odd(request, tmp_path_factory):
    """Two methods on a cohort with little to show."""
    one = request.param == "one patient"
    _, sources = _sources(
        tmp_path_factory.mktemp("odd"),
        experiments=("coarse_nnunet", "coarse_stn", "coarse_stn_crop"),
        patients=2 if one else 4,
        folds_run=(0,) if one else (0, 1),
        settings={"experiments": ODD_ROWS},
    )
    cases = sources.cases
    if request.param == "equal values":
        cases["dice"] = 0.5
        cases["volume_ml"] = cases["reference_volume_ml"] = 10.0
    elif request.param == "no tumour":
        cases.loc[cases.label == "tumour", ["dice", "coverage"]] = NAN
        cases.loc[cases.label == "tumour", ["volume_ml", "reference_volume_ml"]] = 0.0
    return replace(sources, cases=cases)  # with rows of its own


@pytest.mark.parametrize("name", NOT_VOLUMES)
def test_odd_cohorts_are_drawn_with_n(odd, name, tmp_path):
    with theme():
        for drawing in FIGURES[name](odd):
            save(drawing.figure, tmp_path / drawing.name)
            assert "n = " in _texts(drawing.figure)
            assert len(drawing.data)
