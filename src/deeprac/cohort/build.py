"""Writing a cohort folder case by case: resumable, reporting every problem at once.

Every case is checked and inspected on the way, so that the workflow reads it once.
``frames.csv``, the grids of the sources, and ``cases.csv`` come last, and not at all
while there are errors.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deeprac import files
from deeprac.cohort.case import Source, write_case
from deeprac.cohort.check import CHECK, PAGE, Check, write_tables
from deeprac.cohort.formats import open_source
from deeprac.cohort.frame import FRAME_COLUMNS, frames_table
from deeprac.cohort.grid import Grid
from deeprac.cohort.inspection import Inspect, Inspected
from deeprac.cohort.passes import Outcome, Sidecars, remove_leftovers, run_pass
from deeprac.cohort.pseudonyms import is_pseudonym
from deeprac.errors import CohortError
from deeprac.labels import CohortLabels
from deeprac.records.case_split import CV
from deeprac.records.cases import CASES_COLUMNS, CaseRow, write_cases
from deeprac.settings.cohort import CohortConfig


def build_cohort(
    config: CohortConfig,
    folder: Path,
    *,
    folds: int = 1,
    workers: int = 1,
    report: Callable[[Check], object] = lambda check: None,
) -> list[CaseRow]:
    """Check and write all cases of a cohort, then ``dataset.json`` and ``cases.csv``.

    Args:
        config: the cohort's settings.
        folder: the cohort folder.
        folds: ``splits.folds``.
        workers: processes that make cases at the same time.
        report: called with what was found, before an error stops everything.

    Returns:
        One row per case, in the source's order.

    Raises:
        CohortError: something cannot be used; what could be made is kept.
    """
    source = open_source(config)
    _refuse_renaming(config, folder, source.names())
    # The tables mean that the cohort is complete: no old ones may outlive a problem.
    for table in ("cases.csv", "frames.csv"):
        (folder / table).unlink(missing_ok=True)
    remove_leftovers(folder)
    _remove_strangers(folder, source.names())
    task = Convert(folder, Inspect(folder / CHECK))
    outcome = run_pass(source, task, workers=workers, title="cohort")
    kept = {name: converted.inspected for name, converted in outcome.made.items()}
    inspected = Outcome(outcome.names, kept, outcome.failed)
    check = Check.of(inspected, source, folds=folds)
    write_tables(check.without_paths(config), folder / CHECK)
    report(check)
    check.refuse_errors(folder / CHECK / PAGE)
    rows = [converted.row for converted in outcome.made.values()]
    training = sum(row.split == CV for row in rows)
    dataset = dataset_json(config.kept_labels, training)
    files.write_json(folder / "dataset.json", dataset)
    frames = {name: converted.frame for name, converted in outcome.made.items()}
    files.write_csv(folder / "frames.csv", frames_table(frames))
    write_cases(folder / "cases.csv", rows)
    return rows


def dataset_json(labels: CohortLabels, cases: int) -> dict[str, Any]:
    """nnU-Net's description of a cohort of that many cases."""
    return {
        "channel_names": {"0": "CT"},
        "labels": labels.numbers,
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }


@dataclass(frozen=True)
class Converted:
    """What was made of one case."""

    row: CaseRow
    frame: Grid
    inspected: Inspected


@dataclass(frozen=True)
class Convert:
    """The task of the conversion: write a case, and inspect it while it is there."""

    folder: Path
    inspect: Inspect

    def finished(self, name: str, settings: str) -> Converted | None:
        """A case that is already there, made with the same settings."""
        done = _sidecars(self.folder).read(name, settings)
        inspected = self.inspect.finished(name, settings)
        if done is None or inspected is None:
            return None
        row = CaseRow(**done["row"])
        if not all((self.folder / path).is_file() for path in (row.image, row.label)):
            return None
        return Converted(row, Grid.from_json(done["frame"]), inspected)

    def make(self, source: Source, name: str, settings: str) -> Converted:
        """Load, write and inspect one case."""
        case = source.load(name)
        row = write_case(case, self.folder)
        inspected = self.inspect.keep(case, settings)
        # Cases that are made in the canonical frame are their own source.
        frame = case.frame or Grid.of(case.image)
        content = {"row": asdict(row), "frame": frame.as_json()}
        _sidecars(self.folder).write(name, settings, content)
        return Converted(row, frame, inspected)


def _refuse_renaming(config: CohortConfig, folder: Path, names: Sequence[str]) -> None:
    """A new key would rename all cases and have everything trained anew."""
    there = set(filter(is_pseudonym, _sidecars(folder).names()))
    if config.pseudonyms and there and there.isdisjoint(names):
        raise CohortError(
            f"{folder} holds {len(there)} cases, none of which the source has under "
            f"the key in {config.private}. Restore the key with which they were made; "
            "or, if these are other patients, choose another cohort.name."
        )


def _remove_strangers(folder: Path, names: Sequence[str]) -> None:
    """Delete cases that an earlier configuration left here, and they alone."""
    sidecars = _sidecars(folder)
    for name in set(sidecars.names()) - set(names):
        row = files.read_json(sidecars.path(name))["row"]
        for path in (row["image"], row["label"]):
            (folder / path).unlink(missing_ok=True)
        sidecars.path(name).unlink()


def _sidecars(folder: Path) -> Sidecars:
    return Sidecars(folder, (CASES_COLUMNS, FRAME_COLUMNS))
