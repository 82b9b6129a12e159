"""What a configuration will take of the disk, by kind, and what is there already."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from deeprac.config import Config
from deeprac.errors import PreprocessError
from deeprac.estimate.extent import Extent, cohort_extent
from deeprac.fitting import PLANE
from deeprac.layout import Layout
from deeprac.records.case_split import CV, TEST
from deeprac.records.run_key import RunKey, selected_runs
from deeprac.reporting.roles import selected_experiments
from deeprac.space import (
    COPIES,
    FILES,
    bytes_below,
    checkpoints_bytes,
    converted_bytes,
    free_bytes,
    slices_bytes,
    weights_bytes,
)
from deeprac.training.parameters import planned_numbers
from deeprac.training.plans import build_plans, fingerprint_of, preprocessing_plans

FINAL = "checkpoint_final.pth"

NOT_CONVERTED = (
    "known when the cohort is converted: snakemake --cores 4 -- cohort, then ask again"
)
NOT_PLANNED = (
    "known when the cohort is measured: snakemake --cores 4 -- RESULTS/preprocessed/"
    "dataset_fingerprint.json, then ask again"
)


@dataclass(frozen=True)
class Kind:
    """What one kind of file takes of the disk.

    Attributes:
        name: what it is.
        bytes: of all of it, in the end; None where that cannot be known yet.
        there_bytes: of it that is there.
        note: how it was found, or when it will be known.
    """

    name: str
    bytes: int | None
    there_bytes: int
    note: str

    @property
    def needed_bytes(self) -> int:
        """What is still to be written; 0 where it is not known."""
        return max(0, (self.bytes or 0) - self.there_bytes)


@dataclass(frozen=True)
class Disk:
    """What is needed of a disk, by kind, and what it has."""

    kinds: tuple[Kind, ...]
    free_bytes: int

    @property
    def needed_bytes(self) -> int:
        """What is still to be written, as far as it is known."""
        return sum(kind.needed_bytes for kind in self.kinds)

    @property
    def suffices(self) -> bool:
        """Whether what is known to be needed is free."""
        return self.needed_bytes <= self.free_bytes


def estimate_disk(config: Config, *, gpus: int = 1) -> Disk:
    """Estimate what a configuration still takes of the disk of its results.

    Args:
        config: the whole configuration.
        gpus: trainings at the same time.
    """
    layout = Layout.of(config)
    folds, test = (cohort_extent(config, layout, split) for split in (CV, TEST))
    kinds = (
        _cases(layout, cohort_extent(config, layout)),
        *_slices(config, layout, folds),
        *_weights(config, layout, gpus),
        _predictions(config, layout, folds, test),
    )
    return Disk(kinds, free_bytes(layout.root))


def _cases(layout: Layout, extent: Extent | None) -> Kind:
    there = bytes_below(layout.cohort)
    if layout.cases_csv.is_file():
        return Kind("converted cases", there, there, "there")
    if extent is None:
        return Kind("converted cases", None, there, NOT_CONVERTED)
    note = f"{extent.cases} cases, about {extent.slices:.0f} slices"
    return Kind("converted cases", converted_bytes(extent.voxels), there, note)


def _slices(config: Config, layout: Layout, extent: Extent | None) -> Iterator[Kind]:
    """The slices on each matrix."""
    labels = len(config.cohort.kept_labels.foreground)
    for matrix in dict.fromkeys(row.matrix for row in selected_experiments(config)):
        name, there = f"slices on {matrix}", bytes_below(layout.matrix(matrix))
        if (layout.matrix(matrix) / "cases.json").is_file():
            yield Kind(name, there, there, "there")
            continue
        size = _size(config, layout, matrix)
        if extent is None or size is None:
            note = NOT_CONVERTED if extent is None else NOT_PLANNED
            yield Kind(name, None, there, note)
            continue
        count = extent.slices if len(size) == PLANE else extent.cases
        needed = slices_bytes(
            count,
            prod(size),
            cases=extent.cases,
            labels=labels,
            shrunk=count * prod(size) < extent.voxels,
        )
        yield Kind(name, needed, there, "at most, by the rates of CT")


def _size(config: Config, layout: Layout, matrix: str) -> list[float] | None:
    """Size of a slice or volume on a matrix; None of one that is not planned yet."""
    try:
        plans = preprocessing_plans(config, matrix, fingerprint_of(layout))
    except PreprocessError:
        return None
    (configuration,) = plans["configurations"].values()
    return list(configuration["median_image_size_in_voxels"])


def _weights(config: Config, layout: Layout, gpus: int) -> Iterator[Kind]:
    """Final weights, and the checkpoints of the largest trainings that are to come."""
    known, unknown = _stored_numbers(config, layout)
    runs = [run for run in selected_runs(config) if run.experiment in known]
    final = sum(weights_bytes(known[run.experiment]) for run in runs)
    there = sum(_final_bytes(layout, run) for run in runs)
    note = f"; without {', '.join(unknown)}: {NOT_PLANNED}" if unknown else ""
    yield Kind(
        "final weights", final, there, f"runs: {len(runs)}, copies: {COPIES}{note}"
    )
    to_come = [
        checkpoints_bytes(known[run.experiment], config.training.optimiser)
        for run in runs
        if not (run.folder(layout) / FINAL).is_file()
    ]
    largest = sorted(to_come, reverse=True)[:gpus]
    if largest:
        note = f"while they train: {len(largest)}, files: {FILES}"
        yield Kind("checkpoints", sum(largest), 0, note)


def _stored_numbers(config: Config, layout: Layout) -> tuple[dict[str, int], list[str]]:
    """Numbers of each experiment's network, and experiments that are not planned."""
    fingerprint = fingerprint_of(layout)
    classes = len(config.cohort.kept_labels.numbers)
    known: dict[str, int] = {}
    unknown: list[str] = []
    for row in selected_experiments(config):
        try:
            plans = build_plans(config, row, 0, fingerprint)
        except PreprocessError:
            unknown.append(row.name)
        else:
            known[row.name] = planned_numbers(plans, classes)
    return known, unknown


def _final_bytes(layout: Layout, run: RunKey) -> int:
    """Bytes of a run's final weights, in both places."""
    copies = layout.checkpoints(*run.parts).rglob(FINAL)
    found = (run.folder(layout) / FINAL, *copies)
    return sum(path.stat().st_size for path in found if path.is_file())


def _predictions(
    config: Config, layout: Layout, folds: Extent | None, test: Extent | None
) -> Kind:
    """Label maps of every run's held-out and test cases, as large as the cohort's."""
    runs = list(selected_runs(config))
    there = sum(bytes_below(run.folder(layout) / "predictions") for run in runs)
    if folds is None or test is None:
        return Kind("predictions", None, there, NOT_CONVERTED)
    of_run = folds.label_bytes / config.splits.folds + test.label_bytes
    needed = of_run * len(runs)
    return Kind("predictions", round(needed), there, "as large as the label maps")
