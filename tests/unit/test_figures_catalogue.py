import subprocess
import sys
from pathlib import Path

import pytest

from deeprac.config import Config
from deeprac.config_files import resolve
from deeprac.reporting.figures.catalogue import CATALOGUE, NEEDS, selected
from deeprac.reporting.figures.draw import FIGURES

ROOT = Path(__file__).parents[2]


def _config(*methods, training_patients=None, stressed=()):
    """A configuration with one experiment per method, each at a matrix of its own."""
    rows = [
        {"experiment": name, "matrix": matrix, "method": name}
        | {"training_patients": training_patients}
        for name, matrix in zip(methods, ("coarse", "fine"), strict=False)
    ]
    raw = {
        "methods": str(ROOT / "config/methods.yaml"),
        "experiments": rows,
        "stress": {"experiments": list(stressed)},
    }
    return Config.from_resolved(resolve(raw))


def test_every_figure_has_an_entry_a_function_and_a_caption():
    assert list(CATALOGUE) == list(FIGURES)
    captions = {path.stem for path in (ROOT / "workflow/report").glob("*.rst")}
    assert set(CATALOGUE) <= captions
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert entry.needs
        assert entry.needs <= NEEDS


def test_overlays_are_one_per_used_matrix():
    figures = selected(_config("nnunet", "moments"))
    names = [name for name, entry in figures.items() if entry.name == "overlays"]
    assert names == ["overlays_coarse", "overlays_fine"]
    assert figures["overlays_fine"].title == "Best, median and worst case, fine"
    assert "overlays_fine" not in selected(_config("nnunet"))


@pytest.mark.parametrize(
    ("config", "shown", "not_shown"),
    [
        (_config("nnunet"), "dice_by_size memory", "stn_slices stn_bounds stn_spread"),
        (_config("moments"), "stn_slices stn_bounds stn_spread", "crop_coverage"),
        (_config("oracle"), "stn_recovery", "stn_spread"),
        (_config("stn_crop"), "crop_coverage", "stress_curves learning_curve"),
        (_config("stn", stressed=["stn"]), "stress_curves", "learning_curve"),
    ],
)
def test_a_figure_is_drawn_where_a_selected_method_has_what_it_shows(
    config, shown, not_shown
):
    assert set(shown.split()) <= set(selected(config))
    assert not set(not_shown.split()) & set(selected(config))


def test_the_rules_can_ask_without_drawing():
    script = (
        "import sys, deeprac.reporting.figures.catalogue\n"
        "heavy = {'pandas', 'numpy', 'matplotlib', 'seaborn', 'scipy'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
