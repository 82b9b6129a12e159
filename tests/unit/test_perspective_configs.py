"""The perspectives' configurations, laid over by what a site with a GPU runs."""

from pathlib import Path

import pytest

from deeprac.config import load_config
from deeprac.config_files import read_raw, resolve

FOLDER = Path(__file__).parents[2] / "config" / "perspectives"
PROTOCOL = resolve({})
SLICES = ("transfer_adults", "transfer", "transfer_rest", "diffeo", "diffeo_fitted")
PARTS = ("network", "localiser", "training")


def full_size(name, overlay):
    return load_config([FOLDER / f"{name}.yaml", FOLDER / f"{overlay}.yaml"])


@pytest.mark.parametrize("name", SLICES)
def test_slices_at_full_size_follow_the_protocol(name):
    config = full_size(name, "full_size")
    resolved = resolve(read_raw([FOLDER / f"{name}.yaml", FOLDER / "full_size.yaml"]))
    assert {part: resolved[part] for part in PARTS} == {
        part: PROTOCOL[part] for part in PARTS
    }
    assert resolved["matrices"]["main"] == PROTOCOL["matrices"]["fine"]
    assert list(config.run.folds) == list(range(config.splits.folds))
    assert set(config.run.experiments) == set(config.experiments)


def test_volumes_at_full_size_cost_what_is_counted_of_them():
    """Size and networks of 3d_costs.yaml, the schedule of the protocol."""
    paths = [FOLDER / "3d.yaml", FOLDER / "full_size_3d.yaml"]
    resolved = resolve(read_raw(paths))
    counted = resolve(read_raw([FOLDER / "3d_costs.yaml"]))
    for part in ("network", "localiser"):
        assert resolved[part] == counted[part]
    assert resolved["matrices"]["main"] == counted["matrices"]["main"]
    own = resolved["training"].pop("truncation_share")
    assert own > 0
    assert resolved["training"].items() < PROTOCOL["training"].items()
    config = load_config(paths)
    assert not any(
        config.experiments[n].method == "oracle" for n in config.run.experiments
    )
    assert set(config.stress.experiments) < set(config.run.experiments)
