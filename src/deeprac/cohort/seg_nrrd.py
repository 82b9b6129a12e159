"""3D Slicer's segmentations, ``.seg.nrrd``: segments by name, in one or more layers.

SimpleITK reads voxels and geometry, whichever space (LPS or RAS) the file is in;
slicerio reads what the segments are. Slicer may store only the part of the grid that
holds segments: its first voxel is where the file's origin says.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nrrd
import slicerio

from deeprac.cohort import volume_files
from deeprac.cohort.findings import CaseError, Finding
from deeprac.cohort.reader import Segmentation

ENDING = ".seg.nrrd"
"""How 3D Slicer ends the names of segmentations."""


def read_segmentations(path: Path) -> tuple[tuple[Segmentation, ...], list[Finding]]:
    """Read the layers of a segmentation; segments of one layer do not overlap.

    Returns:
        One segmentation per layer that has segments, and what was found.

    Raises:
        CaseError: the file cannot be read, or tells no segments.
    """
    volumes, findings = volume_files.read_layers(path)
    try:
        segments = slicerio.read_segmentation(str(path), skip_voxels=True)["segments"]
    except (OSError, ValueError, nrrd.NRRDError) as error:
        raise CaseError.of(
            "file",
            "what its header says of segments cannot be read. Save it again in 3D "
            "Slicer",
        ) from error
    names = names_by_layer(segments)
    if not names or max(names) >= len(volumes):
        raise CaseError.of(
            "file",
            f"it tells of {len(segments)} segments in {len(volumes)} layers. Save it "
            "again in 3D Slicer, as a segmentation",
        )
    return tuple(
        Segmentation(volumes[layer], names[layer]) for layer in sorted(names)
    ), findings


def names_by_layer(segments: Sequence[Mapping[str, Any]]) -> dict[int, dict[int, str]]:
    """Name of each label value by layer, as 3D Slicer itself reads them.

    Before segments shared layers, each was written as 1 into a layer of its own, and
    neither value nor layer were told.
    """
    names: dict[int, dict[int, str]] = defaultdict(dict)
    for index, segment in enumerate(segments):
        layer, value = segment.get("layer", index), segment.get("labelValue", 1)
        names[layer][value] = segment.get("name", segment["id"])
    return dict(names)
