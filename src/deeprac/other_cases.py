"""Training cases of another cohort, from which a share of the training slices comes.

The share is a key of a method, ``other_share``: pooled training from scratch, and
rehearsal where the weights come from the other cohort as well. Its preprocessed slices
are read where they lie. What must agree is compared here, from files, before anything
is computed.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deeprac.config import Config
from deeprac.errors import RunError
from deeprac.files import read_json
from deeprac.layout import ENDINGS, Layout
from deeprac.pretraining import INTENSITIES, SHOWN, moved_intensities, source_of
from deeprac.provenance import digest
from deeprac.records.cases import read_cases
from deeprac.records.run_key import RunKey
from deeprac.records.runs import OTHER_CASES, PRETRAINING
from deeprac.records.splits import read_split
from deeprac.settings.effective import differences, effective

POSE_KEYS = ("canonical_radius", "max_log_scale")
"""Keys of the localiser by which the poses of a cohort are measured."""


@dataclass(frozen=True)
class OtherCases:
    """The training cases of a fold of another cohort.

    Attributes:
        layout: of that cohort's results.
        fold: its fold.
        matrix: name of the matrix, there as here.
        share: of the training slices that come from them.
        with_poses: whether their poses are read too.
    """

    layout: Layout
    fold: int
    matrix: str
    share: float
    with_poses: bool

    @cached_property
    def cases(self) -> list[str]:
        """Their names there; none is held out or a test case."""
        return read_split(self.layout.splits, self.fold)["train"]

    def named(self, case: str) -> str:
        """Name of a case here, where one of this cohort may have the same.

        Example:
            >>> adults = Layout(Path("results/adults"))
            >>> OtherCases(adults, 0, "fine", 0.5, False).named("phantom_000")
            'adults/phantom_000'
        """
        return f"{self.layout.root.name}/{case}"

    @property
    def slices(self) -> Path:
        """Folder of their slices."""
        return self.layout.slices(self.matrix)

    @property
    def preprocessed(self) -> Path:
        """What names the slices: written when all are there."""
        return self.layout.matrix(self.matrix) / "cases.json"

    @property
    def files(self) -> list[Path]:
        """What a training that draws from them reads, beside the slices."""
        poses = [self.layout.case_poses] * self.with_poses
        return [self.preprocessed, self.layout.splits, *poses]

    def identity(self) -> dict[str, Any]:
        """What names them in the record of a training that drew from them."""
        made = read_json(self.preprocessed)
        known = (
            made["fingerprint"][INTENSITIES],
            {case: made["cases"][case] for case in self.cases},
        )
        patients = read_cases(self.layout.cases_csv).patient.loc[self.cases]
        return {
            "cohort": read_json(self.layout.config)["cohort"]["name"],
            "fold": self.fold,
            "patients": int(patients.nunique()),
            "cases_sha256": digest(known),
        }


def other_cases_of(config: Config, run: RunKey) -> OtherCases | None:
    """Return the cases of another cohort that a run draws from, checked; None: none.

    Args:
        config: the whole configuration.
        run: one of its runs.

    Raises:
        RunError: they are missing, or have other labels, another matrix or another
            normalisation.
        SplitError: there is no such fold.
    """
    row = config.experiment(run.experiment)
    method, results = config.methods[row.method], config.other_results(row.name)
    if method.other_share is None or results is None:
        return None
    others = OtherCases(
        layout=Layout(results),
        fold=config.pretraining.fold,
        matrix=row.matrix,
        share=method.other_share,
        with_poses=method.front_end.is_supervised,
    )
    if lacking := next(_lacking(others), None):
        raise RunError(
            f"{run} draws from the preprocessed cases of {results}, but "
            f"{lacking}. Run the workflow of that cohort to its end first, or change "
            "the section pretraining."
        )
    if found := list(_unlike(config, others)):
        raise RunError(
            f"{run} draws from the slices of {others.slices}, which are made in "
            f"another way: {'; '.join(found[:SHOWN])}. Give both cohorts the same "
            "settings, or leave the experiment out."
        )
    return others


def taken(config: Config, run: RunKey) -> dict[str, Any]:
    """Return what a run takes of another cohort, by the entries of its record.

    Raises:
        RunError: it is not there or does not fit.
    """
    found = {
        PRETRAINING: source_of(config, run),
        OTHER_CASES: other_cases_of(config, run),
    }
    return {key: part.identity() for key, part in found.items() if part is not None}


def _lacking(others: OtherCases) -> Iterator[str]:
    """What of the cases is not there."""
    layout = others.layout
    needed = (layout.config, layout.dataset_json, layout.cases_csv, *others.files)
    for path in (layout.root, *needed):
        if not path.exists():
            yield f"{path} is missing"
    made = read_json(others.preprocessed)["cases"]
    lost = [
        case
        for case in others.cases
        if case not in made
        or not all((others.slices / f"{case}{end}").is_file() for end in ENDINGS)
    ]
    if lost:
        yield f"{others.slices} lacks {len(lost)} of the {len(others.cases)} cases"


def _unlike(config: Config, others: OtherCases) -> Iterator[str]:
    """What slices and poses hang on and differs: there -> here."""
    there, made = read_json(others.layout.config), read_json(others.preprocessed)
    labels = read_json(others.layout.dataset_json)["labels"]
    own = json.loads(json.dumps(asdict(config.matrices[others.matrix])))
    yield from differences(
        {
            "labels": labels,
            "intensity": there["cohort"]["intensity"],
            "air": there["cohort"]["air"],
            "matrix": _matrix(there["matrices"].get(others.matrix, {})),
            INTENSITIES: made["fingerprint"][INTENSITIES],
        },
        {
            "labels": config.cohort.kept_labels.numbers,
            "intensity": config.cohort.intensity,
            "air": config.cohort.air,
            "matrix": _matrix(own),
            **moved_intensities(config),
        },
    )
    if others.with_poses:
        localiser = asdict(config.localiser)
        yield from differences(
            {"localiser": {key: there["localiser"][key] for key in POSE_KEYS}},
            {"localiser": {key: localiser[key] for key in POSE_KEYS}},
        )


def _matrix(settings: dict[str, Any]) -> dict[str, Any]:
    kept = effective("$defs.matrix", settings)
    return {key: kept[key] for key in kept if key != "batch_size"}
