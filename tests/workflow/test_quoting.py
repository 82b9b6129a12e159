"""Folders and names are no commands, whatever they hold."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from support.checkout import ROOT, snakemake, working_folder

RULES = sorted((ROOT / "rules").glob("*.smk"))
ODD = "my results ü 'x' \"y\" $(touch PWNED) `touch PWNED` $HOME; touch PWNED #"
SMALL = {
    "cohort": {
        "name": "demo",
        "phantom": {"cases": 2, "matrix": 64, "slice_spacing_mm": [14, 16]},
    },
    "splits": {"folds": 2},
    "training": {"device": "cpu"},
}


def shell_commands(text: str) -> list[str]:
    """The shell directives and calls of rules, each to where its indentation ends."""
    return re.findall(
        r"^    shell[:(]\n((?:^        .*\n?)+)", text, flags=re.MULTILINE
    )


def test_the_test_sees_every_command():
    text = "\n".join(path.read_text() for path in RULES)
    assert len(shell_commands(text)) == len(re.findall(r"\bshell\b *[:(]", text)) >= 20
    assert not re.search(r"^ +(run|script|notebook|wrapper|cwl):", text, re.MULTILINE)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_value_in_a_command_is_quoted(path):
    for command in shell_commands(path.read_text()):
        for value in re.findall(r"\{.*?\}", command):
            assert value.endswith(":q}"), f"{value} in {command}"


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_a_rule_has_at_most_25_lines(path):
    rules = re.findall(
        r"^(?:rule|checkpoint) .*\n(?:^ .*\n|^\n(?= ))*", path.read_text(), re.MULTILINE
    )
    assert [rule.partition(":")[0] for rule in rules if rule.count("\n") > 25] == []


def write(folder: Path, results: str, **sections: object) -> None:
    text = yaml.safe_dump(SMALL | {"results": results} | sections)
    (folder / "odd.yaml").write_text(text)


def test_every_planned_command_has_the_folder_as_one_word(tmp_path):
    folder = working_folder(tmp_path)
    write(folder, ODD, stress={"experiments": ["coarse_stn"]})
    arguments = ("-n", "-p", "--configfile", "odd.yaml", "--", "all", "claims")
    result = snakemake(folder, *arguments)
    assert result.returncode == 0, result.stdout
    lines = re.findall(r"python -m deeprac .*", result.stdout, flags=re.MULTILINE)
    rules = set()
    for line in lines:
        words = shlex.split(line)
        rules.add(words[3])
        log = words[words.index("tee") + 1 if "tee" in words else words.index(">") + 1]
        assert Path(log).parts[:3] == (ODD, "demo", "logs"), line
        if words[3] != "cost":
            config = words[words.index("--config") + 1]
            assert config.startswith(f"{ODD}/demo/configs/")
    assert rules >= {
        *("cohort", "splits", "fingerprint", "case-poses", "preprocess", "plan"),
        *(
            "train",
            "predict",
            "evaluate",
            "diagnose",
            "stress",
            "summarise",
        ),
        *("tables", "figures", "claims", "report", "cost"),
    }


def test_a_run_in_folders_of_any_name(tmp_path):
    """Also the checkout's own, which goes into the environment of every job."""
    folder = working_folder(tmp_path / f"checkout {ODD}")
    for part in ("workflow", "rules", "envs", "profiles", "src"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    shutil.copy(ROOT / "Snakefile", folder)
    write(folder, ODD)
    arguments = ("--cores", "1", "--configfile", "odd.yaml", "--", "splits")
    result = snakemake(folder, *arguments, snakefile=folder / "Snakefile")
    assert result.returncode == 0, result.stdout
    assert (folder / ODD / "demo" / "splits_final.json").is_file()
    assert (folder / ODD / "demo" / "logs" / "splits.log").is_file()
    assert not list(tmp_path.rglob("PWNED"))


@pytest.mark.parametrize("results", ["a{b}", "<results>", "-a", "results\n"])
def test_a_folder_that_snakemake_cannot_take_is_refused(tmp_path, results):
    folder = working_folder(tmp_path)
    write(folder, results)
    result = snakemake(folder, "-n", "--configfile", "odd.yaml", "--", "splits")
    assert result.returncode != 0
    assert f"results is {results!r}: it must be a path without" in result.stdout
    assert "Traceback" not in result.stdout
