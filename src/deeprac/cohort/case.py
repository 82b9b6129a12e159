"""One case in the canonical frame, and how it is written into the cohort folder.

Convention: the canonical frame is LPS. Arrays are [z, y, x]: x grows to the patient's
left, y to posterior, z to superior; row 0 is anterior. Sizes, spacings, origins and
directions are in SimpleITK's order (x, y, z), in mm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from deeprac.cohort.findings import Finding
from deeprac.cohort.frame import FRAME
from deeprac.cohort.grid import Grid
from deeprac.errors import CohortError
from deeprac.files import NAME_RULE, foreign_names, sha256_of
from deeprac.labels import KIDNEY_AND_TUMOUR, CohortLabels, Label
from deeprac.records.case_split import CV, TEST
from deeprac.records.cases import CaseRow
from deeprac.volumes import write_volume


class Side(StrEnum):
    """Side of the tumour."""

    NONE = "none"
    """No tumour."""
    LEFT = "left"
    """The patient's left: larger x."""
    RIGHT = "right"
    """The patient's right: smaller x."""
    BILATERAL = "bilateral"
    """Separate tumours on both sides."""


@dataclass(frozen=True)
class Similarity:
    """A phantom's true similarity from the canonical frame to the image.

    Convention: both frames are in mm about their centre, x to the patient's left, y to
    posterior: ``p_image = scale * R(angle) @ p_canonical + shift`` with
    ``R = [[cos, -sin], [sin, cos]]``. The image's centre lies in the middle between the
    first and the last pixel centre.
    """

    scale: float
    angle_rad: float
    shift_x_mm: float
    shift_y_mm: float


@dataclass(frozen=True)
class Case:
    """CT volume and label map of one patient in the canonical frame.

    ``image`` holds int16 or float32 values, ``label`` uint8 numbers of ``labels``,
    ``frame`` is the grid of the source's image, ``split`` is ``cv`` or ``test``.
    """

    name: str
    patient: str
    image: sitk.Image
    label: sitk.Image
    side: Side
    age_years: float | None = None
    similarity: Similarity | None = None
    frame: Grid | None = None
    findings: tuple[Finding, ...] = ()
    labels: CohortLabels = KIDNEY_AND_TUMOUR
    split: str = CV

    def __post_init__(self) -> None:
        if foreign := foreign_names([self.name, self.patient]):
            raise CohortError(f"{NAME_RULE}, not {foreign[0]!r}. Rename it.")
        if (orientation := Grid.of(self.image).orientation) != FRAME:
            raise CohortError(
                f"case {self.name} is oriented {orientation}, not {FRAME}. "
                "Reorient image and label before a Case is made."
            )
        if self.image.GetSize() != self.label.GetSize():
            raise CohortError(
                f"case {self.name}: the image has {self.image.GetSize()} voxels, the "
                f"label {self.label.GetSize()}. Give both on one grid."
            )

    def volume_ml(self, *numbers: int) -> float:
        """Volume of all voxels with these numbers of ``labels``."""
        label = sitk.GetArrayViewFromImage(self.label)
        voxel_ml = float(np.prod(self.image.GetSpacing())) / 1000
        return sum(np.count_nonzero(label == number) for number in numbers) * voxel_ml


class Source(Protocol):
    """Where cases come from; one implementation per format.

    Cases are loaded one at a time, so that a cohort never has to fit into memory.
    ``load`` raises ``CohortError`` when a case cannot be used.
    """

    def names(self) -> list[str]:
        """Names of the cases, in a fixed order."""

    def settings(self, name: str) -> Mapping[str, Any]:
        """Everything that the case depends on, as JSON values."""

    def load(self, name: str) -> Case:
        """Load or generate one case, checked."""

    def where(self, names: Sequence[str]) -> str:
        """Where the files of cases are, in words; empty where there are none."""


def write_case(case: Case, folder: Path) -> CaseRow:
    """Write image and label as an nnU-Net raw pair and return their row."""
    ending = "Ts" if case.split == TEST else "Tr"
    image = Path(f"images{ending}") / f"{case.name}_0000.nii.gz"
    label = Path(f"labels{ending}") / f"{case.name}.nii.gz"
    for path, volume in ((image, case.image), (label, case.label)):
        write_volume(volume, folder / path)
    return CaseRow(  # type: ignore[misc]  # two calls give three numbers each
        case.name,
        case.patient,
        image.as_posix(),
        label.as_posix(),
        *case.image.GetSize(),
        *case.image.GetSpacing(),
        age_years=case.age_years,
        side=case.side.value,
        kidney_ml=case.volume_ml(*case.labels.kidney),
        tumour_ml=case.volume_ml(Label.TUMOUR),
        label_sha256=sha256_of(folder / label),
        image_sha256=sha256_of(folder / image),
        **(asdict(case.similarity) if case.similarity else {}),
        split=case.split,
    )


def tumour_side(image: np.ndarray, label: np.ndarray) -> Side:
    """Side of the tumour, by image and label map [z, y, x] of a canonical case.

    Connected tumours of at least a tenth of the whole count on the side of the body's
    middle on which their centre lies. The middle is the mean x of what is brighter than
    the mean, so it needs no unit.
    """
    tumour = label == Label.TUMOUR
    if not tumour.any():
        return Side.NONE
    # Slice by slice and within the tumour's box: a large volume is not copied.
    mean = image.mean()
    bright = sum(np.count_nonzero(one > mean, axis=0) for one in image)
    (box,) = ndimage.find_objects(tumour.view(np.uint8))
    tumour = tumour[box]
    middle = float(np.average(np.arange(image.shape[2]), weights=bright)) - box[2].start
    parts, count = ndimage.label(tumour)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    numbers = [i + 1 for i in range(count) if sizes[i] >= 0.1 * sizes.sum()]
    if not numbers:
        numbers = [int(np.argmax(sizes)) + 1]
    centres = ndimage.center_of_mass(tumour, parts, numbers)
    sides = {Side.LEFT if centre[2] > middle else Side.RIGHT for centre in centres}
    return Side.BILATERAL if len(sides) == 2 else sides.pop()
