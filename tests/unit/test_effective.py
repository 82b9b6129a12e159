"""What a run depends on: a new key at its neutral value changes nothing."""

from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from deeprac import schema
from deeprac.config import load_config
from deeprac.settings import effective
from deeprac.settings.effective import differences, run_settings

CONFIG = Path(__file__).parents[2] / "config" / "demo.yaml"


@pytest.fixture(scope="module")
def config():
    return load_config([CONFIG])


def test_words_for_people_and_the_machine_are_no_settings_of_a_run(config):
    row = config.experiment("fine_stn")
    before = run_settings(config, row)
    method = replace(config.methods["stn"], label="another", citation="more")
    training = replace(config.training, checkpoint_minutes=1, device="cuda")
    other = replace(config, methods=config.methods | {"stn": method}, training=training)
    assert run_settings(other, row) == before
    longer = replace(config, training=replace(config.training, epochs=999))
    (found,) = differences(before, run_settings(longer, row))
    assert found == f"training.epochs: {config.training.epochs} -> 999"


def test_only_a_front_end_has_its_settings(config):
    plain, stn = (
        run_settings(config, config.experiment(name))
        for name in ("fine_nnunet", "fine_stn")
    )
    assert plain["front_end"] is None
    assert stn["front_end"]["input_size"] == config.localiser.input_size


def test_a_method_may_have_settings_of_its_own(config):
    row = config.experiment("fine_stn")
    method = replace(config.methods["stn"], localiser={"max_gradient": 10.0})
    own = replace(config, methods=config.methods | {"stn": method})
    (found,) = differences(run_settings(config, row), run_settings(own, row))
    assert found == "front_end.max_gradient: not there -> 10.0"


@pytest.mark.parametrize(("neutral", "counts"), [(0.0, False), (1.0, True)])
def test_a_key_at_its_neutral_value_is_not_there(config, monkeypatch, neutral, counts):
    """As when a version adds ``training.weight_decay``: here it is 0 or is not."""
    changed = deepcopy(schema.load_schema())
    changed["properties"]["training"]["properties"]["weight_decay"]["neutral"] = neutral
    monkeypatch.setattr(effective, "load_schema", lambda: changed)
    training = replace(config.training, weight_decay=0.0)
    found = run_settings(
        replace(config, training=training), config.experiment("fine_stn")
    )
    assert ("weight_decay" in found["training"]) is counts


def test_sections_in_a_section_lose_their_neutral_keys_too(config):
    plain = asdict(config.cohort)
    phantom = plain["phantom"]
    assert (phantom.pop("arms"), phantom.pop("cushion")) == ("up", False)
    assert (phantom.pop("stage"), phantom.pop("ages")) == ("mixed", None)
    assert (phantom.pop("test_cases"), phantom.pop("truncation")) == (0, 0.0)
    assert effective.effective("properties.cohort", asdict(config.cohort)) == plain
    down = replace(config.cohort.phantom, arms="down")
    there = effective.effective("properties.cohort.properties.phantom", asdict(down))
    assert there == phantom | {"arms": "down"}


def test_the_machines_keys_are_keys_of_the_schema():
    known = schema.load_schema()["properties"]["training"]["properties"]
    assert set(effective.MACHINE_KEYS) <= known.keys()


def test_differences_name_keys_and_both_values():
    old = {"a": {"b": [1, 2], "gone": True}, "same": 1}
    new = {"a": {"b": [1, 3]}, "same": 1, "come": "x" * 99}
    assert list(differences(old, new)) == [
        "a.b: [1, 2] -> [1, 3]",
        "a.gone: True -> not there",
        f"come: not there -> {'x' * 40}...",
    ]
