import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deeprac.config import load_config
from deeprac.estimate.jobs import planned_jobs as estimated_jobs
from support.checkout import BIN, ROOT, planned_jobs, snakemake, working_folder


@pytest.fixture
def folder(tmp_path):
    return working_folder(tmp_path)


def test_the_protocol_as_shipped_is_eight_experiments_by_five_folds(folder):
    jobs = planned_jobs(folder)
    assert jobs["train_fold"] == jobs["predict"] == jobs["evaluate"] == 8 * 5
    assert jobs["diagnose"] == 8 * 5
    assert jobs["plan"] == 8
    assert jobs["preprocess"] == 2
    assert jobs["all"] == 1


def test_an_own_cohort_needs_only_its_path(folder):
    (folder / "ct").mkdir()
    (folder / "ct" / "dataset.json").write_text("{}")
    (folder / "own.yaml").write_text(
        "cohort: {name: own, format: nnunet_raw, path: ct}\n"
    )
    jobs = planned_jobs(folder, "--configfile", "own.yaml")
    assert jobs["train_fold"] == 8 * 5


def test_nnunet_as_it_comes_is_an_experiment_as_any_other(folder):
    (folder / "own.yaml").write_text(
        "matrices: {planned: {size: planned, batch_size: 8}}\n"
        "experiments:\n"
        "  - {experiment: planned, matrix: planned, method: nnunet}\n"
        "  - {experiment: planned_augment, matrix: planned, method: nnunet_augment}\n"
    )
    jobs = planned_jobs(folder, "--configfile", "own.yaml")
    assert (jobs["fingerprint"], jobs["preprocess"], jobs["plan"]) == (1, 1, 2)
    assert jobs["train_fold"] == jobs["predict"] == jobs["evaluate"] == 2 * 5


def test_a_missing_cohort_folder_is_named_before_any_job(folder):
    (folder / "own.yaml").write_text(
        "cohort: {name: own, format: nnunet_raw, path: no/such}\n"
    )
    result = snakemake(folder, "-n", "--configfile", "own.yaml")
    assert result.returncode != 0
    assert "cohort.path is no/such, which does not exist" in result.stdout


@pytest.mark.parametrize(
    "target", ["all", "tables", "figures", "report", "train", "cohort"]
)
def test_target_rules(folder, target):
    jobs = planned_jobs(folder, target)
    assert jobs[target] == 1
    assert ("train_fold" in jobs) == (target != "cohort")
    assert ("figures" in jobs) == (target in ("all", "figures", "report"))


PERSPECTIVES = ("3d", "3d_smoke", "transfer_adults", "diffeo", "diffeo_smoke")
"""Those that start from no other results; others are refused without them."""


@pytest.mark.parametrize("name", PERSPECTIVES)
def test_perspectives_can_be_planned(folder, name):
    configfile = f"config/perspectives/{name}.yaml"
    jobs = planned_jobs(folder, "--configfile", configfile)
    config = load_config([ROOT / "config/config.yaml", ROOT / configfile])
    runs = len(config.run.experiments) * len(config.run.seeds) * len(config.run.folds)
    assert jobs["train_fold"] == jobs["evaluate"] == runs


@pytest.mark.parametrize(
    "configfile", sorted(p.name for p in (ROOT / "config").glob("*.yaml"))
)
def test_shipped_configurations_can_be_planned(folder, configfile, monkeypatch):
    if configfile in ("claims.yaml", "methods.yaml"):
        return
    jobs = planned_jobs(folder, "--configfile", f"config/{configfile}")
    assert jobs["train_fold"] >= 8
    monkeypatch.chdir(folder)
    names = ("config/config.yaml", f"config/{configfile}")
    estimated = estimated_jobs(load_config([*map(Path, names)]), conversion_mb=0)
    del jobs["all"]
    assert {one.rule: one.jobs for one in estimated} == jobs


def test_a_disk_that_will_not_suffice_is_said_before_the_first_job(folder):
    """Networks of millions of features, which are counted and never made."""
    (folder / "ct").mkdir()
    (folder / "ct" / "dataset.json").write_text("{}")
    (folder / "own.yaml").write_text(
        "cohort: {name: own, format: nnunet_raw, path: ct}\n"
        "training: {device: cpu}\n"
        "network: {base_features: 1024, max_features: 16384}\n"
        "run: {experiments: [fine_nnunet], seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}\n"
    )
    said = snakemake(folder, "--cores", "1", "--configfile", "own.yaml").stdout
    warned, _, jobs = said.partition("rule cohort:")
    assert "The disk of results/own will not suffice: " in warned
    assert "GB are to come (final weights" in warned
    assert "Error in rule cohort" in jobs


def test_only_the_chosen_experiments_folds_and_seeds_are_planned(folder):
    jobs = planned_jobs(
        folder,
        "--config",
        "run={experiments: [coarse_nnunet, coarse_stn], folds: [1, 3], seeds: [0, 7]}",
    )
    assert jobs["train_fold"] == 2 * 2 * 2
    assert jobs["plan"] == 2 * 2
    assert jobs["preprocess"] == 1


RUN = "run={experiments: [coarse_nnunet, coarse_stn], folds: [0, 1], seeds: [0, 7]}"


def test_stress_is_planned_only_for_the_experiments_that_ask_for_it(folder):
    assert "stress_fold" not in planned_jobs(folder, "--config", RUN)
    jobs = planned_jobs(folder, "--config", RUN, "stress={experiments: [coarse_stn]}")
    assert jobs["stress_fold"] == 2 * 2
    assert jobs["summarise_stress"] == jobs["figures"] == 1
    only = planned_jobs(
        folder, "stress", "--config", RUN, "stress={experiments: [coarse_stn]}"
    )
    assert only["stress_fold"] == 2 * 2
    assert only["stress"] == 1
    assert "tables" not in only


def test_stress_without_experiments_is_refused(folder):
    result = snakemake(folder, "-n", "stress")
    assert result.returncode != 0
    assert "stress.experiments is empty: name the experiments" in result.stdout


def test_the_learning_curve_is_drawn_where_a_method_has_one(folder):
    rows = [
        f"{{experiment: few_{method}, matrix: coarse, method: {method}, "
        f"training_patients: {count}}}"
        for method, count in (("nnunet", 8), ("stn", "null"))
    ]
    (folder / "few.yaml").write_text(
        "run: {folds: [0]}\n"
        f"experiments: [{', '.join(rows)}, "
        "{experiment: all, matrix: coarse, method: nnunet}]\n"
    )

    def planned(*overrides):
        arguments = ("-n", "figures", "--configfile", "few.yaml", *overrides)
        shown = snakemake(folder, *arguments).stdout
        endings = ("png", "svg", "csv")
        found = {f"figures/learning_curve.{ending}" in shown for ending in endings}
        assert len(found) == 1
        return found.pop()

    assert planned()
    assert not planned("--config", "run={experiments: [few_nnunet, few_stn]}")


def test_an_unknown_key_stops_at_once_with_its_name(folder):
    result = snakemake(folder, "-n", "--config", "training={epoch: 3}")
    assert result.returncode != 0
    assert "training.epoch is an unknown key: did you mean training.epochs?" in (
        result.stdout
    )
    assert "Traceback" not in result.stdout
    assert "Building DAG" not in result.stdout


def test_a_key_twice_stops_at_once_with_both_lines(folder):
    (folder / "twice.yaml").write_text(
        "training:\n  epochs: 3\nrun: {folds: [0]}\ntraining:\n  device: cpu\n"
    )
    result = snakemake(folder, "-n", "--configfile", "twice.yaml")
    assert result.returncode != 0
    assert "'training' is there twice, in lines 1 and 4" in result.stdout
    result = snakemake(folder, "-n", "--config", "run={folds: [0], folds: [1]}")
    assert result.returncode != 0
    assert "--config run: 'folds' is there twice" in result.stdout
    assert "Traceback" not in result.stdout


def test_an_importing_workflows_own_file_is_not_looked_at(folder):
    (folder / "own.yaml").write_text("deeprac: {}\nmine: 1\nmine: 2\n")
    snakefile = folder / "Snakefile"
    snakefile.write_text(
        "configfile: 'own.yaml'\n"
        "module deeprac:\n"
        f"    snakefile: '{ROOT}/workflow/Snakefile'\n"
        "    config: config['deeprac']\n"
        "use rule * from deeprac as deeprac_*\n"
    )
    jobs = planned_jobs(folder, "deeprac_cohort", snakefile=snakefile)
    assert jobs["deeprac_cohort"] == 1


def test_an_unknown_experiment_stops_at_once_and_lists_the_known(folder):
    result = snakemake(folder, "-n", "--config", "run={experiments: [coarse_stm]}")
    assert result.returncode != 0
    assert "'coarse_stm' is unknown; known are coarse_nnunet," in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--sdm", "apptainer"), "No rule has a container"),
        (("--shared-fs-usage", "sources"), "a file system that all machines share"),
    ],
)
def test_what_the_rules_cannot_do_is_refused_when_they_are_read(
    folder, arguments, words
):
    result = snakemake(folder, "-n", *arguments)
    assert result.returncode != 0
    assert words in result.stdout
    assert "Traceback" not in result.stdout


def test_results_that_cannot_be_written_stop_before_any_job(folder):
    (folder / "disk").symlink_to("not/mounted")
    smoke = ("--configfile", "config/smoke.yaml", "--config", "results=disk")
    assert snakemake(folder, "-n", *smoke).returncode == 0  # a plan can be looked at
    result = snakemake(folder, "--cores", "1", *smoke, "--", "splits")
    assert result.returncode != 0
    assert "The results cannot be written (" in result.stdout
    assert "free space there" in result.stdout
    assert "Traceback" not in result.stdout
    assert "rule cohort" not in result.stdout


def test_gpu_rules_ask_for_a_gpu_only_where_the_device_is_cuda(folder):
    def gpus(device):
        arguments = ("-n", "train", "--config", f"training={{device: {device}}}")
        return snakemake(folder, *arguments, "--resources", "gpu=1").stdout

    assert re.search(r"resources: .*gpu=1", gpus("cuda"))
    assert not re.search(r"resources: .*gpu=1", gpus("cpu"))


def test_module_import_plans_the_same_jobs(folder):
    snakefile = folder / "Snakefile"
    snakefile.write_text(
        "configfile: 'config/config.yaml'\n"
        "module deeprac:\n"
        f"    snakefile: '{ROOT}/workflow/Snakefile'\n"
        "    config: config\n"
        "use rule * from deeprac as deeprac_*\n"
        "rule everything:\n"
        "    input: rules.deeprac_all.input\n"
        "    default_target: True\n"
    )
    jobs = planned_jobs(folder, snakefile=snakefile)
    assert jobs["deeprac_train_fold"] == 8 * 5


def test_a_module_from_a_git_repository_plans_the_same_jobs(tmp_path):
    """As it is deployed: an empty folder, and the repository at a tag."""
    folder, repository = tmp_path / "empty", tmp_path / "repository"
    folder.mkdir()
    parts = ("workflow", "rules", "envs", "config", "resources")
    for part in parts:
        shutil.copytree(ROOT / part, repository / part)
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@y"]
    for command in ("init -q", "add .", "commit -qm x", "tag v1"):
        subprocess.run([*git, *command.split()], check=True)
    shutil.copytree(ROOT / "config", folder / "config")
    snakefile = folder / "Snakefile"
    snakefile.write_text(
        "configfile: 'config/smoke.yaml'\n"
        "module deeprac:\n"
        f"    snakefile: gitfile('{repository}', 'workflow/Snakefile', tag='v1')\n"
        "    config: config\n"
        "use rule * from deeprac as deeprac_*\n"
        "rule everything:\n"
        "    input: rules.deeprac_all.input\n"
        "    default_target: True\n"
    )
    jobs = planned_jobs(folder, snakefile=snakefile)
    assert jobs["deeprac_train_fold"] > 0


def test_snakemake_lint_is_clean():
    result = snakemake(ROOT, "--lint")
    assert result.returncode == 0, result.stdout


def test_snakefmt_is_clean():
    result = subprocess.run(
        [BIN / "snakefmt", "--check", "Snakefile", "workflow", "rules"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
