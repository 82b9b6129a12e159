"""The table of front ends: every method has one, and what it names is there."""

from dataclasses import fields
from itertools import product
from pydoc import locate

import pytest
import yaml
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from deeprac.config import Config
from deeprac.errors import ConfigError
from deeprac.front_ends import (
    FRONT_ENDS,
    LABARBERA,
    NONE,
    front_end_of,
    has_oracle,
    planned_parts,
)
from deeprac.networks.crops import CROPS
from deeprac.networks.normalisers import NORMALISERS
from deeprac.schema import defaults, load_schema
from deeprac.settings.methods import Method
from support.toy_cohort import REPO


def method(normaliser, crop):
    parts = {"normaliser": normaliser, "crop": crop}
    texts = {"name": "m", "label": "m", "description": "m"}
    return Method(**defaults(load_schema()["$defs"]["method"]) | texts | parts)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_network_trainer_and_section_are_there(name):
    kind = FRONT_ENDS[name]
    assert issubclass(locate(kind.network), nn.Module)
    assert issubclass(locate(kind.trainer), nnUNetTrainer)
    assert kind.section in (None, *(field.name for field in fields(Config)))


def test_parts_are_those_that_the_networks_know():
    stn = FRONT_ENDS["stn"].parts
    assert stn == NORMALISERS.keys() | CROPS.keys()
    assert FRONT_ENDS["labarbera"].parts == {NONE, LABARBERA}


def test_every_combination_of_parts_is_a_front_end_or_refused():
    """Of the schema's; La Barbera's are kept apart."""
    schema = yaml.safe_load((REPO / "workflow/schemas/config.schema.yaml").read_text())
    described = schema["$defs"]["method"]["properties"]
    enums = [described[part]["enum"] for part in ("normaliser", "crop")]
    for normaliser, crop in product(*enums):
        both = {normaliser, crop}
        if LABARBERA in both and both - {LABARBERA, NONE}:
            with pytest.raises(ConfigError, match="mixes stn_labarbera with"):
                method(normaliser, crop)
            continue
        name = "stn" if both != {NONE} else "none"
        name = "labarbera" if LABARBERA in both else name
        assert method(normaliser, crop).front_end is FRONT_ENDS[name]
        assert front_end_of(normaliser, crop) is FRONT_ENDS[name]


@pytest.mark.parametrize(
    ("parts", "supervised", "oracle"),
    [
        ((NONE, NONE), False, False),
        (("moments", NONE), True, False),
        (("stn", "stn"), True, False),
        (("stn", "oracle"), True, True),
        (("oracle", NONE), True, True),
        (("case_pose", "stn"), True, True),
        ((LABARBERA, LABARBERA), False, False),
    ],
)
def test_who_reads_case_poses(parts, supervised, oracle):
    """In training whatever is supervised, at inference what is told alone."""
    assert front_end_of(*parts).is_supervised == supervised
    assert has_oracle(*parts) == oracle


def test_parts_of_a_run_are_read_from_its_plans():
    assert planned_parts({"front_end": None}) == (NONE, NONE)
    planned = {"normaliser": "stn", "crop": "oracle", "labarbera": False}
    assert planned_parts({"front_end": planned}) == ("stn", "oracle")
