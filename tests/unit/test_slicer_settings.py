"""Settings: a round trip, and every problem with its remedy."""

from dataclasses import fields, replace

import pytest
from DeePRACLib.errors import ProblemError
from DeePRACLib.settings import Settings, parse_folds
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture
def good(tmp_path):
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(b"PK")
    return Settings(image="deeprac-segment:1", bundle=str(bundle))


def test_good_settings_have_no_problem(good):
    assert good.problems() == []
    assert replace(good, backend="local", image="").problems() == []
    digest = f"registry.example:5000/deeprac/segment@sha256:{'a' * 64}"
    assert replace(good, image=digest).problems() == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"backend": "lxc"}, "backend is one of"),
        ({"device": "tpu"}, "device is one of"),
        ({"timepoint": "later"}, "none, diagnosis, after_chemotherapy"),
        ({"image": ""}, "name:tag"),
        ({"image": "-v"}, "name:tag"),
        ({"image": "a b"}, "name:tag"),
        ({"gpu": '0" --privileged'}, "GPU is given"),
        ({"bundle": "/not/there.zip"}, "bundle is not there"),
        ({"bundle": ""}, "bundle is not chosen"),
        ({"bundle": "relative.zip"}, "must be whole"),
        ({"program": "/a\nb"}, "line break"),
        ({"temporary_folder": "/not/there"}, "temporary folder is not there"),
        ({"results_folder": "/not/there"}, "results folder is not there"),
        ({"folds": (0, 0)}, "each once"),
        ({"folds": (-1,)}, "from 0"),
        ({"batch": -1}, "slice batch"),
        ({"age_years": 200.0}, "age"),
        ({"margin_mm": -1.0}, "rim"),
        ({"memory_gib": 1}, "memory"),
    ],
)
def test_each_problem_is_named_with_a_remedy(good, changed, words):
    problems = replace(good, **changed).problems()
    assert any(words in problem.what for problem in problems)
    assert all(problem.remedy for problem in problems)


def test_the_local_backend_needs_no_image_and_no_gpu(good):
    assert replace(good, backend="local", image="-", gpu="?").problems() == []


@given(
    st.builds(
        Settings,
        folds=st.lists(st.integers(0, 9)).map(tuple),
        age_years=st.none() | st.floats(0, 120),
        bundle=st.text(),
        gpu=st.text(),
        margin_mm=st.floats(0, 50),
        postprocessing=st.booleans(),
    )
)
def test_json_round_trip(settings):
    assert Settings.from_json(settings.to_json()) == settings


def test_settings_of_another_version_are_read():
    assert Settings.from_json('{"device": "cpu", "colour": "red"}').device == "cpu"


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", '{"device": 3}', '{"folds": "0"}', '{"folds": [true]}'),
        *('{"age_years": "old"}', '{"margin_mm": null}', '{"batch": true}'),
    ],
)
def test_other_text_is_no_settings(text):
    with pytest.raises(ValueError):  # noqa: PT011 (JSON's own messages too)
        Settings.from_json(text)


def test_folds():
    assert parse_folds(" 0,1 , 4") == (0, 1, 4)
    with pytest.raises(ProblemError, match="got 'all'"):
        parse_folds("all")


def test_every_setting_has_a_default_and_is_described():
    for field in fields(Settings):
        assert f"        {field.name}: " in Settings.__doc__, field.name
    assert Settings().problems()
