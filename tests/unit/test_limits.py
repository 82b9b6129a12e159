import ast
from pathlib import Path

import pytest

import deeprac
from deeprac.surgery import limits
from deeprac.surgery.flags import Verdict, overall
from deeprac.surgery.limits import LIMITS


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.9, None), (0.85, None), (0.84, "look"), (0.4, "look"), (0.39, "do not use")],
)
def test_below(value, verdict):
    flags = LIMITS["fold_dice"].flags(value, "text", "tumour_1")
    assert [flag.verdict.value for flag in flags] == ([verdict] if verdict else [])


def test_a_flag_has_number_limit_and_remedy():
    (flag,) = LIMITS["outside_window"].flags(12.0, "12 % lie outside")
    assert (flag.value, flag.limit, flag.message) == (12.0, 10, "12 % lie outside")
    assert flag.verdict is Verdict.DO_NOT_USE
    assert flag.remedy


def test_not_a_number_is_no_flag():
    for limit in LIMITS.values():
        assert limit.flags(float("nan"), "text") == ()


def test_every_limit_can_be_passed():
    for limit in LIMITS.values():
        bad = 1e9 if limit.worse == "above" else -1e9
        if limit.code != "outside_training":  # from the bundle
            assert len(limit.flags(bad, "text")) == 1, limit.code


def test_do_not_use_lies_beyond_look():
    for limit in LIMITS.values():
        if None not in (limit.look, limit.do_not_use):
            sign = 1 if limit.worse == "above" else -1
            assert sign * limit.do_not_use >= sign * limit.look, limit.code


def test_the_worst_flag_is_the_verdict():
    look = LIMITS["no_tumour"].flags(0, "")
    bad = LIMITS["not_hu"].flags(1, "")
    assert overall(()) is Verdict.OK
    assert overall(look) is Verdict.LOOK
    assert overall(look + bad) is Verdict.DO_NOT_USE


def sources():
    """The package's modules but for the table of limits itself."""
    root = Path(deeprac.__file__).parent
    paths = set(root.rglob("*.py")) - {Path(limits.__file__)}
    return [ast.parse(path.read_text(encoding="utf-8")) for path in paths]


def test_every_flag_comes_from_the_table_and_the_table_has_no_other():
    """``docs/measures.md`` lists the table: what can occur, and nothing else."""
    nodes = [node for tree in sources() for node in ast.walk(tree)]
    words = {node.value for node in nodes if isinstance(node, ast.Constant)}
    assert set(LIMITS) <= words
    looked_up = {
        node.slice.value
        for node in nodes
        if isinstance(node, ast.Subscript)
        and getattr(node.value, "id", "") == "LIMITS"
        and isinstance(node.slice, ast.Constant)
    }
    assert looked_up <= set(LIMITS)
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    assert "Flag" not in {getattr(called, "id", "") for called in calls}
