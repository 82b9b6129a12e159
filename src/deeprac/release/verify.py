"""Rebuilding the tables of a release, and comparing a fresh computation with it."""

import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deeprac.layout import Layout
from deeprac.records.catalogue import METRICS
from deeprac.records.metrics import read_metrics
from deeprac.release.manifest import checked_files, read_manifest
from deeprac.release.parts import parts_text
from deeprac.release.tables import check_summary, made_tables
from deeprac.release.unpack import lay_out

ROUNDING = 1e-9
"""Largest relative difference that another processor's order of summation makes."""

RULED = ("detected_lesions", "false_lesions")
"""Metrics that mean something else in each schema of metrics."""

ROW = ("experiment", "fold", "seed", "case", "label")


class Outcome(StrEnum):
    """How something rebuilt compares with what was released."""

    IDENTICAL = "identical"
    """To the last byte."""
    ROUNDING = "equal but for rounding"
    """The same cells, numbers within ``ROUNDING``."""
    LATER = "computed in another way by this version"
    """Other columns; the numbers of those that both have are equal but for rounding."""
    ADDED = "not in the release"
    """A table that only later versions make."""
    OTHER_RULE = "counted by another rule"
    """A metric whose meaning has changed between the versions that computed it."""
    DIFFERENT = "different"
    """Anything else."""


@dataclass(frozen=True)
class Comparison:
    """One file or metric: how it compares, and by how much where it differs."""

    name: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True)
class Verification:
    """What was found of a release: facts of its manifest, and its tables."""

    release: Path
    manifest: Mapping[str, Any]
    tables: tuple[Comparison, ...]

    @property
    def holds(self) -> bool:
        """Whether every released table came out as it was."""
        return all(table.outcome is not Outcome.DIFFERENT for table in self.tables)

    def text(self) -> str:
        """Everything that was found, in lines."""
        manifest = self.manifest
        cohort = manifest["cohort"]
        runs = [manifest[key] for key in ("experiments", "seeds", "folds")]
        dirty = manifest["uncommitted"]["runs"]
        return (
            f"{self.release}\n"
            f"  {len(manifest['files'])} files have the checksums of the manifest\n"
            f"  cohort {cohort['name']} ({cohort['format']}): "
            f"{cohort['patients_scored']} patients, {cohort['cases_scored']} cases; "
            f"{len(runs[0])} experiments, {len(runs[1])} seeds, {len(runs[2])} folds\n"
            f"  trained on {', '.join(manifest['devices'])} at commit "
            f"{', '.join(manifest['commits']['training'])}"
            f"{f', {dirty} runs with uncommitted changes' if dirty else ''}\n"
            f"{parts_text(manifest.get('parts', ()))}"
            "  rebuilt from the per-case metrics, without images, training or GPU:\n"
            f"{lines(self.tables)}"
        )


def lines(comparisons: Iterable[Comparison]) -> str:
    """One line for each comparison."""
    return "".join(
        f"    {one.name:34} {one.outcome}{f': {one.detail}' if one.detail else ''}\n"
        for one in comparisons
    )


def verify_release(release: Path) -> Verification:
    """Check all files of a release and rebuild its tables from its summary.

    Raises:
        ReleaseError: A file is missing, changed, additional or a link, or runs.csv is
            not what the run.json files say.
        MetricsError: The summary is incomplete or inconsistent.
    """
    release = release.resolve()
    manifest = read_manifest(release)
    released = checked_files(release, manifest)
    with tempfile.TemporaryDirectory() as folder:
        config = lay_out(release, Path(folder))
        layout = Layout.of(config)
        check_summary(config, layout)
        rebuilt = made_tables(config, layout)
    tables = {name for name in released if name.startswith("tables/")}
    found = {
        name: _compared(name, released.get(name), rebuilt.get(name))
        for name in sorted(tables | set(rebuilt))
    }
    return Verification(release, manifest, tuple(_with_texts(found)))


def _with_texts(found: Mapping[str, Comparison]) -> Iterator[Comparison]:
    """A readable table is computed in another way where its numbers are."""
    for name, one in found.items():
        numbers = found.get(f"{name.removesuffix('.md')}.csv", one)
        later = numbers.outcome is Outcome.LATER
        text = later and one.outcome is Outcome.DIFFERENT
        yield Comparison(name, Outcome.LATER) if text else one


def _compared(name: str, released: bytes | None, rebuilt: bytes | None) -> Comparison:
    if released is None:
        return Comparison(name, Outcome.ADDED)
    if rebuilt is None:
        return Comparison(name, Outcome.DIFFERENT, "not made by this version")
    if released == rebuilt:
        return Comparison(name, Outcome.IDENTICAL)
    if not name.endswith(".csv"):
        return Comparison(name, Outcome.DIFFERENT)
    old, new = (pd.read_csv(io.BytesIO(content)) for content in (released, rebuilt))
    numbers = old.select_dtypes("number").columns.intersection(new.columns)
    largest = _largest_difference(old[numbers], new[numbers])
    outcome, detail = Outcome.DIFFERENT, "other rows, columns or texts"
    if np.isfinite(largest):
        detail = f"largest relative difference {largest:.1e}"
    if list(old.columns) != list(new.columns):
        outcome = Outcome.LATER if largest <= ROUNDING else Outcome.DIFFERENT
    elif not old.drop(columns=numbers).equals(new.drop(columns=numbers)):
        detail = "other rows, columns or texts"
    elif largest <= ROUNDING:
        outcome = Outcome.ROUNDING
    return Comparison(name, outcome, detail)


def _largest_difference(old: pd.DataFrame, new: pd.DataFrame) -> float:
    """Largest relative difference of the same columns of numbers; inf of other rows."""
    if len(old) != len(new):
        return np.inf
    a, b = (table.apply(pd.to_numeric, errors="coerce") for table in (old, new))
    a, b = a.to_numpy(float), b.to_numpy(float)
    differ = (a != b) & ~(np.isnan(a) & np.isnan(b))
    a, b = a[differ], b[differ]
    if not np.all(np.isfinite(a) & np.isfinite(b)):
        return np.inf
    scale = np.maximum(np.abs(a), np.abs(b))
    return float(np.max(np.abs(a - b) / scale, initial=0.0))


def compare_cases(release: Path, results: Path) -> list[Comparison]:
    """Compare a fresh computation's cases.csv with the released one.

    Args:
        release: Folder of the release.
        results: Folder of results in which the same experiments were run again.

    Returns:
        One comparison per metric, over the rows that both have, and one of the rows.

    Raises:
        MetricsError: A table is missing or of another schema.
    """
    old, new = (
        read_metrics(Layout(root).summary_cases, remedy="Run `deeprac summarise`.")
        .set_index(list(ROW))
        .sort_index()
        for root in (release, results)
    )
    shared = old.index.intersection(new.index)
    lost, more = len(old) - len(shared), len(new) - len(shared)
    rows = f"{len(shared)} rows in both, {lost} only released, {more} only fresh"
    outcome = Outcome.DIFFERENT if lost or more else Outcome.IDENTICAL
    comparisons = [Comparison("rows", outcome, rows)]
    other_rule = set(old.schema) != set(new.schema)
    for metric in METRICS:
        if other_rule and metric in RULED:
            comparisons.append(Comparison(metric, Outcome.OTHER_RULE))
            continue
        a, b = old.loc[shared, metric], new.loc[shared, metric]
        if a.equals(b):
            comparisons.append(Comparison(metric, Outcome.IDENTICAL))
            continue
        only = int((a.isna() != b.isna()).sum())
        detail = f"largest difference {float((a - b).abs().max()):.3g}"
        detail += f", {only} empty in one only" if only else ""
        comparisons.append(Comparison(metric, Outcome.DIFFERENT, detail))
    return comparisons
