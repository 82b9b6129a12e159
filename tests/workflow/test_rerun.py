"""A changed key reruns what it concerns and nothing else.

Jobs are answered by a stand-in for the package's command line that writes empty
outputs, so that the rules, their inputs and their params are the real ones.
"""

import json
import os
import re
import shutil

import pytest

from deeprac.config import load_config
from deeprac.estimate.jobs import planned_jobs as estimated_jobs
from support.checkout import ROOT, planned_jobs, snakemake, working_folder
from support.finished_runs import finish

STAND_IN = """
import argparse
import json
import os
import time
from pathlib import Path
from deeprac.config import load_config
from deeprac.gpus import VISIBLE, one_gpu
from deeprac.layout import Layout
from deeprac.reporting.figures.catalogue import selected
from deeprac.reporting.table_titles import TABLE_TITLES
from deeprac.settings.effective import run_settings

parser = argparse.ArgumentParser()
parser.add_argument("verb")
for name in ("config", "workers", "matrix", "experiment", "seed", "fold"):
    parser.add_argument(f"--{name}")
parser.add_argument("--what", default="metrics")
args = parser.parse_args()
config = load_config([Path(args.config)])
layout = Layout.of(config)
model = layout.model(str(args.experiment), args.seed)
run = layout.run(str(args.experiment), args.seed, args.fold)
checkpoint = layout.checkpoints(str(args.experiment), args.seed, args.fold) / "latest"
tables, figures = layout.tables, layout.figures
outputs = {
    "cohort": [layout.cases_csv],
    "splits": [layout.splits],
    "case-poses": [layout.case_poses],
    "fingerprint": [layout.fingerprint],
    "preprocess": [layout.matrix(str(args.matrix)) / "cases.json"],
    "plan": [model / "plans.json", model / "dataset.json"],
    "train": [run / n for n in ("checkpoint_final.pth", "run.json", "training.csv")],
    "predict": [run / "predictions" / "case.nii.gz", run / "transforms.csv",
                run / "inference.csv"],
    "evaluate": [run / "metrics.csv"],
    "stress": [run / "stress.csv"],
    "summarise": {
        "metrics": [layout.summary_cases, layout.summary_runs, layout.summary_cohort],
        "diagnostics": [layout.summary_diagnostics],
        "stress": [layout.summary_stress],
    }[args.what],
    "diagnose": [run / "diagnostics.csv"],
    "tables": [tables / f"{t}.{e}" for t in TABLE_TITLES
               for e in ("csv", "md", "tex")],
    "figures": [figures / f"{f}.{e}" for f in selected(config)
                for e in ("png", "svg", "csv")],
    "report": [layout.report],
}
content = "{}"
if args.verb == "cohort" and config.cohort.path:
    labels = sorted((config.cohort.path / "labelsTr").iterdir())
    content = "".join(label.read_text() for label in labels)
    if "broken" in content:
        raise SystemExit(1)
for path in outputs[args.verb]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
if args.verb == "train":
    settings = run_settings(config, config.experiment(args.experiment))
    (run / "run.json").write_text(json.dumps({"run_settings": settings}))
if args.verb == "train" and Path("together").exists():
    with one_gpu():
        Path("together", os.environ[VISIBLE]).write_text(str(args.workers))
        while len(list(Path("together").iterdir())) < 4:  # or Snakemake is killed
            time.sleep(0.05)
if args.verb == "train" and Path("fail").exists():
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write_text("")
    raise SystemExit(1)
"""
EXPERIMENTS = ("coarse_nnunet", "coarse_stn", "fine_nnunet")
STRESS = {"stress_fold", "summarise_stress"}
DOWNSTREAM = {
    *("predict", "evaluate", "diagnose", "summarise", "diagnostics"),
    *("tables", "figures", "report_page", "all", *STRESS),
}


ONE = "run: {experiments: [coarse_stn], folds: [0]}\nsplits: {folds: 2}\n"
THREE = (
    f"run: {{experiments: [{', '.join(EXPERIMENTS)}], folds: [0]}}\n"
    "splits: {folds: 2}\n"
    "stress: {experiments: [coarse_stn]}\n"
)


def checkout_with_stand_in(folder, configuration):
    """A checkout whose jobs are answered by the stand-in."""
    working_folder(folder)
    for part in ("workflow", "rules", "envs", "profiles", "src"):
        shutil.copytree(
            ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "Snakefile", folder)
    (folder / "src/deeprac/__main__.py").write_text(STAND_IN)
    (folder / "three.yaml").write_text(configuration)
    return folder


def finished(folder, configuration):
    """The same with finished results of three experiments."""
    checkout_with_stand_in(folder, configuration)
    result = run_again(folder)
    assert result.returncode == 0, result.stdout
    return folder


def run_again(checkout, *overrides):
    arguments = ["--cores", "2", "--configfile", "three.yaml"]
    arguments += ["--config", *overrides] if overrides else []
    return snakemake(checkout, *arguments, snakefile=checkout / "Snakefile")


@pytest.fixture(scope="module")
def three_finished(tmp_path_factory):
    """Not to be changed."""
    return finished(tmp_path_factory.mktemp("finished"), THREE)


@pytest.fixture(scope="module")
def checkout(three_finished, tmp_path_factory):
    return shutil.copytree(three_finished, tmp_path_factory.mktemp("rerun") / "copy")


def replanned(checkout, *overrides):
    return planned_jobs(
        checkout,
        *("--configfile", "three.yaml"),
        *(["--config", *overrides] if overrides else []),
        snakefile=checkout / "Snakefile",
    )


def test_jobs_read_the_configuration_that_they_were_planned_with(checkout):
    """Whatever a second workflow in the same folder does meanwhile."""
    read = {}
    for mirroring in (False, True):
        planned = snakemake(
            checkout,
            *("--dry-run", "--printshellcmds", "--forceall"),
            *("--configfile", "three.yaml"),
            *("--config", f"inference={{mirroring: {mirroring}}}"),
            snakefile=checkout / "Snakefile",
        )
        assert planned.returncode == 0, planned.stdout
        paths = re.findall(r"--config (\S+)", planned.stdout)
        (read[mirroring],) = {path for path in paths if path.startswith("results/")}
    for mirroring, path in read.items():
        content = json.loads((checkout / path).read_text())
        assert content["inference"]["mirroring"] == mirroring
    assert len(set(read.values())) == 2
    copy = json.loads(next((checkout / "results").glob("*/config.json")).read_text())
    assert copy["inference"]["mirroring"] is False


def test_what_starts_from_another_cohort_follows_it(tmp_path, monkeypatch):
    """It waits for it, is planned as it is estimated, and goes stale with it."""
    checkout = checkout_with_stand_in(tmp_path, "")
    config = checkout / "config"
    smoke = config / "perspectives/transfer_smoke.yaml"
    own = {"snakefile": checkout / "Snakefile"}
    result = snakemake(checkout, "-n", "--configfile", str(smoke), **own)
    assert result.returncode == 1
    assert "transfer_adults_smoke, but" in result.stdout
    assert "Run the workflow of that cohort" in result.stdout

    monkeypatch.chdir(checkout)
    adults = config / "perspectives/transfer_adults_smoke.yaml"
    source = finish(load_config([config / "config.yaml", adults]))
    jobs = planned_jobs(checkout, "--configfile", str(smoke), **own)
    assert jobs.pop("all") == 1
    assert jobs["train_fold"] == 12
    planned = estimated_jobs(
        load_config([config / "config.yaml", smoke]), conversion_mb=0
    )
    assert {one.rule: one.jobs for one in planned} == jobs

    chosen = "run={experiments: [stn, stn_fine_tune, stn_pooled]}"
    train = ("train", "--configfile", str(smoke), "--config", chosen)
    result = snakemake(checkout, "--cores", "2", *train, **own)
    assert result.returncode == 0, result.stdout
    weights = source.run("stn", 0, 0) / "checkpoint_final.pth"
    weights.write_text("of another training")
    assert planned_jobs(checkout, *train, **own) == {"train_fold": 1, "train": 1}
    made = source.matrix("main") / "cases.json"
    made.write_text(made.read_text().replace("adults_smoke a", "adults_smoke other"))
    assert planned_jobs(checkout, *train, **own) == {"train_fold": 2, "train": 1}
    made.unlink()
    result = snakemake(checkout, "-n", *train, **own)
    assert "cases.json is missing. Run the workflow of that cohort" in result.stdout


def test_without_a_change_nothing_runs(checkout):
    assert replanned(checkout) == {}


@pytest.mark.parametrize(
    ("override", "rules"),
    [
        ("figures={cases: 3}", {"figures", "report_page", "all"}),
        ("training={device: cpu}", set()),
        ("training={checkpoint_every: 3, checkpoint_minutes: 2}", set()),
        ("results=results", set()),
    ],
)
def test_keys_that_change_no_number_train_nothing(checkout, override, rules):
    assert set(replanned(checkout, override)) == rules


def test_a_wrong_key_over_finished_runs_deletes_nothing(checkout):
    finished_runs = sorted((checkout / "results").rglob("run.json"))
    weights = sorted((checkout / "results").rglob("checkpoint_final.pth"))
    result = run_again(checkout, "training={epochs: 3}")
    assert result.returncode == 1
    assert "3 finished runs would be trained again" in result.stdout
    assert "training.epochs: 1000 -> 3" in result.stdout
    assert all(path.exists() for path in [*finished_runs, *weights])
    assert replanned(checkout) == {}


@pytest.mark.slow
def test_asked_for_finished_runs_are_trained_again_and_kept(three_finished, tmp_path):
    checkout = shutil.copytree(three_finished, tmp_path / "copy")
    result = run_again(checkout, "training={epochs: 3, retrain: true}")
    assert result.returncode == 0, result.stdout
    (results,) = (checkout / "results").iterdir()
    kept = {path.parent.name for path in results.glob(".replaced/*/seed0")}
    assert kept == set(EXPERIMENTS)
    for path in results.glob(".replaced/*/seed0/fold_0/*/run/run.json"):
        assert (
            json.loads(path.read_text())["run_settings"]["training"]["epochs"] == 1000
        )
    for path in results.glob("*/seed0/fold_0/run.json"):
        assert json.loads(path.read_text())["run_settings"]["training"]["epochs"] == 3


def test_a_new_key_at_its_neutral_value_plans_nothing(checkout):
    """As a later version would add it: in the schema and in its dataclass."""
    paths = [
        checkout / "workflow/schemas/config.schema.yaml",
        checkout / "src/deeprac/settings/training.py",
    ]
    before = [path.read_text() for path in paths]
    schema, settings = before
    key = "      smoothing: {type: number, default: 0, neutral: 0, description: new}"
    place = "      oversample_foreground:\n        description"
    assert schema.count(place) == 1
    field = "    weight_decay: float\n"
    try:
        paths[0].write_text(schema.replace(place, f"{key}\n{place}"))
        paths[1].write_text(settings.replace(field, f"{field}    smoothing: float\n"))
        assert replanned(checkout) == {}
        assert replanned(checkout, "training={smoothing: 0.1}")["train_fold"] == 3
    finally:
        for path, text in zip(paths, before, strict=True):
            path.write_text(text)


def test_the_budget_concerns_every_run(checkout):
    jobs = replanned(checkout, "training={epochs: 3}")
    assert set(jobs) == {"plan", "train_fold"} | DOWNSTREAM
    assert jobs["train_fold"] == jobs["plan"] == 3


def test_the_localiser_concerns_only_methods_with_one(checkout):
    jobs = replanned(checkout, "localiser={max_shift: 0.2}")
    assert jobs["train_fold"] == jobs["plan"] == 1


def test_a_matrix_concerns_only_its_experiments(checkout):
    jobs = replanned(checkout, "matrices={fine: {size: 256}}")
    assert jobs["preprocess"] == jobs["train_fold"] == 1
    assert "cohort" not in jobs


def test_a_batch_size_preprocesses_nothing(checkout):
    jobs = replanned(checkout, "matrices={coarse: {batch_size: 4}}")
    assert jobs["train_fold"] == 2
    assert "preprocess" not in jobs


def test_mirroring_predicts_again_without_training(checkout):
    jobs = replanned(checkout, "inference={mirroring: true}")
    assert jobs["predict"] == 3
    assert "train_fold" not in jobs


@pytest.mark.parametrize("change", ["angles_deg: [10]", "scenes: [cushion]"])
def test_stress_is_repeated_without_predictions_and_trainings(checkout, change):
    jobs = replanned(checkout, f"stress={{{change}}}")
    assert set(jobs) == STRESS | {"figures", "report_page", "all"}
    assert jobs["stress_fold"] == 1


def test_one_more_experiment_under_stress_leaves_the_finished_one(checkout):
    jobs = replanned(checkout, "stress={experiments: [coarse_stn, fine_nnunet]}")
    assert set(jobs) == STRESS | {"figures", "report_page", "all"}
    assert jobs["stress_fold"] == 1


def test_one_more_experiment_leaves_the_finished_ones(checkout):
    names = ", ".join([*EXPERIMENTS, "fine_stn"])
    jobs = replanned(checkout, f"run={{experiments: [{names}]}}")
    assert jobs["train_fold"] == jobs["predict"] == jobs["evaluate"] == 1
    assert "preprocess" not in jobs


def test_a_margin_rewrites_what_compares(checkout):
    jobs = replanned(checkout, "statistics={margin: 0.03}")
    assert "tables" in jobs
    assert set(jobs) <= {"tables", "figures", "report_page", "all"}


def test_a_label_rewrites_tables_and_figures_only(checkout):
    methods = (checkout / "config/methods.yaml").read_text()
    (checkout / "renamed.yaml").write_text(
        methods.replace("label: nnU-Net\n", "label: baseline\n")
    )
    jobs = replanned(checkout, "methods=renamed.yaml")
    assert set(jobs) == {"tables", "figures", "report_page", "all"}


def test_four_gpus_train_four_runs_at_once(tmp_path, monkeypatch):
    """None of them ends before all four have begun, each on a GPU of its own."""
    names = ", ".join([*EXPERIMENTS, "fine_stn"])
    overrides = f"run={{experiments: [{names}], folds: [0]}}"
    checkout = checkout_with_stand_in(tmp_path, THREE)
    together = checkout / "together"
    together.mkdir()
    monkeypatch.setenv("DEEPRAC_PRETENDED_GPUS", "4")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # of the locks
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    result = snakemake(
        checkout,
        *("--cores", "8", "--resources", "gpu=4", "--configfile", "three.yaml"),
        *("--config", overrides, "--", "train"),
        snakefile=checkout / "Snakefile",
    )
    assert result.returncode == 0, result.stdout
    workers = {path.name: path.read_text() for path in together.iterdir()}
    assert workers == dict.fromkeys("0123", "2")


def test_a_newer_environment_or_package_repeats_nothing(checkout):
    lock = checkout / "envs/deeprac.yaml"
    lock.write_text(lock.read_text().replace("pandas==", "pandas>="))
    (checkout / "src/deeprac/errors.py").touch()
    assert replanned(checkout) == {}


def test_how_a_command_is_written_repeats_nothing(checkout):
    """A newer version may quote a value, or name its log otherwise."""
    for path in (checkout / "rules").glob("*.smk"):
        path.write_text(
            path.read_text().replace("python -m deeprac", "python  -m deeprac")
        )
    assert replanned(checkout) == {}


def test_a_failed_training_keeps_checkpoint_and_finished_runs(checkout):
    names = ", ".join([*EXPERIMENTS, "fine_stn"])
    arguments = ("--configfile", "three.yaml", "--cores", "2", "--config")
    snakefile = checkout / "Snakefile"
    results = checkout / "results/phantom80"
    (checkout / "fail").touch()
    result = snakemake(
        checkout, *arguments, f"run={{experiments: [{names}]}}", snakefile=snakefile
    )
    (checkout / "fail").unlink()
    assert result.returncode == 1
    assert (results / ".checkpoints/fine_stn/seed0/fold_0/latest").is_file()
    assert not (results / "fine_stn/seed0/fold_0/run.json").exists()
    for name in EXPERIMENTS:
        assert (results / name / "seed0/fold_0/checkpoint_final.pth").is_file()


READ_AGAIN = {"cohort", "cohort_version"}


@pytest.fixture(scope="module")
def own_cohort(tmp_path_factory):
    """A checkout whose cohort has files, outside of it."""
    source = tmp_path_factory.mktemp("ct")
    (source / "dataset.json").write_text("{}")
    for name in ("imagesTr/a_0000", "imagesTr/b_0000", "labelsTr/a", "labelsTr/b"):
        path = source / f"{name}.nii.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    cohort = f"cohort: {{name: phantom80, format: nnunet_raw, path: {source}}}\n"
    return finished(tmp_path_factory.mktemp("own"), ONE + cohort), source


def later(path):
    """As a file that was written a second after it was read."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def trained(checkout):
    """When the one STN was trained."""
    run = checkout / "results/phantom80/coarse_stn/seed0/fold_0"
    return (run / "checkpoint_final.pth").stat().st_mtime_ns


def test_touched_files_are_read_again_and_nothing_is_planned_after_that(own_cohort):
    checkout, source = own_cohort
    assert replanned(checkout) == {}
    for path in source.rglob("*.*"):
        later(path)
    assert set(replanned(checkout)) == READ_AGAIN
    before = trained(checkout)
    assert run_again(checkout).returncode == 0
    assert trained(checkout) == before
    assert replanned(checkout) == {}


def test_a_broken_case_costs_no_result(own_cohort):
    checkout, source = own_cohort
    before = trained(checkout)
    broken = source / "labelsTr/c.nii.gz"
    broken.write_text("broken")
    for _ in range(2):
        assert run_again(checkout).returncode != 0
        assert set(replanned(checkout)) == READ_AGAIN
    later(source / "labelsTr/a.nii.gz")
    broken.unlink()
    assert run_again(checkout).returncode == 0
    assert trained(checkout) == before
    assert replanned(checkout) == {}


@pytest.mark.parametrize("name", ["a", "new"])
def test_a_corrected_label_and_an_added_case_are_trained_in_the_same_run(
    own_cohort, name
):
    checkout, source = own_cohort
    before = trained(checkout)
    (source / f"labelsTr/{name}.nii.gz").write_text("corrected")
    assert set(replanned(checkout)) == READ_AGAIN
    assert run_again(checkout).returncode == 0
    assert trained(checkout) > before
    assert replanned(checkout) == {}


def test_a_source_that_was_moved_is_named_before_any_job(own_cohort):
    checkout, source = own_cohort
    moved = source.rename(source.with_name("moved"))
    result = snakemake(
        checkout, "-n", "--configfile", "three.yaml", snakefile=checkout / "Snakefile"
    )
    moved.rename(source)
    assert result.returncode != 0
    assert f"cohort.path is {source}, which does not exist" in result.stdout
