"""How the names of volume files end, by format."""

from pathlib import Path

NIFTI = (".nii", ".nii.gz")
NRRD = (".nrrd", ".nhdr")
META_IMAGE = (".mha", ".mhd")
SEGMENTS = (".seg.nrrd", ".seg.nhdr")
"""How 3D Slicer ends the names of segmentations."""

VOLUMES = NIFTI + NRRD + META_IMAGE
"""Endings of the formats that are read; all of them keep spacing and axes."""


def without_ending(path: Path) -> str:
    """Name of a volume's file without its ending.

    Example:
        >>> without_ending(Path("labelsTr/case.1.nii.gz"))
        'case.1'
    """
    endings = sorted(SEGMENTS + VOLUMES, key=len, reverse=True)
    ending = next((e for e in endings if path.name.lower().endswith(e)), "")
    return path.name[: len(path.name) - len(ending)]
