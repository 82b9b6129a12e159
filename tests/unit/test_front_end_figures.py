from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from deeprac.cli import main
from deeprac.config import load_config
from deeprac.errors import MetricsError
from deeprac.evaluation.statistics import size
from deeprac.layout import Layout
from deeprac.reporting.figures import (
    crop_coverage,
    dice_by_size,
    stn_bounds,
    stn_recovery,
    stn_spread,
)
from deeprac.reporting.figures.rows import row_names, shown_experiments
from deeprac.reporting.roles import crops, estimates, normalises
from deeprac.reporting.style import MethodStyle
from deeprac.reporting.summary import read_summary
from support.results_tree import TreeOptions, write_tree

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("coarse_pictures")]

NAN = float("nan")
BLACK = MethodStyle("one", (0, 0, 0), "o")
GREY = MethodStyle("two", (0.5, 0.5, 0.5), "s")
PLAIN, MOMENTS, ORACLE = "coarse_plain", "coarse_moments", "coarse_oracle"
STN, CROP = "coarse_stn", "fine_crop"
METHODS = {
    PLAIN: "nnunet",
    MOMENTS: "moments",
    ORACLE: "oracle",
    STN: "stn",
    "coarse_stn_few": "stn",
    CROP: "stn_crop_half",
}


def sources_of(folder, experiments):
    rows = [
        {
            "experiment": name,
            "matrix": name.split("_")[0],
            "method": METHODS[name],
            "training_patients": 2 if name.endswith("few") else None,
        }
        for name in experiments
    ]
    options = TreeOptions(
        experiments=tuple(experiments), truth=True, settings={"experiments": rows}
    )
    path = write_tree(folder, options)
    config = load_config([path])
    for name in experiments:
        for fold in ("0", "1"):
            for verb in ("evaluate", "diagnose"):
                run = ["--experiment", name, "--fold", fold]
                assert main([verb, "--config", str(path), *run]) == 0
    for verb in ("summarise", "summarise --what diagnostics"):
        assert main([*verb.split(), "--config", str(path)]) == 0
    return read_summary(config, Layout.of(config))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    return sources_of(tmp_path_factory.mktemp("tree"), METHODS)


def texts(figure):
    return " ".join(t.get_text() for t in figure.findobj(Text)).replace("\n", " ")


def points(ax):
    """Offsets of all scattered points, one array per method that has any."""
    clouds = [c for c in ax.collections if isinstance(c, PathCollection)]
    return [np.asarray(c.get_offsets()) for c in clouds if len(c.get_offsets())]


def test_each_figure_shows_the_methods_it_is_about(sources):
    config = sources.config
    assert list(shown_experiments(config, normalises)) == [MOMENTS, ORACLE, STN, CROP]
    assert list(shown_experiments(config, estimates)) == [MOMENTS, STN, CROP]
    assert list(shown_experiments(config, crops)) == [CROP]


def test_smaller_training_sets_are_the_learning_curves(sources):
    shown = shown_experiments(sources.config, lambda _: True)
    assert "coarse_stn_few" not in shown
    assert len(shown) == 5


def test_a_small_training_set_alone_is_shown(tmp_path):
    sources = sources_of(tmp_path, [PLAIN, "coarse_stn_few"])
    (drawing,) = stn_recovery.make(sources)
    assert set(drawing.data.experiment) == {"coarse_stn_few"}


def test_rows_name_the_matrix_where_they_differ(sources):
    styles = shown_experiments(sources.config, estimates)
    names = row_names(sources.config, styles)
    assert names[0] == "128: Moments + nnU-Net"
    assert names[2].replace("\n", " ").endswith("+ nnU-Net, input x 0.5")
    assert "input x 0.5" in names[2]
    one = {name: styles[name] for name in (MOMENTS, STN)}
    assert row_names(sources.config, one)[0] == "Moments + nnU-Net"


def test_recovery_has_a_panel_per_quantity_and_its_data(sources):
    (drawing,) = stn_recovery.make(sources)
    titles = [ax.get_title() for ax in drawing.figure.axes if ax.get_title()]
    of_slices = list(stn_recovery.PANELS.values())[:-1]
    assert titles == of_slices * 2  # two matrices
    assert len(drawing.data) == 4 * 4 * 4  # methods x cases x quantities
    assert np.allclose(drawing.data.reference_value, drawing.data.predicted_value)
    words = texts(drawing.figure)
    assert "STN pose-size + nnU-Net median error 0.0 %, 0.0°, 0.0 %" in words
    assert "n = 4 cases of 4 patients, unseen in training" in words
    assert "the phantom's true transform" in words


def test_a_predicted_angle_stays_on_its_side_of_the_circle():
    row = {name: ["x"] for name in stn_recovery.KEYS}
    row |= {"body_scale": [2.0], "scale_ratio": [1.5], "reference_angle_deg": [-179.0]}
    row |= {"angle_difference_deg": [-2.0], "reference_x": [0.1], "shift_x": [0.05]}
    row |= {"reference_y": [-0.2], "shift_y": [0.1]}
    found = stn_recovery.recovered(pd.DataFrame(row)).set_index("quantity")
    expected = {"scale": 3.0, "angle_deg": -181.0, "centre_x": 15.0, "centre_y": -10.0}
    assert dict(found.predicted_value) == pytest.approx(expected)


def test_agreement_lies_on_the_line():
    data = pd.DataFrame(
        {
            "experiment": ["a", "a", "other"],
            "reference_value": [1.0, 2.0, 50.0],
            "predicted_value": [1.0, 3.0, 50.0],
        }
    )
    ax = stn_recovery.draw(data, {"a": BLACK}, ax=Figure().subplots())
    (line,) = ax.lines
    assert list(line.get_xdata()) == list(line.get_ydata())
    assert ax.get_xlim() == ax.get_ylim() == pytest.approx((0.88, 3.12))
    np.testing.assert_array_equal(points(ax)[0], [[1, 1], [2, 3]])


def test_spread_marks_the_median_of_each_method(sources):
    data = pd.DataFrame({"experiment": ["a", "a", "a", "b"], "value": [1, 2, 6, NAN]})
    ax = stn_spread.draw(data, {"a": BLACK, "b": GREY}, ax=Figure().subplots())
    (marks,) = points(ax)
    np.testing.assert_array_equal(marks, [[1, 0], [2, 0], [6, 0]])
    bars = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert bars[0].get_segments()[0][0, 0] == 2
    (drawing,) = stn_spread.make(sources)
    labels = [ax.get_xlabel() for ax in drawing.figure.axes]
    assert labels == list(stn_spread.PANELS.values())
    ticks = [t.get_text() for t in drawing.figure.axes[0].get_yticklabels()]
    assert ticks == row_names(
        sources.config, shown_experiments(sources.config, estimates)
    )


def test_coverage_is_drawn_in_percent_and_counted():
    data = pd.DataFrame(
        {
            "experiment": "a",
            "coverage": [1.0, 0.999, 0.99, 0.2, NAN],
            "missed": [0, 0, 0, 1, NAN],
            "crop_side": 0.6,
        }
    )
    ax = crop_coverage.draw(data, {"a": BLACK}, 99.5, ax=Figure().subplots())
    np.testing.assert_allclose(points(ax)[0][:, 0], [100, 99.9, 99, 20])
    (text,) = ax.texts
    assert text.get_text() == "1 missed, 2 below 99.5 %, n = 4; side 0.60"
    assert ax.lines[0].get_xdata()[0] == 99.5
    ticks = [tick.get_text() for tick in ax.get_xticklabels()]
    assert ticks == ["0", "50", "90", "99", "99.9", "100"]


def test_the_axis_of_coverage_can_be_read_backwards():
    percent = np.array([0, 50, 99.5, 100])
    stretched = crop_coverage.stretched(percent)
    assert (np.diff(stretched) > 0).all()
    np.testing.assert_allclose(crop_coverage.unstretched(stretched), percent, atol=1e-9)


def test_bounds_are_shares_of_slices_per_run():
    table = pd.DataFrame(
        {
            "experiment": ["a", "a", "a"],
            "fold": [0, 0, 1],
            "seed": 0,
            "slices": [10, 30, 20],
            "at_bound_slices": [1, 3, 0],
            "fallback_slices": [0, 2, 20],
        }
    )
    found = stn_bounds.slice_shares(table).set_index(["quantity", "fold"]).value
    assert dict(found["at_bound_percent"]) == {0: 10, 1: 0}
    assert dict(found["fallback_percent"]) == {0: 5, 1: 100}


def test_bars_and_gradients(sources):
    (drawing,) = stn_bounds.make(sources)
    left, right = drawing.figure.axes
    # One slice of three at the bound where the pose is learned; all have one fallback.
    shares = drawing.data.groupby(["experiment", "quantity"]).value.mean()
    assert shares[STN, "at_bound_percent"] == pytest.approx(100 / 3)
    assert shares[MOMENTS, "at_bound_percent"] == 0
    widths = [bar.get_width() for bar in left.patches]
    np.testing.assert_allclose(widths[0::2], [0, 0, 100 / 3, 100 / 3])
    np.testing.assert_allclose(widths[1::2], 100 / 3)
    curves = drawing.data[drawing.data.quantity == "localiser_gradient"]
    assert set(curves.experiment) == {STN, CROP}
    assert len(right.lines) == 2
    assert {line.get_linestyle() for line in right.lines} == {"-", "--"}
    assert right.get_yscale() == "log"
    assert "n = 12 held-out slices per method and seed, 2 runs" in texts(drawing.figure)


def test_no_learned_pose_is_said(tmp_path):
    sources = sources_of(tmp_path, [PLAIN, MOMENTS])
    (drawing,) = stn_bounds.make(sources)
    assert "No selected experiment learns its pose." in texts(drawing.figure)


def test_nnunet_alone_has_a_dice_by_size(tmp_path):
    sources = sources_of(tmp_path, [PLAIN])
    (drawing,) = dice_by_size.make(sources)
    assert len(drawing.data) == 4 * 2


def test_a_line_over_the_logarithm_of_size():
    # Dice rises by 10 points per doubling, exactly: 60 at size 1, 50 at a half.
    sizes = np.array([0.5, 1.0, 2.0, 4.0])
    rows = pd.DataFrame({"size": sizes, "dice_percent": [50.0, 60, 70, 80]})
    found = size.fit(rows)
    assert found["slope_per_doubling"] == pytest.approx(10)
    assert found["intercept_percent"] == pytest.approx(60)
    assert found["slope_se"] == pytest.approx(0, abs=1e-9)
    assert found["n"] == 4


def test_the_slopes_standard_error_is_that_of_least_squares():
    # x = -1, 0, 1; y = 1, 0, 2: slope 1/2, residuals 1/2, -1, 1/2, sum of squares
    # 3/2 over one degree of freedom, over sum of x**2 = 2: se = sqrt(3/4).
    rows = pd.DataFrame({"size": [0.5, 1.0, 2.0], "dice_percent": [1.0, 0, 2]})
    found = size.fit(rows)
    assert found["slope_per_doubling"] == pytest.approx(0.5)
    assert found["slope_se"] == pytest.approx(np.sqrt(0.75))
    same = size.fit(rows.assign(size=1.0))
    assert np.isnan([same["slope_per_doubling"], same["slope_se"]]).all()


def test_size_is_that_of_the_body_in_the_picture():
    table = pd.DataFrame(
        {
            "case": ["a1", "a2", "b", "b"],
            "patient": ["a", "a", "b", "b"],
            "size_scale": [0.5, 0.7, 1.0, 1.0],
            "body_scale": [0.2, 0.4, 0.4, 0.4],
        }
    )
    sizes = size.patient_sizes(table).set_index("patient")
    assert dict(sizes["size"]) == pytest.approx({"a": 0.3, "b": 0.4})


def test_the_band_of_a_line_is_the_textbooks():
    """Dice 1, 2, 4 at sizes 1, 2, 4: the residuals are 1/6, -1/3, 1/6, one freedom."""
    rows = pd.DataFrame({"size": [1.0, 2, 4], "dice_percent": [1.0, 2, 4]})
    found = size.fit(rows)
    assert found["slope_per_doubling"] == pytest.approx(1.5)
    error = np.sqrt(1 / 6)  # residual SD; sum of squares about the mean x is 2
    quantile = 12.7062  # of t, one degree of freedom
    half = quantile * error / np.sqrt(2)
    assert found["slope_high"] == pytest.approx(1.5 + half, rel=1e-4)
    low, high = size.band(rows.assign(**found), np.array([2.0, 4.0]))
    np.testing.assert_allclose((low + high) / 2, [7 / 3, 7 / 3 + 1.5])
    half = quantile * error * np.sqrt([1 / 3, 1 / 3 + 1 / 2])
    np.testing.assert_allclose((high - low) / 2, half, rtol=1e-4)


def test_equal_values_have_a_level_line_without_error():
    rows = pd.DataFrame({"size": [1.0, 2, 4], "dice_percent": [0.0] * 3})
    found = size.fit(rows)
    assert found["slope_low"] == found["slope_per_doubling"] == found["slope_high"] == 0


@pytest.mark.parametrize(
    ("sizes", "said"), [([1.0, 2.0], "kidney +10.0 (2)"), ([1.0, 1.0], "no slope (2)")]
)
def test_what_is_not_known_of_a_slope_is_no_number(sizes, said):
    patients = ["p", "q"]
    scores = pd.DataFrame({"patient": patients, "dice": [0.5, 0.6]})
    scores = scores.assign(experiment="a", label="kidney")
    data = size.with_fits(scores, pd.DataFrame({"patient": patients, "size": sizes}))
    assert dice_by_size._notes(data)["a"].endswith(said)


def test_dice_by_size_draws_points_and_lines():
    scores = pd.DataFrame(
        {
            "experiment": ["a"] * 3,
            "label": ["kidney"] * 3,
            "patient": ["p", "q", "r"],
            "dice": [0.5, 0.6, NAN],
        }
    )
    sizes = pd.DataFrame({"patient": ["p", "q", "r"], "size": [1.0, 2, 4]})
    data = size.with_fits(scores, sizes)
    assert list(data.n) == [2, 2]
    ax = dice_by_size.draw(data, {"a": BLACK}, ax=Figure().subplots())
    np.testing.assert_allclose(points(ax)[0], [[1, 50], [2, 60]])
    ends = ax.lines[0].get_xydata()[[0, -1]]
    np.testing.assert_allclose(ends, [[1, 50], [2, 60]])
    assert ax.get_xscale() == "log"


def test_dice_by_size_states_slopes_and_n(sources):
    (drawing,) = dice_by_size.make(sources)
    words = texts(drawing.figure)
    row = drawing.data.set_index(["experiment", "label"]).loc[(STN, "kidney")].iloc[0]
    interval = f"[{row.slope_low:+.1f}, {row.slope_high:+.1f}]"
    assert f"kidney {row.slope_per_doubling:+.1f} {interval} (4)" in words
    assert "Apparent size" in words
    assert "n = 4 patients, 4 cases" in words


def test_old_diagnostics_are_refused(sources, tmp_path):
    # Each reads the file once.
    anew = partial(replace, sources)
    path = sources.layout.summary_diagnostics
    content = path.read_text()
    table = pd.read_csv(path)
    try:
        table[table.experiment != STN].to_csv(path, index=False)
        with pytest.raises(MetricsError, match=r"lacks experiments.*coarse_stn\."):
            anew().diagnostics()
        path.unlink()
        with pytest.raises(
            MetricsError, match="Run `deeprac summarise --what diagnostics`"
        ):
            anew().diagnostics()
    finally:
        path.write_text(content)


def test_slices_beside_volumes_have_no_level(sources, monkeypatch):
    found = sources.diagnostics

    def with_levels(styles):
        table = found(styles)
        of_volumes = table.experiment.str.startswith("coarse")
        return table.assign(reference_z=np.where(of_volumes, 0.1, np.nan), shift_z=0.0)

    monkeypatch.setattr(
        type(sources), "diagnostics", lambda _, styles: with_levels(styles)
    )
    (drawing,) = stn_recovery.make(sources)
    titles = [ax.get_title() for ax in drawing.figure.axes if ax.get_title()]
    panels = list(stn_recovery.PANELS.values())
    assert titles == panels + panels[:-1]
