"""Results of which some runs are missing: which, why, and what the rest can show.

With ``report.allow_missing`` tables, figures and page are made of the runs whose
metrics are there and whole; nothing is trained for them. So a long computation is run
with ``snakemake --keep-going``, and then looked at with the key. Which runs are missing
is found here alone, from files: the rules ask for what to read, ``summarise`` writes it
to summary/missing.csv, and all that is made of the summary is told by that table.
"""

import csv
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.machine import without_paths
from deeprac.records.run_key import IDENTITY, RunKey, selected_runs
from deeprac.records.splits import Split, unseen
from deeprac.records.tidy import TEXT, read_tidy
from deeprac.status import State, run_status

MISSING_COLUMNS = (*IDENTITY, "state")
"""Columns of summary/missing.csv: one row per missing run, and how it stands."""

NOT_RUN, FAILED = "not run", "failed"

STAGES = {False: ("train",), True: ("predict", "evaluate")}
"""Verbs that may have failed, by whether the run is trained."""

ERROR = re.compile(r"^deeprac \w+: error: (.*)$", re.MULTILINE)
"""How a verb says in its log why it failed."""

SHOWN = 5
"""Missing runs that a sentence names; the table has all."""


def present_runs(config: Config, missing: Collection[RunKey]) -> list[RunKey]:
    """The selected runs that are not missing, in the order of the configuration."""
    return [run for run in selected_runs(config) if run not in missing]


def missing_runs(config: Config, layout: Layout) -> dict[RunKey, str]:
    """Runs whose metrics are not there or not whole, and how each stands.

    Args:
        config: the whole configuration.
        layout: of its results.

    Returns:
        By run: ``not run``, with what is known of it, or ``failed`` with the cause.
        Nothing without ``report.allow_missing``: then a missing run is an error of
        whoever reads it. A release has all its runs.
    """
    if not config.report.allow_missing or config.has_released_metrics:
        return {}
    splits = read_json(layout.splits) if layout.splits.is_file() else []
    return {
        run: _state(layout, run)
        for run in selected_runs(config)
        if not _is_whole(layout, run, splits)
    }


def _is_whole(layout: Layout, run: RunKey, splits: list[Split]) -> bool:
    """Whether a run has its record, its times and a row of every held-out case.

    What else is wrong with its metrics is an error of whoever reads them.
    """
    folder = run.folder(layout)
    needed = ("run.json", "inference.csv")
    if run.fold >= len(splits) or not all((folder / n).is_file() for n in needed):
        return False
    return set(unseen(splits[run.fold])) <= _cases(folder / "metrics.csv")


def _cases(path: Path) -> set[str]:
    """Cases of a metrics.csv, without the seconds that pandas takes for a thousand."""
    if not path.is_file():
        return set()
    with path.open(newline="", encoding="utf-8") as stream:
        return {row.get("case") or "" for row in csv.DictReader(stream)}


def _state(layout: Layout, run: RunKey) -> str:
    status = run_status(layout, run)
    trained = status.state is State.DONE
    if status.state is State.RUNNING:
        return f"{NOT_RUN}: running"
    cause = status.remark if status.state is State.FAILED else ""
    for verb in STAGES[trained]:
        cause = cause or _logged_error(layout.log(verb, *run.parts))
    if cause:
        # The page is passed on: it names no folder of this machine.
        return f"{FAILED}: {without_paths(' '.join(cause.split()), [layout.root])}"
    if trained:
        return f"{NOT_RUN}: trained, but not all its cases are evaluated"
    interrupted = status.state is State.INTERRUPTED
    return f"{NOT_RUN}: interrupted" if interrupted else NOT_RUN


def _logged_error(log: Path) -> str:
    """What a job's log says that it failed of; empty where it does not."""
    found = ERROR.findall(log.read_text(errors="replace")) if log.is_file() else []
    return found[-1] if found else ""


def missing_table(runs: dict[RunKey, str]) -> pd.DataFrame:
    """Rows of summary/missing.csv."""
    rows = [asdict(run) | {"state": state} for run, state in runs.items()]
    return pd.DataFrame(rows, columns=list(MISSING_COLUMNS))


def read_missing(config: Config, layout: Layout) -> pd.DataFrame:
    """Read summary/missing.csv; without ``report.allow_missing`` it has no rows.

    Raises:
        MetricsError: the table is not there, or is foreign.
    """
    if not config.report.allow_missing or config.has_released_metrics:
        return missing_table({})
    return read_tidy(
        layout.summary_missing,
        MISSING_COLUMNS,
        remedy="Run `deeprac summarise`.",
        text=TEXT | {"state"},
    )


def states_of(table: pd.DataFrame) -> dict[RunKey, str]:
    """The rows of summary/missing.csv as :func:`missing_runs` gave them."""
    names = ("cohort", "experiment", "seed", "fold", "state")
    rows = zip(*(table[name].tolist() for name in names), strict=True)
    return {RunKey(*run): state for *run, state in rows}


def narrowed(config: Config, missing: Collection[RunKey]) -> Config:
    """A configuration of the experiments, seeds and folds that have any run.

    Args:
        config: the whole configuration.
        missing: runs that it selects and that are not there.

    Raises:
        MetricsError: no run is there.
    """
    if not missing:
        return config
    runs = present_runs(config, missing)
    if not runs:
        raise MetricsError(
            "report.allow_missing makes tables of the runs that are finished, and "
            "none is. Leave the key out and run the workflow, with --keep-going where "
            "some runs may fail."
        )
    there = {run.experiment for run in runs}
    stressed = tuple(name for name in config.stress.experiments if name in there)
    run = replace(
        config.run,
        experiments=tuple(dict.fromkeys(run.experiment for run in runs)),
        seeds=_present(config.run.seeds, {run.seed for run in runs}),
        folds=_present(config.run.folds, {run.fold for run in runs}),
    )
    stress = replace(config.stress, experiments=stressed)
    return replace(config, run=run, stress=stress)


def _present(numbers: tuple[int, ...], there: set[int]) -> tuple[int, ...]:
    return tuple(number for number in numbers if number in there)


def sentence(config: Config, missing: Mapping[RunKey, str]) -> str:
    """What stands below every table and figure of partial results.

    Args:
        config: the whole configuration.
        missing: result of :func:`missing_runs`, not empty.
    """
    named = "; ".join(f"{run}: {s}" for run, s in list(missing.items())[:SHOWN])
    number, more = len(missing), len(missing) - SHOWN
    gone = f"{number} of {len(list(selected_runs(config)))} runs"
    gone += " is missing" if number == 1 else " are missing"
    rest = f"; and {more} more in summary/missing.csv" if more > 0 else ""
    return (
        f"Partial results (report.allow_missing): {gone}. Every row rests on the runs "
        "that it has; comparisons and ranks on the runs, by seed and fold, and "
        f"patients that all sides have. Missing: {named}{rest}."
    )
