"""Steps of post-processing, chosen on the predictions of cases that no fold saw."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from deeprac.errors import RunError
from deeprac.labels import CohortLabels
from deeprac.layout import Layout
from deeprac.records.case_split import CV, of_split
from deeprac.records.run_key import RunKey
from deeprac.records.splits import held_out_cases
from deeprac.surgery.choose_steps import HeldOut, choose
from deeprac.surgery.postprocess import Postprocessing
from deeprac.volumes import read_volume


def chosen_steps(
    runs: Sequence[RunKey], layout: Layout, labels: CohortLabels
) -> Postprocessing:
    """Keep the steps that help on the held-out cases of the runs.

    Args:
        runs: of the folds, predicted.
        layout: of the results.
        labels: of the cohort.

    Raises:
        RunError: a prediction is missing.
        SplitError: there is no such fold.
        CohortError: a label map cannot be read.
    """
    cases = []
    for run in runs:
        table = held_out_cases(
            layout.cases_csv, layout.splits, run.fold, ("case", "label")
        )
        # A step that is chosen on test cases would be trained on them.
        for row in of_split(table, CV).itertuples():
            prediction = run.folder(layout) / "predictions" / f"{row.case}.nii.gz"
            if not prediction.is_file():
                raise RunError(f"{prediction} is missing. {run.again('predict')}")
            cases.append(partial(_read, prediction, layout.cohort / str(row.label)))
    return choose(cases, labels)


def _read(prediction: Path, label: Path) -> HeldOut:
    found, grid = read_volume(prediction)
    truth, _ = read_volume(label)
    return HeldOut(found, truth, grid.GetSpacing()[::-1])
