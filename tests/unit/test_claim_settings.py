"""Claims as data: the shipped file, and what is wrong with others."""

import pytest

from deeprac.config_files import read_claims
from deeprac.errors import ConfigError
from deeprac.reporting.claims.collect import MEASURES
from deeprac.schema import load_schema
from deeprac.settings.claims import QUANTITIES
from support.summary_builder import REPO, make_config

GAIN = {
    "claim": "It gains",
    "quantity": "dice_difference",
    "arms": ["stn"],
    "against": ["nnunet"],
    "labels": ["tumour"],
    "bound": {"above": 0, "unit": "points"},
}


def configured(*claims):
    return make_config({"learned": "stn"}, report={"claims": list(claims)})


def test_the_shipped_claims_are_the_default():
    shipped = make_config({"learned": "stn"}).report.claims
    assert len(shipped) == len(read_claims(str(REPO / "config/claims.yaml")))
    assert {claim.quantity for claim in shipped} <= {*QUANTITIES, None}


def test_what_varies_is_judged_by_its_interval():
    """A number near the bound shows nothing, however small a change is claimed."""
    points = {"coverage", "missed", "saved_bytes", "gpu_memory"}
    for claim in make_config({"learned": "stn"}).report.claims:
        if claim.quantity and not claim.quantity.startswith("protocol_"):
            assert (claim.rule == "point") == (claim.quantity in points)


def test_every_quantity_is_known_to_the_schema_and_measured():
    listed = load_schema()["$defs"]["claim"]["properties"]["quantity"]["anyOf"][0]
    assert listed["enum"] == list(QUANTITIES)
    assert set(MEASURES) == set(QUANTITIES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"quantity": "dice"},
            r"claims\.1\.quantity is 'dice'.*dice_difference, dice_",
        ),
        ({"arms": ["nnunt"]}, "unknown method 'nnunt'; known are nnunet, "),
        ({"against": ["nnunt"]}, "unknown method 'nnunt'; known are nnunet, "),
        ({"arms": []}, "needs quantity, arms and bound, or undecided"),
        ({"arms": [{"normalizer": "stn"}]}, "normalizer"),
        ({"against": []}, "dice_difference, which needs against: give it"),
        ({"labels": []}, "dice_difference, which needs labels: give it"),
        ({"labels": ["liver"]}, r"labels\.0 is 'liver'"),
        ({"conditions": {"scale": [1, 2]}}, "has no conditions: leave it out"),
        ({"against": [], "steps": [1, 2]}, "steps of two sides and no against"),
        ({"bound": {"above": 0, "unit": "%"}}, "bound in '%'.*is in 'points'"),
        ({"bound": {"above": 0}}, r"bound"),
        ({"bound": {"above": 0, "below": 1, "unit": "points"}}, r"bound"),
        ({"bound": {"over": 0, "unit": "points"}}, r"bound"),
        ({"rule": "both"}, "rule is 'both': it must be one of point, interval"),
        ({"undecided": "not run"}, "is undecided and has a quantity all the same"),
        ({"experiment": "stn"}, r"claims\.1\.experiment is an unknown key"),
    ],
)
def test_wrong_claims_are_named(change, message):
    with pytest.raises(ConfigError, match=message):
        configured(GAIN | change)


def test_all_wrong_keys_of_a_file_are_listed(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text("- {claim: a, quantity: b}\n- {claim: c, rule: d}\n")
    with pytest.raises(ConfigError) as caught:
        read_claims(str(path))
    assert f"report.claims: {path}.1.quantity is 'b'" in str(caught.value)
    assert f"report.claims: {path}.2.rule is 'd'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: b", "must hold a list of claims, not dict"), ("- a", r"\.1 is 'a'")],
)
def test_what_is_no_list_of_claims(tmp_path, text, message):
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_claims(str(path))


def test_a_method_that_only_deeprac_has_may_be_named():
    """A configuration that leaves a shipped method out did not run it."""
    methods = {"stn": {"label": "S", "normaliser": "stn"}}
    claims = [GAIN]
    config = make_config({"learned": "stn"}, methods=methods, report={"claims": claims})
    assert config.report.claims[0].against == ("nnunet",)


def test_claims_change_no_training():
    one, other = make_config({"learned": "stn"}), configured(GAIN)
    row = one.experiments["learned"]
    from deeprac.settings.effective import run_settings  # noqa: PLC0415

    assert run_settings(one, row) == run_settings(other, row)
