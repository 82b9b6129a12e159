"""Who computed the numbers: facts, limits and commands from config and run.json."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deeprac.config import Config
from deeprac.evaluation.statistics.verdicts import MIN_SEEDS
from deeprac.provenance import device_title
from deeprac.records.run_key import RunKey

Run = Mapping[str, Any]

UNKNOWN = "unknown"


def identity(
    config: Config, runs: Sequence[Run], cohort_hash: str
) -> dict[str, tuple[str, ...]]:
    """Code, configuration, seeds, devices and versions; values that differ are listed.

    Args:
        config: The configuration of the cohort.
        runs: Contents of run.json, one per run.
        cohort_hash: SHA-256 that names the cohort, with what it covers.

    Returns:
        All values by their term.
    """
    packages = sorted({name for run in runs for name in run["software"]})
    versions = []
    for name in packages:
        found = _distinct(run["software"].get(name) or UNKNOWN for run in runs)
        versions.append(f"{name} {' / '.join(found)}")
    released = config.has_released_metrics
    folds, seeds = (map(str, ns) for ns in (config.run.folds, config.run.seeds))
    extent = f"{len(config.run.folds)} of {config.splits.folds} run"
    return {
        "Cohort": (f"{config.cohort.name}, format {config.cohort.format}",),
        "Cohort hash (SHA-256)": (cohort_hash,),
        "Metrics": (f"released as {config.release}" if released else "computed",),
        "Commit of the code": _distinct(map(_commit, runs)),
        "Settings of the runs (SHA-256)": _distinct(r["config_sha256"] for r in runs),
        "Experiments": (f"{len(config.run.experiments)}",),
        "Runs": (f"{len(runs)}, one per experiment, fold and seed",),
        "Folds": (f"{', '.join(folds)}; {extent}",),
        "Seeds": (", ".join(seeds),),
        "Device": _distinct(map(device_title, runs)),
        "Operating system": _distinct(run["host"]["platform"] for run in runs),
        "Packages": (", ".join(versions),),
        "Trained": (_period(runs),),
    }


def missing_terms(missing: Mapping[RunKey, str]) -> dict[str, tuple[str, ...]]:
    """The runs that partial results lack, as a term of :func:`identity`."""
    runs = tuple(f"{run}: {state}" for run, state in missing.items())
    return {"Missing runs": runs} if runs else {}


def limits(config: Config, runs: Iterable[Run]) -> tuple[str, ...]:
    """What the numbers do not say, from what the configuration and the runs are."""
    states = [run["git"] for run in runs]
    seeds = len(config.run.seeds)
    sentences = {
        "For research only: not a medical device.": True,
        "The cases are phantoms, geometry and not anatomy: the results say nothing "
        "about patients.": config.cohort.is_phantom,
        f"{len(config.run.folds)} of {config.splits.folds} folds were run, so the "
        "numbers rest on a part of the cohort.": (
            len(config.run.folds) < config.splits.folds
            and not config.cohort.has_test_cases
        ),
        f"Seeds: {seeds}. No verdict on a method rests on fewer than {MIN_SEEDS}, as "
        "another training of it can differ more than two methods do.": (
            seeds < MIN_SEEDS
        ),
        f"Seeds: {seeds}. Intervals and verdicts are about more trainings and patients "
        "like these, and not about other sizes of network or image, or more steps.": (
            seeds >= MIN_SEEDS
        ),
        "The commit of the code is unknown for at least one run.": any(
            state["commit"] is None for state in states
        ),
        "At least one run was computed with uncommitted changes of the code: it "
        "cannot be repeated from its commit alone.": any(
            state["dirty"] for state in states
        ),
        "Training on a GPU is not deterministic to the last bit: a repetition gives "
        "numbers within the spread over seeds, not the same file.": (
            config.training.device == "cuda"
        ),
        "The paper's cohort is private: its numbers stand beside ours for orientation "
        "and are not directly comparable.": True,
        "Intervals are over patients, and where they say so over seeds. They do not "
        "hold the choice of hyper-parameters, of the cohort or of the reference "
        "segmentations.": True,
    }
    hold = (sentence for sentence, holds in sentences.items() if holds)
    return (*config.report.notes, *hold)


def commands(config: Config, runs: Iterable[Run]) -> str:
    """Shell commands that compute the numbers again in a fresh clone."""
    commits = sorted({run["git"]["commit"] or "" for run in runs} - {""})
    name = config.cohort.name
    gpu = " --resources gpu=1" if config.training.device == "cuda" else ""
    saved = f"# {name}.json: the configuration below, saved"
    if config.cohort.path is not None:
        saved += ", with cohort.path set to your copy of the cohort"
    compute = f"snakemake all --cores 8{gpu} --configfile {name}.json"
    lines = []
    if config.has_released_metrics:
        # The commit of the training is older than the release, so it comes after.
        lines += [
            "# tables, figures and this page, from the released metrics:",
            f"make review RELEASE={config.release}",
            "# everything, from the cohort on:",
        ]
        compute += " --config metrics=computed"
    lines += [f"git checkout {commit}" for commit in commits[:1]]
    if len(commits) > 1:
        lines.append(f"# other runs: {', '.join(commits[1:])}")
    lines += ["make venv && source .venv/bin/activate", saved, compute]
    return "\n".join(lines)


def _commit(run: Run) -> str:
    state = run["git"]
    if state["commit"] is None:
        return UNKNOWN
    return f"{state['commit']} ({'uncommitted changes' if state['dirty'] else 'clean'})"


def _period(runs: Iterable[Run]) -> str:
    """First start and last stop of all segments; no other time is on the page."""
    segments = [segment for run in runs for segment in run["segments"]]
    starts = [segment["start"] for segment in segments if segment["start"]]
    stops = [segment["stop"] for segment in segments if segment["stop"]]
    return f"{min(starts)} to {max(stops)}" if starts and stops else UNKNOWN


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
