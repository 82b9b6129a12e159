"""Settings of pretraining: what trainings take of another cohort's results."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deeprac.settings.methods import Experiment, Method


@dataclass(frozen=True)
class PretrainingConfig:
    """The results of another cohort, which of its networks, and whose intensities."""

    results: Path | None
    fold: int
    seed: int | str
    fingerprint: str

    def seed_for(self, seed: int) -> int:
        """Seed of the network from which the run of a seed starts."""
        return seed if isinstance(self.seed, str) else self.seed


def impossible_starts(
    pretraining: PretrainingConfig,
    own: Path,
    rows: list[Experiment],
    methods: Mapping[str, Method],
) -> Iterator[str]:
    """Say which experiments have nothing to take from, or their own results.

    Args:
        pretraining: the section.
        own: folder of the cohort's own results.
        rows: the selected experiments.
        methods: by name; others are an error of their own.
    """
    known = [(row, methods[row.method]) for row in rows if row.method in methods]
    named = [row.name for row, method in known if method.takes_from_another]
    if named and pretraining.results is None:
        yield (
            f"pretraining.results is null, but {', '.join(named)} start from the "
            "weights of another cohort, or draw from its slices. Name the folder of "
            "its results, or leave the experiments out"
        )
    pooled = [row.name for row, method in known if method.other_share]
    if pooled and pretraining.fingerprint == "own":
        yield (
            f"pretraining.fingerprint is own, but {', '.join(pooled)} draw from slices "
            "of both cohorts, which one fingerprint has to normalise. Set it to "
            "pretraining, or leave the experiments out"
        )
    if pretraining.results and os.path.abspath(pretraining.results) == os.path.abspath(
        own
    ):
        yield (
            f"pretraining.results is {pretraining.results}: the folder of these very "
            "results, from which nothing can start. Name that of another cohort"
        )
    for row, method in known:
        if method.zero_shot and row.epochs:
            yield (
                f"experiments.{row.name}.epochs is {row.epochs}, but the method "
                f"{row.method} is zero-shot and trains nothing. Leave it out"
            )
