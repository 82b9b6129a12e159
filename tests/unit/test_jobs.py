"""Jobs by rule, and their memory; against Snakemake's own plan: test_dry_run.py."""

import re
from pathlib import Path

import pytest

from deeprac.config import load_config
from deeprac.estimate.jobs import MEMORY_MB, planned_jobs, preprocess_mb
from support.toy_cohort import write_config

REPO = Path(__file__).parents[2]


def counted(folder, sections=None):
    config = load_config([write_config(folder, sections)])
    return {one.rule: one for one in planned_jobs(config, conversion_mb=1234)}


def test_a_job_for_each_run_and_one_plan_for_each_model(tmp_path):
    run = {
        "experiments": ["coarse_nnunet", "fine_stn"],
        "folds": [0, 1],
        "seeds": [0, 1, 2],
    }
    found = counted(tmp_path, {"run": run, "stress": {"experiments": ["fine_stn"]}})
    for rule in ("train_fold", "predict", "evaluate", "diagnose"):
        assert found[rule].jobs == 2 * 2 * 3
    assert found["plan"].jobs == 2 * 3
    assert found["preprocess"].jobs == 2
    assert found["stress_fold"].jobs == 2 * 3
    assert found["summarise_stress"].jobs == found["case_poses"].jobs == 1


def test_without_stress_there_is_none(tmp_path):
    found = counted(tmp_path)
    assert not {"stress_fold", "summarise_stress"} & set(found)


def test_memory_is_the_rules(tmp_path):
    found = counted(tmp_path)
    assert found["cohort"].mem_mb == 1234
    assert found["preprocess"].mem_mb == preprocess_mb(4) == 15000
    assert found["train_fold"].mem_mb == MEMORY_MB["train_fold"][0]
    assert all(one.why for one in found.values())


@pytest.mark.parametrize("name", MEMORY_MB)
def test_each_rule_takes_its_memory_from_here(name):
    text = "".join(path.read_text() for path in (REPO / "rules").glob("*.smk"))
    (body,) = re.findall(rf"(?:rule|checkpoint) {name}:\n((?:    .*\n|\n)+)", text)
    assert f'memory_mb("{name}")' in body


def test_no_rule_has_a_number_of_its_own():
    for path in (REPO / "rules").glob("*.smk"):
        assert not re.search(r"mem_mb=\d|timed\(\d", path.read_text()), path
