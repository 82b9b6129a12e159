"""The workflow on a cluster: Slurm, on this machine alone, with one GPU that is none.

What goes on is told as it happens; ``pytest -s`` shows it. Slurm may ask jobs to end
half a minute earlier than it was told, and trainings take what they take: what must
have happened is waited for.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from deeprac.config import load_config
from deeprac.layout import Layout
from deeprac.lease import holder_of
from deeprac.records.run_key import selected_runs
from deeprac.status import State, all_runs, run_status, text
from support.checkout import BIN, ROOT, snakemake, working_folder

MISSING = [name for name in ("slurmctld", "munged") if not shutil.which(name)]
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        bool(MISSING), reason=f"no {', '.join(MISSING)}: Debian's slurm-wlm and munge"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="the daemons of Slurm are root's"),
]
CLUSTER = ROOT / "tests/slurm/cluster.sh"
OVERLAY = """
run: {{experiments: [coarse_nnunet, coarse_stn]}}
stress: {{experiments: []}}
network: {{convs_per_stage: 2}}
training: {{epochs: {epochs}, iterations_per_epoch: 10, time_limit_minutes: 2}}
"""
CONFIGS = ("--configfile", "config/smoke.yaml", "overlay.yaml")
SAVED = "SIGTERM asked to stop. It is saved"
SLURM = (
    *("--workflow-profile", str(ROOT / "profiles/slurm")),
    *("--slurm-no-account", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "5"),
    *("--slurm-keep-successful-logs", "--retries", "9"),
    "--set-resources",
    *(
        f"{rule}:{resource}"
        for rule in ("train_fold", "predict")
        for resource in ("gpu=1", "slurm_partition=gpu", "mem_mb=2000")
    ),
    *("--set-threads", "train_fold=2", "predict=2"),
    *("--default-resources", "slurm_partition=cpu"),
)
# Asked to end 15 to 45 s after its start, a training of 50 s is not done in one job.
TRAINING_SECONDS = 50
SHORT, LONG = (f"slurm_extra='--signal=TERM@{seconds}'" for seconds in (75, 20))
TABLES = ("--", "tables")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment with Snakemake's executors for clusters."""
    folder = tmp_path_factory.mktemp("plugins")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--target", str(folder), "--requirement", str(ROOT / "envs/slurm.in")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot install envs/slurm.in: {done.stderr[-300:]}")
    paths = (str(folder), os.environ.get("PYTHONPATH"))
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


@pytest.fixture
def finished():
    """A running cluster; the file in which it writes down the jobs that have ended."""
    # Munge's own user must see it, which pytest's folders do not allow.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        try:
            started = subprocess.run([CLUSTER, "start", folder], check=False)
            if started.returncode:
                pytest.skip("this machine lets no daemons of Slurm run")
            yield Path(folder, "jobs.txt")
        finally:
            subprocess.run([CLUSTER, "stop", folder], check=True)


class Site:
    """A folder whose workflow runs on the cluster, and what has happened there."""

    def __init__(self, folder, environment):
        self.folder = working_folder(folder)
        self.environment = environment
        self.processes = []
        self.began = time.monotonic()
        self.configure(epochs=3)

    def configure(self, epochs):
        (self.folder / "overlay.yaml").write_text(OVERLAY.format(epochs=epochs))
        self.config = load_config([self.folder / name for name in CONFIGS[1:]])
        self.runs = list(selected_runs(self.config))
        self.layout = Layout.of(self.config)

    def last_as_long_everywhere(self):
        """Have the faster training last TRAINING_SECONDS on this machine, and prepare.

        Epochs of a first, short training are timed for it.
        """
        run = self.runs[0]
        short = run.folder(self.layout)
        slices = self.layout.preprocessed / "coarse/cases.json"
        targets = (short / "checkpoint_final.pth", slices)
        local = ("--cores", "2", "--set-threads", "train_fold=2", *CONFIGS, "--")
        done = snakemake(self.folder.resolve(), *local, *map(str, targets))
        assert done.returncode == 0, done.stdout
        seconds = pd.read_csv(short / "training.csv")["seconds"].min()
        for folder in (short, self.layout.checkpoints(*run.parts)):
            shutil.rmtree(folder)
        self.epochs = math.ceil(TRAINING_SECONDS / seconds)
        self.configure(self.epochs)
        self.tell(f"{self.epochs} epochs of {seconds:.2f} s")

    def tell(self, what):
        for line in what.splitlines():
            print(f"{time.monotonic() - self.began:4.0f} s  {line}", flush=True)

    def snakemake(self, *arguments):
        """Start Snakemake; return its process and the file of what it says."""
        command = [BIN / "snakemake", "--snakefile", ROOT / "Snakefile", *CONFIGS]
        log = self.folder / f"snakemake{len(self.processes)}.log"
        self.tell(f"snakemake starts ({log.stem})")
        with log.open("w") as file:
            process = subprocess.Popen(
                [*command, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=file,
                stderr=file,
            )
        self.processes.append(process)
        return process, log

    def status(self, run):
        return run_status(self.layout, run)

    def job_of(self, run):
        """Wait until a run trains; return its job."""
        self.until(
            lambda: (one := self.status(run)).state is State.RUNNING and one.epoch,
            f"{run} trains",
        )
        owner, _ = holder_of(self.layout.checkpoints(*run.parts).with_suffix(".lease"))
        self.tell(f"{run} trains as job {owner.job}")
        return owner.job

    def said(self, job):
        """What a job has said."""
        (log,) = self.folder.glob(f".snakemake/slurm_logs/*/*/{job}.log")
        return log.read_text()

    def cancel(self, job):
        subprocess.run(["scancel", job], check=True)
        self.tell(f"scancel {job}")

    def until(self, condition, what, seconds=180):
        end = time.monotonic() + seconds
        while not condition():
            ended = [p for p in self.processes if p.poll() not in (None, 0, -9, 1)]
            assert not ended, f"{what}: snakemake ended"
            assert time.monotonic() < end, f"{what}: not within {seconds} s"
            time.sleep(0.2)


@pytest.fixture
def site(tmp_path, monkeypatch, environment, finished):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")  # results lie below it
    site = Site(Path(), environment)
    yield site
    for process in site.processes:
        process.kill()
        process.wait()


def queue(*arguments):
    command = ["squeue", "--noheader", "--format", "%i", *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.split()


def gpu_jobs(finished):
    """Slurm's own record of the jobs that have had the GPU, by their start."""
    lines = finished.read_text().splitlines()
    jobs = [dict(p.split("=", 1) for p in line.split() if "=" in p) for line in lines]
    began = [job for job in jobs if job["StartTime"] < job["EndTime"]]
    on_gpu = [job for job in began if job["Partition"] == "gpu"]
    return sorted(on_gpu, key=lambda job: job["StartTime"])


def test_trainings_survive_what_happens_on_a_cluster(site, finished):
    site.last_as_long_everywhere()

    snakemake_1, _ = site.snakemake(*SLURM, SHORT, *TABLES)
    site.until(lambda: any(map(is_running(site), site.runs)), "a training starts")
    first, second = sorted(site.runs, key=is_running(site), reverse=True)
    cancelled = site.job_of(first)
    assert site.status(second).state is State.WAITING  # for the one GPU
    site.cancel(cancelled)
    site.until(lambda: SAVED in site.said(cancelled), "it is saved")

    limited = site.job_of(second)
    site.until(lambda: SAVED in site.said(limited), "the limit of time is near")
    site.tell(f"{second} is saved: the time of job {limited} was nearly over")

    resumed = site.job_of(first)
    assert resumed != cancelled
    command = ["scontrol", "update", f"JobId={resumed}", "TimeLimit=30"]
    subprocess.run(command, check=True)  # enough for what follows
    snakemake_1.kill()
    snakemake_1.wait()
    site.tell("kill -9 of that snakemake")
    refused(site, "LockException")
    unlocking, _ = site.snakemake("--unlock")
    assert unlocking.wait() == 0
    refused(site, f"stop it with `scancel {resumed}`")
    site.tell(text(all_runs(site.config)))
    for job in (*queue("--states", "PENDING"), resumed):
        site.cancel(job)
    site.until(lambda: not queue(), "no job is left")

    snakemake_2, log = site.snakemake(*SLURM, LONG, *TABLES)
    snakemake_2.wait()
    assert snakemake_2.returncode == 0, log.read_text()[-5000:]
    site.tell(text(all_runs(site.config)))
    check_gpu(site, finished)
    check_trainings(site)
    table = pd.read_csv(site.layout.tables / "all.csv")
    assert len(table) == 2
    assert table["kidney_dice_mean"].between(0, 1).all()


def is_running(site):
    return lambda run: site.status(run).state is State.RUNNING


def refused(site, why):
    process, log = site.snakemake(*SLURM, LONG, *TABLES)
    assert process.wait() == 1
    message = log.read_text()
    assert why in message, message
    assert "Traceback" not in message
    site.tell(next(line for line in message.splitlines() if why in line))


def check_gpu(site, finished):
    """One GPU, one job at a time; every training is among them."""
    jobs = gpu_jobs(finished)
    for job in jobs:
        times = f"{job['StartTime']} to {job['EndTime']}"
        site.tell(f"job {job['JobId']} had the GPU from {times}: {job['JobState']}")
    assert len(jobs) >= 7
    for job, after in pairwise(jobs):
        assert job["EndTime"] <= after["StartTime"]


def check_trainings(site):
    """Interrupted by signals alone, and every epoch trained once."""
    segments = []
    for run in site.runs:
        folder = run.folder(site.layout)
        record = json.loads((folder / "run.json").read_text())
        interruptions = record["interruptions"]
        assert {one["cause"] for one in interruptions} == {"SIGTERM"}
        places = [f"{one['epoch']}/{one['step']}" for one in interruptions]
        site.tell(f"{run}: interrupted at epoch/step {', '.join(places)}")
        epochs = pd.read_csv(folder / "training.csv")["epoch"]
        assert epochs.tolist() == list(range(site.epochs))
        segments += [(one["start"], one["stop"]) for one in record["segments"]]
    for (_, stop), (start, _) in pairwise(sorted(segments)):
        assert stop <= start
