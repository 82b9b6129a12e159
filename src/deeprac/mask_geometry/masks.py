"""Finding and reading label masks without their images.

A folder holds the ``case_*`` folders of a KiTS challenge, or label maps whose file
names are the cases'. A case that several folders hold is one; the first mask found is
its own, and what single annotators drew is compared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from deeprac.cohort import frame, label_map
from deeprac.cohort.case_files import Labels
from deeprac.cohort.endings import VOLUMES
from deeprac.cohort.findings import CaseError, refuse_errors
from deeprac.cohort.grid import Grid
from deeprac.cohort.kits import KITS19, KITS21, KITS23, KitsLabel
from deeprac.errors import CohortError, SurgeryError
from deeprac.labels import Label, source_names
from deeprac.surgery.read_labels import read_labels

ANNOTATORS_ALONE = replace(KITS23, files={}, instances=".")
"""Folders of KiTS with nothing but what the annotators drew."""

LAYOUTS = (KITS21, KITS23, KITS19, ANNOTATORS_ALONE)
"""The first in which a case has an annotation is the folder's."""

Read = Callable[[], sitk.Image]


@dataclass(frozen=True)
class Masks:
    """The masks of one case.

    Attributes:
        case: its name, of the folder or file.
        readers: by annotation, the case's own first; each returns kidney 1 and tumour
            2, uint8, axes ordered LPS.
    """

    case: str
    readers: Mapping[str, Read]

    def read(self, annotation: str | None = None) -> sitk.Image:
        """Read a mask, the case's own by default.

        Raises:
            CohortError: it cannot be read, or shows nothing.
        """
        reader = self.readers[annotation or next(iter(self.readers))]
        try:
            volume = frame.ordered(reader())
            refuse_errors(frame.frame_findings(volume))
        except (CaseError, SurgeryError) as error:
            raise CohortError(f"{self.case}: {error}") from error
        if not sitk.GetArrayViewFromImage(volume).any():
            raise CohortError(
                f"a mask must show kidney or tumour; {self.case} shows neither. "
                "Correct the mask or leave the case out."
            )
        return volume

    @property
    def annotators(self) -> list[str]:
        """Annotations by single annotators, which have numbers."""
        return [name for name in self.readers if name.isdecimal()]


def find_masks(folders: Sequence[Path], names: Sequence[str] = ()) -> list[Masks]:
    """List the cases of folders, by name.

    Args:
        folders: the first one that has a case holds its own mask.
        names: what the numbers 1, 2, ... of label maps mean; none: as dataset.json
            beside them says. KiTS is known.

    Raises:
        CohortError: a folder holds no masks.
    """
    found: dict[str, dict[str, Read]] = {}
    for folder in folders:
        cases = dict(_in_folder(folder, names))
        if not cases:
            raise CohortError(
                f"a folder of masks holds case folders of KiTS or label maps "
                f"({', '.join(VOLUMES)}); {folder} holds neither. Give such a folder."
            )
        for case, readers in cases.items():
            # Of one annotation the first holds.
            found[case] = readers | found.get(case, {})
            found[case] = _own_first(found[case])
    return [Masks(case, readers) for case, readers in sorted(found.items())]


def _own_first(readers: Mapping[str, Read]) -> dict[str, Read]:
    """Aggregated masks before those of single annotators."""
    return dict(sorted(readers.items(), key=lambda item: item[0].isdecimal()))


def _in_folder(
    folder: Path, names: Sequence[str]
) -> Iterator[tuple[str, dict[str, Read]]]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir():
            for edition in LAYOUTS:
                label = KitsLabel(path, edition, "majority")
                if annotations := label.annotations:
                    yield (
                        path.name,
                        {
                            name: partial(_read_kits, _annotated(label, name))
                            for name in annotations
                        },
                    )
                    break
        elif path.name.lower().endswith(VOLUMES):
            ending = next(e for e in VOLUMES if path.name.lower().endswith(e))
            yield path.name[: -len(ending)], {"mask": partial(_read_file, path, names)}


def _annotated(label: KitsLabel, name: str) -> KitsLabel:
    return replace(label, annotation=int(name) if name.isdecimal() else name)


def _read_kits(label: KitsLabel) -> sitk.Image:
    segmentations, findings = label.read()
    refuse_errors(findings)
    return _merged(segmentations)


def _merged(segmentations: Labels) -> sitk.Image:
    arrays = [(sitk.GetArrayViewFromImage(s.volume), s.names) for s in segmentations]
    merged, findings = label_map.merge(
        arrays, source_names("kits", {}), kidney_needed=False
    )
    refuse_errors(findings)
    return Grid.of(segmentations[0].volume).volume(merged)


def _read_file(path: Path, names: Sequence[str]) -> sitk.Image:
    labelled = read_labels(path, names)
    numbers = sitk.GetArrayFromImage(labelled.label)
    return Grid.of(labelled.label).volume(_united(numbers, labelled.labels.numbers))


def _united(numbers: NDArray, meaning: Mapping[str, int]) -> NDArray[np.uint8]:
    """Kidney 1, tumour 2; the sides are one, and cysts belong to the kidney."""
    known = np.zeros(max(meaning.values()) + 1, np.uint8)
    for title, number in meaning.items():
        known[number] = Label.TUMOUR if title == "tumour" else Label.KIDNEY
    known[0] = Label.BACKGROUND
    return known[numbers]
