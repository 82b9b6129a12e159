"""3D Slicer's segmentations, NRRD files that name their numbers.

Segments lie in one or more layers, and their names count whatever the file's name ends
with. Slicer may store only the part of the grid that holds segments: its first voxel is
at the file's origin.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deeprac.cohort import volume_files
from deeprac.cohort.endings import NRRD, SEGMENTS
from deeprac.cohort.findings import CaseError, Finding
from deeprac.cohort.nrrd_header import read_nrrd_header
from deeprac.cohort.reader import Segmentation

_FIELD = re.compile(r"Segment(?P<index>\d+)_(?P<key>ID|Name|Layer|LabelValue)")


def holds_segments(path: Path) -> bool:
    """Whether a label file names its numbers itself.

    Raises:
        CaseError: its header cannot be read.
    """
    name = path.name.lower()
    if name.endswith(SEGMENTS):
        return True
    if not name.endswith(NRRD):
        return False
    volume_files.check_bytes(path)
    return bool(_segments(read_nrrd_header(path).fields))


def read_segmentations(
    path: Path, expected: Mapping[int, str]
) -> tuple[tuple[Segmentation, ...], list[Finding]]:
    """Read the layers of a segmentation; segments of one layer do not overlap.

    ``expected`` has the name of each number from elsewhere than the file. It is kept
    with one layer that does not end as Slicer's segmentations; nothing else knows the
    numbers of several layers or of what Slicer stores for itself.

    Returns:
        One segmentation per layer that has segments, and what was found.

    Raises:
        CaseError: the file cannot be read, or has no segments.
    """
    volumes, findings = volume_files.read_layers(path)
    segments = _segments(read_nrrd_header(path).fields)
    names = names_by_layer(segments)
    if not names or max(names) >= len(volumes):
        raise CaseError.of(
            "file",
            f"it tells of {len(segments)} segments in {len(volumes)} layers. Save it "
            "again in 3D Slicer, as a segmentation",
        )
    binding = len(volumes) == 1 and not path.name.lower().endswith(SEGMENTS)
    return tuple(
        Segmentation(volumes[layer], names[layer], expected if binding else {})
        for layer in sorted(names)
    ), findings


def names_by_layer(
    segments: Mapping[int, Mapping[str, str]],
) -> dict[int, dict[int, str]]:
    """Name of each label value by layer, as 3D Slicer itself reads them.

    Before segments shared layers, each was written as 1 into a layer of its own,
    without value and layer. ``segments`` has the header's fields of each by its index.

    Raises:
        CaseError: layers or values are no numbers, or two segments share one.
    """
    names: dict[int, dict[int, str]] = defaultdict(dict)
    for index, segment in segments.items():
        try:
            layer = int(segment.get("Layer", index))
            value = int(segment.get("LabelValue", 1))
        except ValueError as error:
            raise CaseError.of(
                "file",
                f"layer and value of its segment {index} are no whole numbers. Save it "
                "again in 3D Slicer",
            ) from error
        if value in names[layer]:
            raise CaseError.of(
                "file",
                f"two of its segments have the value {value} in layer {layer}. Save it "
                "again in 3D Slicer",
            )
        names[layer][value] = segment.get("Name", segment.get("ID", "no name"))
    return dict(names)


def _segments(fields: Mapping[str, Any]) -> dict[int, dict[str, str]]:
    """A header's fields of each segment, by its index, sorted."""
    segments: dict[int, dict[str, str]] = defaultdict(dict)
    for key, value in fields.items():
        if match := _FIELD.fullmatch(key):
            segments[int(match["index"])][match["key"]] = value
    return dict(sorted(segments.items()))
