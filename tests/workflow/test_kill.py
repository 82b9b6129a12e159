"""A training that is killed half way resumes from its checkpoint, and only once."""

import json
import shutil
import subprocess
import time

import pandas as pd
import pytest
import yaml

from deeprac.lease import held
from support.checkout import snakemake, working_folder
from support.job_forks import python_of_forks

pytestmark = pytest.mark.slow
EPOCHS = 6
RUN = ("--experiment", "coarse_stn", "--seed", "0")


def deeprac(folder, verb, *arguments):
    """Start a verb with the smoke configuration and a longer training."""
    files = ("results/smoke/config.json", "overlay.yaml")
    configs = [part for file in files for part in ("--config", file)]
    command = [python_of_forks(), "-m", "deeprac", verb, *configs, *RUN, *arguments]
    return subprocess.Popen(command, cwd=folder)


def test_killed_training_resumes_and_its_time_is_cumulated(smoke_run, tmp_path):
    shutil.copytree(smoke_run, tmp_path, dirs_exist_ok=True)
    results = tmp_path / "results/smoke"
    shutil.rmtree(results / ".checkpoints")
    shutil.rmtree(results / "coarse_stn")
    overlay = {"training": {"epochs": EPOCHS, "iterations_per_epoch": 10}}
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    assert deeprac(tmp_path, "plan").wait() == 0

    training = deeprac(tmp_path, "train", "--fold", "0")
    while not list((results / ".checkpoints").rglob("checkpoint_latest.pth")):
        assert training.poll() is None, "the training ended before it could be killed"
        time.sleep(0.05)
    training.kill()
    training.wait()
    run = results / "coarse_stn/seed0/fold_0"
    assert not (run / "run.json").exists()

    assert deeprac(tmp_path, "train", "--fold", "0").wait() == 0
    record = json.loads((run / "run.json").read_text())
    epochs = pd.read_csv(run / "training.csv")
    assert epochs["epoch"].tolist() == list(range(EPOCHS))
    assert len(record["segments"]) == epochs["segment"].nunique() == 2
    assert record["segments"][1]["first_epoch"] > 0
    seconds = record["cost"]["training_seconds"]
    assert seconds == pytest.approx(epochs["seconds"].sum())
    assert (epochs.groupby("segment")["seconds"].sum() > 0).all()


def test_a_workflow_does_not_start_over_a_training_that_goes_on(tmp_path):
    """What `kill -9` of Snakemake leaves behind; `--unlock` was called."""
    working_folder(tmp_path)
    runs = tmp_path / "results/smoke/.checkpoints/fine_stn/seed0"
    arguments = ("--cores", "1", "--configfile", "config/smoke.yaml", "--", "splits")
    with held(runs / "fold_0.lease", "fine_stn"):
        stopped = snakemake(tmp_path, *arguments)
    assert stopped.returncode == 1
    assert "fine_stn, seed 0, fold 0 is being computed by process" in stopped.stdout
    assert "Traceback" not in stopped.stdout
    assert not (tmp_path / "results/smoke/splits_final.json").exists()
    assert snakemake(tmp_path, *arguments).returncode == 0
