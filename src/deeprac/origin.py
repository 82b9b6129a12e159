"""Where the number in a cell of a table comes from: runs, files and their digests."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.files import read_json, sha256_of
from deeprac.layout import Layout
from deeprac.records.run_key import RunKey, selected_runs

NAMING = ("experiment", "reference")
"""Columns of tables with names of experiments."""

OF_RUN = (
    *("run.json", "checkpoint_final.pth", "inference.csv", "transforms.csv"),
    *("metrics.csv", "diagnostics.csv"),
)


@dataclass(frozen=True)
class Source:
    """A file behind a number.

    Attributes:
        path: as the configuration says where results lie.
        sha256: of its bytes; None where it is not there.
    """

    path: str
    sha256: str | None

    @classmethod
    def of(cls, path: Path) -> "Source":
        """Return a file as it is now."""
        if not path.is_file():
            return cls(str(path), None)
        return cls(str(path), sha256_of(path))


@dataclass(frozen=True)
class RunSource:
    """A run behind a number.

    Attributes:
        run: experiment, seed and fold in words.
        commit: of the code that trained it; None without run.json or outside git.
        dirty: whether that code had been changed.
        settings_sha256: digest of everything that the training depended on.
        files: that it left.
    """

    run: str
    commit: str | None
    dirty: bool | None
    settings_sha256: str | None
    files: list[Source]


@dataclass(frozen=True)
class Origin:
    """What is behind a cell.

    Attributes:
        table: its file.
        row: number of the row, 1 below the header.
        column: its name.
        value: as it is written.
        shared: files that all runs have in common.
        runs: of the experiments that the row names.
    """

    table: Source
    row: int
    column: str
    value: str
    shared: list[Source]
    runs: list[RunSource]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def origin_of(config: Config, table: str, row: str, column: str) -> Origin:
    """Return what is behind a cell.

    Args:
        config: the whole configuration.
        table: its name, as ``table1``.
        row: its number, 1 below the header, or an experiment that has one row.
        column: its name, as ``kidney_dice_mean``.

    Raises:
        MetricsError: there is no such cell.
    """
    layout = Layout.of(config)
    path = layout.tables / f"{table}.csv"
    cells = _cells(path)
    number = _row(path, cells, row)
    if column not in cells:
        raise MetricsError(
            f"{path} has no column {column}. It has {', '.join(cells)}: name one of "
            "these."
        )
    named = cells.loc[number, [name for name in NAMING if name in cells]]
    shared = (
        *(layout.summary_cases, layout.summary_runs),
        *(layout.cases_csv, layout.splits),
    )
    return Origin(
        Source.of(path),
        number + 1,
        column,
        cells.loc[number, column],
        [Source.of(one) for one in shared],
        [
            _run(layout, run)
            for run in selected_runs(config)
            if run.experiment in set(named)
        ],
    )


def _cells(path: Path) -> pd.DataFrame:
    """Read a table as it is written.

    Raises:
        MetricsError: it is not there.
    """
    if not path.is_file():
        there = sorted(other.stem for other in path.parent.glob("*.csv"))
        raise MetricsError(
            f"{path} does not exist; tables there: {', '.join(there) or 'none'}. Name "
            "one of these, or run the workflow to make them."
        )
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _row(path: Path, cells: pd.DataFrame, row: str) -> int:
    """Return a row's index.

    Raises:
        MetricsError: there is no such row, or several.
    """
    if row.isdecimal():
        found = [int(row) - 1] if 1 <= int(row) <= len(cells) else []
    else:
        found = list(cells.index[cells["experiment"] == row])
    if len(found) != 1:
        rows = ", ".join(str(one + 1) for one in found)
        raise MetricsError(
            f"{path}: a row is a number from 1 to {len(cells)}, or an experiment with "
            f"one row; {row} is {f'rows {rows}' if found else 'no row'}. Give a number."
        )
    return int(found[0])


def _run(layout: Layout, run: RunKey) -> RunSource:
    folder = run.folder(layout)
    record = folder / "run.json"
    content = read_json(record) if record.is_file() else {}
    git = content.get("git", {})
    return RunSource(
        str(run),
        git.get("commit"),
        git.get("dirty"),
        content.get("config_sha256"),
        [Source.of(folder / name) for name in OF_RUN],
    )


def text(origin: Origin) -> str:
    """Return it as lines for people."""
    return "\n".join(_lines(origin))


def _lines(origin: Origin) -> Iterator[str]:
    yield f"{origin.column}, row {origin.row}: {origin.value or '(empty)'}"
    yield from map(_line, (origin.table, *origin.shared))
    for run in origin.runs:
        changed = " with changes" if run.dirty else ""
        yield ""
        yield f"{run.run}: trained by commit {run.commit or 'unknown'}{changed}"
        yield f"  settings and data: sha256 {run.settings_sha256 or 'unknown'}"
        yield from map(_line, run.files)


def _line(source: Source) -> str:
    state = "not there" if source.sha256 is None else f"sha256 {source.sha256}"
    return f"  {source.path}: {state}"
