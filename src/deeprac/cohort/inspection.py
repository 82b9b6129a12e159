"""What is kept of every case that was read: numbers, findings and one slice.

Both ways through a cohort leave it, the conversion and the check, so that neither reads
again what the other has read.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from deeprac import files
from deeprac.cohort.case import Case, Source
from deeprac.cohort.findings import Finding
from deeprac.cohort.grid import Grid
from deeprac.cohort.passes import Sidecars
from deeprac.labels import CYST, Label
from deeprac.records.case_split import CV, SPLIT

VERSION = 1
"""Raised whenever the same case would give other numbers or another slice."""

SLICE_PIXELS = 256
"""Longest side of the slice that is kept."""

SAMPLE_VOXELS = 2_000_000
"""Percentiles are taken over about this many voxels, evenly spread."""


@dataclass(frozen=True)
class Inspection:
    """A case in numbers; with its worst severity, a row of ``check/cases.csv``.

    ``orientation`` is the source's, in DICOM's letters. Intensities are percentiles in
    HU, or in grey values where the cohort says so, over the whole image; of
    ``kidney_median``, over the kidney.
    """

    case: str
    patient: str
    size_x: int
    size_y: int
    size_z: int
    spacing_x_mm: float
    spacing_y_mm: float
    spacing_z_mm: float
    orientation: str
    age_years: float | None
    side: str
    kidney_ml: float
    tumour_ml: float
    cyst_ml: float
    intensity_p1: float
    intensity_p50: float
    intensity_p99: float
    kidney_median: float | None
    voxels_sha256: str
    split: str = CV

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Extent of the image (x, y, z)."""
        return (
            self.size_x * self.spacing_x_mm,
            self.size_y * self.spacing_y_mm,
            self.size_z * self.spacing_z_mm,
        )


COLUMNS: tuple[str, ...] = tuple(
    field.name for field in fields(Inspection) if field.name != SPLIT
)
"""Columns of ``check/cases.csv``, but the last, the worst severity."""


@dataclass(frozen=True)
class KidneySlice:
    """The axial slice through the middle of the kidneys, shrunk.

    ``image`` and ``label`` are (h, w): row 0 is anterior, x grows to the patient's
    left. Kidneys left and right are united in ``label``.
    """

    image: NDArray
    label: NDArray[np.uint8]

    @classmethod
    def of(
        cls, image: NDArray, label: NDArray[np.uint8], kidney: NDArray[np.bool_]
    ) -> "KidneySlice":
        """Take it from a canonical case and the mask of its kidneys, all [z, y, x].

        Half of the kidneys lies above it; without kidney half of what is labelled, and
        without any label it is the middle slice.
        """
        area = np.count_nonzero(kidney, axis=(1, 2))
        if not area.any():
            area = np.count_nonzero(label, axis=(1, 2))
        z = len(label) // 2
        if area.any():
            z = int(np.searchsorted(np.cumsum(area), area.sum() / 2))
        step = -(-max(label.shape[1:]) // SLICE_PIXELS)
        united = np.where(kidney[z], np.uint8(Label.KIDNEY), label[z])
        return cls(_block_means(image[z], step), united[::step, ::step])

    def write(self, path: Path) -> None:
        """Write as a compressed ``.npz``."""
        with files.atomic_path(path) as temporary:
            np.savez_compressed(temporary, image=self.image, label=self.label)

    @classmethod
    def read(cls, path: Path) -> "KidneySlice":
        """Read what ``write`` wrote."""
        with np.load(path) as content:
            return cls(content["image"], content["label"])


def _block_means(image: NDArray, step: int) -> NDArray[np.float32]:
    """Means of blocks of step x step pixels; those at the far edges may be smaller."""
    padded = np.pad(image, [(0, -side % step) for side in image.shape], mode="edge")
    high, wide = (side // step for side in padded.shape)
    blocks = padded.reshape(high, step, wide, step)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def inspect(case: Case) -> tuple[Inspection, KidneySlice]:
    """Measure a case and take its slice."""
    image = sitk.GetArrayViewFromImage(case.image)
    label = sitk.GetArrayViewFromImage(case.label)
    kidney = np.isin(label, case.labels.kidney)
    kidney_values = image[kidney]
    p1, p50, p99 = _percentiles(image, (1, 50, 99))
    inspection = Inspection(  # type: ignore[misc]  # as in write_case
        case.name,
        case.patient,
        *case.image.GetSize(),
        *case.image.GetSpacing(),
        orientation=(case.frame or Grid.of(case.image)).orientation,
        age_years=case.age_years,
        side=case.side.value,
        kidney_ml=case.volume_ml(*case.labels.kidney),
        tumour_ml=case.volume_ml(Label.TUMOUR),
        cyst_ml=case.volume_ml(CYST) if case.labels.cysts else 0.0,
        intensity_p1=p1,
        intensity_p50=p50,
        intensity_p99=p99,
        kidney_median=float(np.median(kidney_values)) if kidney_values.size else None,
        voxels_sha256=_voxels_sha256(image),
        split=case.split,
    )
    return inspection, KidneySlice.of(image, label, kidney)


def _percentiles(image: NDArray, shares: tuple[int, ...]) -> list[float]:
    """Percentiles over pixels at equal distances of every slice."""
    step = max(1, int((image.size / SAMPLE_VOXELS) ** 0.5))
    sample = image[:, step // 2 :: step, step // 2 :: step]
    return [float(value) for value in np.percentile(sample, shares)]


def _voxels_sha256(image: NDArray) -> str:
    """Hash of size and voxels, whatever the file, its name and its header."""
    digest = sha256(str((image.shape, image.dtype.str)).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


Inspected = tuple[Inspection, tuple[Finding, ...]]
"""What was kept of one case: its numbers, and what was found in it."""


@dataclass(frozen=True)
class Inspect:
    """The task of the check: read a case, keep its inspection and write nothing else.

    ``folder`` is ``check`` in the cohort folder.
    """

    folder: Path

    def finished(self, name: str, settings: str) -> Inspected | None:
        """The inspection of an earlier pass with the same settings."""
        done = _sidecars(self.folder).read(name, settings)
        if done is None or not slice_path(self.folder, name).is_file():
            return None
        found = tuple(Finding.of(stored) for stored in done["findings"])
        return Inspection(**done["inspection"]), found

    def make(self, source: Source, name: str, settings: str) -> Inspected:
        """Load and inspect a case."""
        return self.keep(source.load(name), settings)

    def keep(self, case: Case, settings: str) -> Inspected:
        """Inspect a case that is loaded already."""
        inspection, middle = inspect(case)
        middle.write(slice_path(self.folder, case.name))
        found = [asdict(finding) for finding in case.findings]
        content = {"inspection": asdict(inspection), "findings": found}
        _sidecars(self.folder).write(case.name, settings, content)
        return inspection, case.findings


def slice_path(folder: Path, name: str) -> Path:
    """Where the check keeps the slice of a case."""
    return _sidecars(folder).path(name, ".npz")


def remove_strangers(folder: Path, names: Collection[str]) -> None:
    """Delete what the check keeps of cases that the cohort has no more."""
    for path in (folder / ".done").glob("*.*"):
        if path.stem not in names:
            path.unlink()


def _sidecars(folder: Path) -> Sidecars:
    return Sidecars(folder, (COLUMNS, VERSION))
