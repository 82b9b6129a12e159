"""The name of one run, and the tables that each run leaves."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from deeprac.config import Config
from deeprac.errors import MetricsError
from deeprac.layout import Layout

IDENTITY = ("cohort", "experiment", "fold", "seed")
"""Columns and entries that say to which run a row or a record belongs."""


@dataclass(frozen=True)
class RunKey:
    """Names one run: experiment x seed x fold."""

    cohort: str
    experiment: str
    seed: int
    fold: int

    def __str__(self) -> str:
        return f"{self.experiment}, seed {self.seed}, fold {self.fold}"

    @property
    def parts(self) -> tuple[str, int, int]:
        """Experiment, seed and fold, as the paths of ``Layout`` are asked for."""
        return self.experiment, self.seed, self.fold

    def folder(self, layout: Layout) -> Path:
        """Folder of the run."""
        return layout.run(self.experiment, self.seed, self.fold)

    def again(self, verb: str) -> str:
        """What the user runs where a file of the run is missing or foreign."""
        return (
            f"Run `deeprac {verb} --experiment {self.experiment} --seed {self.seed} "
            f"--fold {self.fold}` with the config of the cohort."
        )

    def sign(self, table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
        """The columns of a table of the run, ``IDENTITY`` filled in."""
        return table.assign(**asdict(self))[list(columns)]

    def check_table(self, table: pd.DataFrame, path: Path, *, remedy: str) -> None:
        """All rows of a table belong to the run.

        Args:
            table: columns ``IDENTITY``.
            path: where the table is from.
            remedy: what the user does otherwise.

        Raises:
            MetricsError: A row belongs to another run.
        """
        for column in IDENTITY:
            expected = getattr(self, column)
            foreign = table[table[column] != expected]
            if len(foreign):
                raise MetricsError(
                    f"{path} belongs to {column} {expected!r} but has a row of "
                    f"{foreign[column].tolist()[0]!r}. {remedy}"
                )


def selected_runs(config: Config) -> Iterator[RunKey]:
    """All runs that the configuration selects, in its own order."""
    for experiment in config.run.experiments:
        for seed in config.run.seeds:
            for fold in config.run.folds:
                yield RunKey(config.cohort.name, experiment, seed, fold)
