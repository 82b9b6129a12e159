import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deeprac.strict import TwiceError, parse_json, parse_yaml

SCALARS = st.none() | st.booleans() | st.integers() | st.text()
CONTENT = st.recursive(
    SCALARS,
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    max_leaves=12,
)


@given(CONTENT, st.sampled_from([None, 0, 2]))
def test_json_without_repeats_is_read_as_ever(content, indent):
    assert parse_json(json.dumps(content, indent=indent)) == content
    assert parse_json(json.dumps(content, ensure_ascii=False)) == content


@given(CONTENT)
def test_yaml_without_repeats_is_read_as_ever(content):
    text = yaml.safe_dump(content)
    assert parse_yaml(text) == yaml.safe_load(text)


@given(CONTENT, st.text(), SCALARS, SCALARS)
def test_a_key_twice_is_found_wherever_it_is(content, key, first, second):
    name, *values = map(json.dumps, (key, first, second))
    twice = f"{{{name}:{values[0]},\n{name} : {values[1]}}}"
    for text in (twice, f"[{json.dumps(content)}, {twice}]", f'{{"around": {twice}}}'):
        with pytest.raises(TwiceError) as caught:
            parse_json(text)
        assert (caught.value.key, caught.value.lines) == (key, (1, 2))


def test_json_tells_both_lines_and_what_is_around():
    text = '{\n "a": {"b": "c"},\n "d": [1, {"e": 1,\n  "f": ["e", ":"],\n "e": 2}]}'
    with pytest.raises(TwiceError, match="'e' is there twice, in lines 3 and 5") as it:
        parse_json(text)
    assert it.value.within == ("d",)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "\\"b\\": 1", "b": "{[:"}',
        '{"a": {"b": 1}, "c": {"b": 1}, "b": [{"b": 1}, {"b": 2}]}',
        '\ufeff{"a": 1}',
    ],
)
def test_what_only_looks_like_a_key_twice_in_json(text):
    assert parse_json(text) == json.loads(text.removeprefix("\ufeff"))


def test_a_key_spelled_with_an_escape_is_the_same_key():
    with pytest.raises(TwiceError, match="'A' is there twice, in line 1"):
        parse_json('{"A": 1, "\\u0041": 2}')


def test_yaml_tells_both_lines():
    text = "training:\n  epochs: 3\nrun: {seeds: [0]}\ntraining:\n  epochs: 1000\n"
    with pytest.raises(TwiceError, match="'training' is there twice, in lines 1 and 4"):
        parse_yaml(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: {b: 1, 'b': 2}",
        "a: [{b: 1, b: 2}]",
        "1: a\n0x1: b",
        "yes: a\nno: b\ntrue: c",
        "a: &x {b: 1}\nc:\n  <<: *x\n  <<: *x",
    ],
)
def test_a_key_twice_in_yaml(text):
    with pytest.raises(TwiceError, match="twice"):
        parse_yaml(text)


def test_what_a_merge_brings_gives_way_as_ever():
    # The merge into "early" is made before "deep", which it brings, is.
    text = (
        "base: &base {x: 1, y: 1}\n"
        "deep:\n  one: {two: &deep {<<: *base, x: 2}}\n"
        "early: {<<: *deep, y: 3}\n"
    )
    read = parse_yaml(text)
    assert read == yaml.safe_load(text)
    assert read["early"] == {"x": 2, "y": 3}


@pytest.mark.parametrize(
    "text", ["{a: 1", "a: !!python/name:os.system x", "? [a]\n: b"]
)
def test_what_is_no_plain_yaml(text):
    with pytest.raises(ValueError, match=r"."):
        parse_yaml(text)


def test_what_is_no_json():
    with pytest.raises(ValueError, match="Expecting"):
        parse_json("{")
