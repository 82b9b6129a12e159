"""A cohort in the shape of another one's training patients, in nnU-Net's raw layout."""

import logging
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray
from tqdm import tqdm

from deeprac.cohort.build import dataset_json
from deeprac.config import Config
from deeprac.errors import CohortError
from deeprac.files import atomic_folder, read_json, write_csv, write_json
from deeprac.geometry.levels import kidney_slices
from deeprac.geometry.velocity_fit import ITERATIONS
from deeprac.layout import Layout
from deeprac.preprocessing.deformed import (
    PosedCase,
    deformed,
    fit_fields,
    slice_spacing_mm,
)
from deeprac.preprocessing.intensity import normalised, normalised_air
from deeprac.records.case_poses import CasePose, read_case_poses
from deeprac.records.case_split import CV, of_split
from deeprac.records.cases import read_cases
from deeprac.records.splits import Split, read_splits
from deeprac.volumes import read_volume, write_label_map, write_volume

FITS = "fits.csv"
FIT_COLUMNS = (
    *("case", "towards", "kidney_dice_before", "kidney_dice_after"),
    *("weakened_fields", "inverse_error_px"),
)
"""One row per case of ``fits.csv``; see ``deformed.FittedFields``."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cohort:
    """A cohort whose case poses are known, read case by case.

    Attributes:
        config: its configuration.
        fingerprint: intensities by which images are normalised.
    """

    config: Config
    fingerprint: dict[str, Any]

    @property
    def layout(self) -> Layout:
        """Where it lies."""
        return Layout.of(self.config)

    def cases(self) -> pd.DataFrame:
        """Rows of its cases that lie in folds."""
        return of_split(read_cases(self.layout.cases_csv), CV)

    def poses(self) -> dict[str, CasePose]:
        """Size and pose of every case."""
        return read_case_poses(self.layout.case_poses)

    def labels(self, row: Any) -> NDArray:
        """Label numbers (slices, height, width) of a case of ``cases.csv``."""
        return read_volume(self.layout.cohort / row.label)[0]

    def read(self, row: Any, pose: CasePose) -> tuple[PosedCase, sitk.Image]:
        """Read a case of ``cases.csv``, and the image with its geometry."""
        image, geometry = read_volume(self.layout.cohort / row.image)
        labels = self.labels(row)
        z, y, x = geometry.GetSpacing()[::-1]
        normal = normalised(image, self.fingerprint)
        posed = PosedCase(image, normal, labels, (z, y, x), pose.best_known)
        return posed, geometry


def deform_cohort(
    config: Config,
    towards: Config,
    patients: Sequence[str],
    out: Path,
    *,
    iterations: int = ITERATIONS,
    seed: int = 0,
) -> pd.DataFrame:
    """Write every case of a cohort as if it were of another one.

    That is, every one whose kidneys lie whole in the volume, in both cohorts: else
    slices do not correspond. It gets the size, pose, position and shape of a patient
    who is drawn among those with a tumour on the same side; among all where there is
    none.

    Args:
        config: of the cohort; its test cases are left out. Its splits are known.
        towards: of the other cohort.
        patients: names of the other's cases that may be used: of training patients.
        out: new folder, with ``dataset.json``, ``patients.csv``, ``fits.csv`` and
            ``splits_final.json``: the cohort's own, of the cases that are there.
        iterations: of the fit of velocity fields; 0 leaves shapes as they are.
        seed: of the draw.

    Returns:
        The content of ``fits.csv``.

    Raises:
        CohortError: the cohorts do not fit together, no case of one shows whole
            kidneys, or ``out`` is there.
    """
    if out.exists():
        raise CohortError(
            f"--out names a new folder; {out} is there. Remove it or name another."
        )
    _refuse_misfits(config, towards)
    fingerprint = read_json(Layout.of(towards).fingerprint)
    own, other = Cohort(config, fingerprint), Cohort(towards, fingerprint)
    models = other.cases().set_index("case", drop=False).loc[list(patients)]
    models = _with_whole_kidneys(other, models)
    rng, fits = np.random.default_rng(seed), []
    cases = _with_whole_kidneys(own, own.cases())
    splits = _splits_of(own, set(cases.case))
    own_poses, other_poses = own.poses(), other.poses()
    with atomic_folder(out) as folder:
        for row in tqdm(list(cases.itertuples()), desc="deform", unit="case"):
            alike = models[models.side == row.side]
            pool = alike if len(alike) else models
            model = pool.iloc[int(rng.integers(len(pool)))]
            case, geometry = own.read(row, own_poses[row.case])
            shape, grid = other.read(model, other_poses[model.case])
            air = normalised_air(fingerprint, config.cohort.air)
            fit = fit_fields(case, shape, air=air, iterations=iterations)
            image, labels = deformed(case, shape, fit.velocity, air=config.cohort.air)
            made = _on_grid(image, geometry, grid, slice_spacing_mm(case, shape))
            write_volume(made, folder / "imagesTr" / f"{row.case}_0000.nii.gz")
            write_label_map(folder / "labelsTr" / f"{row.case}.nii.gz", labels, made)
            dice = fit.kidney_dice_before, fit.kidney_dice_after
            sound = fit.weakened, fit.inverse_error_px
            fits.append((row.case, model.case, *dice, *sound))
        table = pd.DataFrame(fits, columns=list(FIT_COLUMNS))
        write_csv(folder / FITS, table)
        write_csv(folder / "patients.csv", cases[["case", "patient"]])
        write_json(folder / own.layout.splits.name, splits)
        described = dataset_json(config.cohort.kept_labels, len(cases))
        write_json(folder / "dataset.json", described)
    return table


def _refuse_misfits(config: Config, towards: Config) -> None:
    """Two cohorts need one meaning of labels, intensities and canonical size."""
    for key, one, other in (
        ("cohort.labels", *(c.cohort.kept_labels.numbers for c in (config, towards))),
        ("cohort.intensity", config.cohort.intensity, towards.cohort.intensity),
        ("cohort.air", config.cohort.air, towards.cohort.air),
        (
            "localiser.canonical_radius",
            *(c.localiser.canonical_radius for c in (config, towards)),
        ),
    ):
        if one != other:
            raise CohortError(
                f"Cohorts {config.cohort.name} and {towards.cohort.name} differ in "
                f"{key}: {one} and {other}. Convert both alike."
            )


def _with_whole_kidneys(cohort: Cohort, rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out cases that show no kidneys, or cut ones: slices are matched along them.

    Raises:
        CohortError: none is left.
    """
    left_out = {}
    for row in rows.itertuples():
        labels = cohort.labels(row)
        if not labels.any():
            left_out[row.case] = "no label"
            continue
        first, count = kidney_slices(labels)
        if first == 0 or first + count == len(labels):
            left_out[row.case] = "kidneys in the first or last slice"
    if left_out:
        name = cohort.config.cohort.name
        said = ", ".join(f"{case} ({why})" for case, why in left_out.items())
        if len(left_out) == len(rows):
            raise CohortError(
                f"Cases are matched along whole kidneys, and no case of cohort {name} "
                f"shows them: {said}. Choose other cases."
            )
        _log.warning("%s: left out, without whole kidneys: %s", name, said)
    return rows[~rows.case.isin(list(left_out))]


def _splits_of(cohort: Cohort, cases: Set[str]) -> list[Split]:
    """The cohort's folds, of some of its cases."""
    return [
        {
            part: [case for case in split[part] if case in cases]
            for part in ("train", "val")
        }
        for split in read_splits(cohort.layout.splits)
    ]


def _on_grid(
    image: np.ndarray, like: sitk.Image, grid: sitk.Image, spacing_z_mm: float
) -> sitk.Image:
    """An image of the voxel type of one image, in the plane of another's."""
    kind = sitk.GetArrayViewFromImage(like).dtype
    if np.issubdtype(kind, np.integer):
        image = np.rint(image)
    made = sitk.GetImageFromArray(image.astype(kind))
    made.SetSpacing((*grid.GetSpacing()[:2], spacing_z_mm))
    made.SetOrigin(grid.GetOrigin())
    made.SetDirection(grid.GetDirection())
    return made
