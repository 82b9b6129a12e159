import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from deeprac import __version__, cli
from deeprac.commands import config as command
from deeprac.commands import fold, nnunet
from deeprac.errors import CohortError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("verb", cli.VERBS)
def test_each_verb_has_help_example_and_arguments(verb, capsys):
    words = verb.split()
    module = cli._load(verb)
    assert module.HELP.endswith(".")
    assert shlex.split(module.EXAMPLE)[: len(words) + 1] == ["deeprac", *words]
    with pytest.raises(SystemExit, match="0"):
        cli.main([*words, "--help"])
    shown = capsys.readouterr().out
    assert module.EXAMPLE in shown
    for option in shlex.split(module.EXAMPLE):
        if option.startswith("--"):
            assert option in shown


def test_help_lists_all_verbs_and_answers_at_once():
    start = time.monotonic()
    shown = subprocess.run(
        [sys.executable, "-m", "deeprac", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert time.monotonic() - start < 5
    for verb in cli.VERBS:
        assert verb in shown


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("old", cli.RENAMED)
def test_a_verb_that_was_renamed_names_the_new_one(old, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main([old, "--config", "x.json"])
    new = cli.RENAMED[old]
    assert f"{old} is called {new} now" in capsys.readouterr().err
    assert new.split()[0] in cli.VERBS


def test_the_verbs_of_one_fold_are_those_of_their_module():
    assert set(fold.VERBS) == cli.FOLD_VERBS


@pytest.mark.parametrize(
    ("verb", "arguments", "device", "seen"),
    [
        ("train", ["--workers", "2"], "cuda", ("0", 2)),
        ("train", ["--workers", "99"], "cuda", ("0", 12)),
        ("train", [], "cpu", (None, 12)),
        ("predict", [], "cuda", ("0", 0)),
        ("stress", [], "cuda", ("0", 0)),
        ("evaluate", [], "cuda", (None, 0)),
    ],
)
def test_verbs_on_a_gpu_take_one_and_no_more_loaders_than_cores(
    tmp_path, monkeypatch, verb, arguments, device, seen
):
    monkeypatch.setenv("DEEPRAC_PRETENDED_GPUS", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = {}
    monkeypatch.setattr(
        nnunet, "configure_nnunet", lambda *_, **kwargs: told.update(kwargs)
    )
    work = SimpleNamespace(
        work=lambda *_: told.update(gpu=os.environ.get("CUDA_VISIBLE_DEVICES"))
    )
    monkeypatch.setitem(sys.modules, "worker", work)
    monkeypatch.setitem(fold.VERBS, verb, replace(fold.VERBS[verb], does="worker:work"))
    config = tmp_path / "config.yaml"
    config.write_text(f"training: {{device: {device}}}\nresults: {tmp_path}\n")
    parser = argparse.ArgumentParser()
    fold.VERBS[verb].add_arguments(parser)
    run = ["--config", str(config), "--experiment", "coarse_stn", "--fold", "0"]
    fold.VERBS[verb].run(parser.parse_args([*run, *arguments]))
    assert (told["gpu"], told["data_workers"]) == seen


@pytest.mark.parametrize("argv", [[], ["trian"], ["config", "--no-such-option"]])
def test_wrong_usage_exits_with_two(argv):
    with pytest.raises(SystemExit, match="2"):
        cli.main(argv)


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (CohortError("case7 is gone. Find it."), 1, "error: case7 is gone. Find it."),
        (OSError(28, "No space left on device", "a.csv"), 1, "No space left.*a.csv"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("oops"), 3, "this is a bug in deeprac"),
    ],
)
def test_errors_become_exit_codes(monkeypatch, capsys, error, code, shown):
    def fail(args):
        raise error

    monkeypatch.setattr(command, "run", fail)
    assert cli.main(["config"]) == code
    message = capsys.readouterr().err
    assert re.search(shown, message)
    assert ("Traceback" in message) == (code == 3)


def test_config_prints_the_resolved_configuration(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    overlay = '{"training": {"epochs": 3}}'
    assert cli.main(["config", "--config", "config/demo.yaml", "--json", overlay]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["cohort"]["name"] == "demo"
    assert shown["training"]["epochs"] == 3
    assert shown["run"]["folds"] == [0]


def test_config_writes_a_file(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    target = tmp_path / "deep" / "config.json"
    assert cli.main(["config", "--output", str(target)]) == 0
    assert json.loads(target.read_text())["splits"]["folds"] == 5


def test_keys_that_contradict_each_other_are_not_printed(capsys):
    overlay = '{"figures": {"window_hu": [240, -160]}}'
    assert cli.main(["config", "--json", overlay]) == 1
    answer = capsys.readouterr()
    assert not answer.out
    assert "the lower limit comes first" in answer.err


def test_config_refuses_broken_json(capsys):
    assert cli.main(["config", "--json", "{epochs: 3}"]) == 1
    assert "--json is not valid JSON" in capsys.readouterr().err
