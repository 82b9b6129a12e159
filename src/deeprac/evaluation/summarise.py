"""Collect what all runs have left into tidy tables.

Every comparison later rests on these tables, so whatever would make one unfair ends
here: a missing run or row, a case that one experiment saw and another did not, runs of
one experiment with different settings. Runs that are known to be ``missing``
(``deeprac.partial``) are left out; all others must be there.
"""

from collections import Counter
from collections.abc import Collection
from itertools import product
from typing import Any

import pandas as pd

from deeprac.config import Config
from deeprac.errors import ConfigError, MetricsError
from deeprac.evaluation.checks import (
    check_comparable,
    check_held_out,
    check_rows,
    check_shares,
)
from deeprac.files import read_json
from deeprac.labels import FOREGROUND
from deeprac.layout import Layout
from deeprac.partial import present_runs
from deeprac.records.age_groups import AGE_GROUP, age_group_of
from deeprac.records.case_split import split_column
from deeprac.records.cases import read_cases
from deeprac.records.diagnostics import (
    DIAGNOSTIC_COLUMNS,
    LATER_COLUMNS,
    VOLUME_COLUMNS,
    read_diagnostics,
)
from deeprac.records.inference import predict_cost
from deeprac.records.machines import shared_machine
from deeprac.records.made_with import refuse_left_over
from deeprac.records.metrics import METRIC_COLUMNS, read_metrics
from deeprac.records.run_key import RunKey
from deeprac.records.runs import RUN_COLUMNS, SETTINGS, read_run, run_row
from deeprac.records.splits import read_splits, unseen
from deeprac.records.stress import (
    STRESS_COLUMNS,
    conditions,
    read_stress,
    stressed_cases,
)
from deeprac.records.tidy import shortened
from deeprac.settings.effective import differences, run_settings


def collect_cases(
    config: Config, layout: Layout, missing: Collection[RunKey] = ()
) -> pd.DataFrame:
    """Read and check the metrics of all selected runs.

    Returns:
        One row per experiment, seed, case and label, columns ``METRIC_COLUMNS``, and
        ``age_group`` where it is asked for.

    Raises:
        MetricsError: A run, row or case is missing, double or inconsistent; or ages are
            asked for that nobody knows.
    """
    splits = read_splits(layout.splits)
    tables = {}
    for key in present_runs(config, missing):
        path, remedy = key.folder(layout) / "metrics.csv", key.again("evaluate")
        table = read_metrics(path, remedy=remedy)
        key.check_table(table, path, remedy=remedy)
        check_rows(table, path, remedy=remedy)
        check_held_out(table, unseen(splits[key.fold]), path)
        tables[key] = table
    refuse_left_over(config, layout, tables, "metrics.csv")
    cases = _joined(tables, METRIC_COLUMNS)
    check_comparable(cases)
    if not (bounds := config.statistics.age_groups):
        return cases
    known = read_cases(layout.cases_csv, ("case", "age_years"))
    groups = age_group_of(known, bounds)
    return cases.assign(**{AGE_GROUP: cases["case"].map(groups)})


def _joined(
    tables: dict[RunKey, pd.DataFrame], columns: tuple[str, ...]
) -> pd.DataFrame:
    """All runs in one table; with test cases it says which they are."""
    table = pd.concat(tables.values(), ignore_index=True)
    return table[[*columns, *split_column(table)]]


def collect_runs(
    config: Config, layout: Layout, missing: Collection[RunKey] = ()
) -> pd.DataFrame:
    """Read and check run.json of all selected runs, and what segmenting cost them.

    Returns:
        One row per run, columns ``RUN_COLUMNS``.

    Raises:
        MetricsError: A run.json is missing, foreign or does not fit its experiment; an
            inference.csv is foreign.
    """
    runs = present_runs(config, missing)
    keys = {key.folder(layout) / "run.json": key for key in runs}
    records = {path: read_run(path, key) for path, key in keys.items()}
    _refuse_mixture(config, {keys[path]: records[path] for path in keys})
    # Also of those that are trained, but not evaluated.
    trained = (key.folder(layout) / "run.json" for key in missing)
    others = {path: read_json(path) for path in trained if path.is_file()}
    shared = shared_machine(records | others)
    rows = []
    for path, key in keys.items():
        inference, remedy = path.with_name("inference.csv"), key.again("predict")
        row = run_row(records[path], path) | {"shared_machine": shared[path]}
        rows.append(row | predict_cost(inference, remedy=remedy))
    found = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    for experiment, table in found.groupby("experiment", sort=False):
        for column in ("method", "matrix", *SETTINGS):
            values = [str(value) for value in table[column].unique()]
            if len(values) > 1:
                raise MetricsError(
                    f"All runs of one experiment share their settings; those of "
                    f"{experiment} differ in {column}: {shortened(values)}. "
                    "Remove the run folders of the older settings and train them again."
                )
    return found


def _refuse_mixture(config: Config, records: dict[RunKey, dict[str, Any]]) -> None:
    """Refuse runs that were trained with other settings than the configuration's.

    Those of versions that did not record them are compared with each other alone.
    """
    foreign = []
    for key, record in records.items():
        expected = run_settings(config, config.experiment(key.experiment))
        trained = record.get("run_settings", expected)
        if found := list(differences(trained, expected)):
            foreign.append(f"{key} ({'; '.join(found)})")
    if foreign:
        raise MetricsError(
            "Runs were trained with other settings than the configuration's: "
            f"{shortened(foreign)}. Restore the settings, or run the workflow again."
        )


def collect_diagnostics(
    config: Config, layout: Layout, missing: Collection[RunKey] = ()
) -> pd.DataFrame:
    """Read the diagnostics of all selected runs.

    Returns:
        One row per run and case, columns ``DIAGNOSTIC_COLUMNS``, those that came later
        and, where any run saw volumes, theirs.

    Raises:
        MetricsError: The table of a run is missing, lacks a column or is another run's.
    """
    tables = {}
    for key in present_runs(config, missing):
        path, remedy = key.folder(layout) / "diagnostics.csv", key.again("diagnose")
        tables[key] = read_diagnostics(path, remedy=remedy)
        key.check_table(tables[key], path, remedy=remedy)
    refuse_left_over(config, layout, tables, "diagnostics.csv")
    named = set().union(*(table.columns for table in tables.values()))
    further = [name for name in VOLUME_COLUMNS if name in named]
    return _joined(tables, (*DIAGNOSTIC_COLUMNS, *LATER_COLUMNS, *further))


def collect_stress(
    config: Config, layout: Layout, missing: Collection[RunKey] = ()
) -> pd.DataFrame:
    """Read and check the stress.csv of all runs that are put under stress.

    Returns:
        One row per run, case, condition and label, columns ``STRESS_COLUMNS``.

    Raises:
        ConfigError: No experiment is put under stress.
        MetricsError: A run, case, condition or label is missing, double or foreign.
    """
    if not config.stress.experiments:
        raise ConfigError(
            "stress.experiments is empty: there is nothing to collect. Name the "
            "experiments that are to be put under stress."
        )
    splits = read_splits(layout.splits)
    tables = {}
    for key in present_runs(config, missing):
        if key.experiment not in config.stress.experiments:
            continue
        path, remedy = key.folder(layout) / "stress.csv", key.again("stress")
        table = read_stress(path, remedy=remedy)
        key.check_table(table, path, remedy=remedy)
        check_shares(table, ("dice", "visible"), path, remedy=remedy)
        stressed = stressed_cases(splits[key.fold], config.stress)
        _check_complete(table, config, stressed, f"{path}. {remedy}")
        tables[key] = table
    refuse_left_over(config, layout, tables, "stress.csv")
    return _joined(tables, STRESS_COLUMNS)


def _check_complete(
    table: pd.DataFrame, config: Config, stressed: list[str], where: str
) -> None:
    """Each case under stress has one row for each condition and label, and no other."""
    expected = {
        (case, label.title, condition.kind.value, round(condition.value, 9))
        for case, label, condition in product(
            stressed, FOREGROUND, conditions(config.stress)
        )
    }
    rows = zip(table.case, table.label, table.kind, table.value.round(9), strict=True)
    found = list(rows)
    for title, wrong in (
        ("missing", expected.difference(found)),
        ("not asked for", set(found) - expected),
        ("double", {row for row, n in Counter(found).items() if n > 1}),
    ):
        if wrong:
            names = [f"{c} {label} {kind} {v:g}" for c, label, kind, v in sorted(wrong)]
            raise MetricsError(
                "Each case under stress needs one row for each condition and label; "
                f"{title}: {shortened(names)} in {where}"
            )
