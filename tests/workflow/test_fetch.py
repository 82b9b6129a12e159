"""No network unless it is asked for."""

import ast
import re

import pytest

from support.checkout import ROOT, planned_jobs, snakemake, working_folder

COHORTS = sorted(p.stem for p in (ROOT / "config" / "cohorts").glob("*.yaml"))


@pytest.fixture
def folder(tmp_path):
    return working_folder(tmp_path)


@pytest.mark.parametrize("name", COHORTS)
def test_each_cohort_can_be_planned_once_its_files_are_there(folder, name):
    """Placeholders stand for the files; a dry run reads none of them."""
    text = (ROOT / "config" / "cohorts" / f"{name}.yaml").read_text()
    for key in ("path", "patients"):
        if found := re.search(rf"^  {key}: (\S+)", text, re.MULTILINE):
            path = folder / found[1]
            if key == "path" and found[1] != "null":
                path.mkdir(parents=True)
                (path / "dataset.json").write_text("{}")
            elif found[1] != "null":
                path.write_text("case,patient\n")
    jobs = planned_jobs(folder, "--configfile", f"config/cohorts/{name}.yaml")
    assert jobs["cohort"] == 1
    assert "fetch" not in jobs


def test_fetch_is_a_target_of_its_own(folder):
    arguments = ("fetch", "--configfile", "config/cohorts/kits23.yaml")
    assert planned_jobs(folder, *arguments) == {"fetch": 1}


def test_fetch_without_its_licence_stops_with_the_licence(folder):
    arguments = ("--cores", "1", "--configfile", "config/cohorts/kits23.yaml")
    result = snakemake(folder, "fetch", *arguments)
    assert result.returncode != 0
    assert "set cohort.fetch.licence to CC-BY-NC-SA-4.0" in result.stdout
    assert not (folder / "data").exists()


def test_a_change_of_how_files_are_fetched_reruns_nothing():
    assert 'section("cohort", "fetch")' in (ROOT / "rules" / "cohort.smk").read_text()
    for path in (ROOT / "rules").glob("*.smk"):
        assert "rules.fetch" not in path.read_text()


def test_only_fetching_talks_to_hosts():
    clients = {"requests", "urllib3", "httpx", "http", "pooch"}
    for path in sorted((ROOT / "src" / "deeprac").rglob("*.py")):
        if path.parent.name == "fetch":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            imports = isinstance(node, ast.Import | ast.ImportFrom)
            names = [alias.name for alias in node.names] if imports else []
            module = getattr(node, "module", None) or ""
            used = {name.partition(".")[0] for name in [*names, module]}
            if isinstance(node, ast.Import):
                assert not used & clients, path
            elif isinstance(node, ast.ImportFrom):
                assert module.partition(".")[0] not in clients, path
