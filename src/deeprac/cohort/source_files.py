"""The files of a cohort's source: whether they have changed, and how large they are.

Snakemake asks each time that it plans: files are listed and a few headers read, and
nothing is imported that takes long.
"""

import hashlib
import math
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from deeprac.cohort.dataset_json import read_dataset
from deeprac.cohort.endings import NIFTI
from deeprac.cohort.tables import read_rows
from deeprac.errors import CohortError
from deeprac.settings.cohort import CohortConfig

MAX_DEPTH = 16
"""Folders inside folders that are looked into; TCIA's layout has three."""

MAX_FILES = 5_000_000
"""Files that are looked at."""

_WORKER_MB = 300
"""What a process of the conversion needs before it reads anything."""

_BYTES_PER_VOXEL = 11
"""What converting a case needs at its peak: `benchmarks/cohort_conversion.py`."""


def source_digest(config: CohortConfig, own: Iterable[Path] = ()) -> str:
    """Digest of names, sizes and times of change of all files of the source.

    Args:
        config: the cohort's settings.
        own: folders of this workflow that may lie in the source's: results, private.

    Returns:
        Hexadecimal; empty for phantoms, which have no source.

    Raises:
        CohortError: the source is not there, or cannot be listed.
    """
    if config.path is None:
        return ""
    digest = hashlib.sha256()
    for path in sorted(source_files(config, own)):
        text = "\0".join(map(str, stamp(path)))
        digest.update(text.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def conversion_mb(config: CohortConfig, workers: int, own: Iterable[Path] = ()) -> int:
    """Memory that a conversion needs when each worker holds the largest case, in MB.

    ``own`` as for ``source_digest``.
    """
    voxels = config.phantom.matrix**2 * _PHANTOM_SLICES
    if config.path is not None:
        voxels = largest_case_voxels(source_files(config, own))
    per_worker = _WORKER_MB + _BYTES_PER_VOXEL * voxels / 1e6
    return math.ceil(_WORKER_MB + workers * per_worker)


_PHANTOM_SLICES = 300
"""More than a phantom has: 600 mm at slices 2 mm apart."""


def source_files(config: CohortConfig, own: Iterable[Path] = ()) -> set[Path]:
    """All files of which the cohort is made: lists, images and labels.

    Raises:
        CohortError: the source is not there, or cannot be listed.
    """
    path = config.source_path
    if not path.exists():
        raise CohortError(
            f"cohort.path is {path}, which does not exist. Correct it: it is relative "
            f"to {Path.cwd()}."
        )
    files = {Path(config.patients)} if config.patients else set()
    if config.format == "pairs":
        rows = read_rows(path, ("image", "label"))
        listed = {row.cells[key] for row in rows for key in ("image", "label")}
        return files | {path} | {path.parent / file for file in listed}
    files |= set(files_below(path, own))
    if config.format in ("nnunet_raw", "msd"):
        files |= _listed_files(path)
    return files


def _listed_files(folder: Path) -> set[Path]:
    """What dataset.json lists, which may lie elsewhere; readers check the list."""
    dataset = read_dataset(folder, "a folder with dataset.json, imagesTr, labelsTr")
    by_case, pairs = dataset.get("dataset"), dataset.get("training")
    entries = [
        *(by_case.values() if isinstance(by_case, dict) else ()),
        *(pairs if isinstance(pairs, list) else ()),
    ]
    parts = (e.get(k) for e in entries if isinstance(e, dict)
             for k in ("image", "images", "label"))  # fmt: skip
    files = (f for part in parts for f in (part if isinstance(part, list) else [part]))
    return {folder / os.path.expandvars(f) for f in files if isinstance(f, str)}


def files_below(folder: Path, own: Iterable[Path] = ()) -> Iterator[Path]:
    """All files, each folder once even where links lead to it again.

    Folders of our ``own`` are left out, and what is hidden: archives and file managers
    leave such files behind.

    Raises:
        CohortError: a folder cannot be listed, or there are too many.
    """
    seen = {_identity(path) for path in own if path.is_dir()}
    count = 0
    for root, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        if (identity := _identity(Path(root))) in seen:
            folders.clear()
            continue
        seen.add(identity)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        depth = len(Path(root).relative_to(folder).parts)
        count += len(names)
        if (folders and depth >= MAX_DEPTH) or count > MAX_FILES:
            raise CohortError(
                f"{folder} has folders deeper than {MAX_DEPTH} or more than "
                f"{MAX_FILES} files. Set cohort.path to the folder of the patients."
            )
        yield from (Path(root, name) for name in names if not name.startswith("."))


def _identity(folder: Path) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _refuse(error: OSError) -> None:
    """Stop at a folder whose files would be left out unnoticed."""
    raise CohortError(
        f"{error.filename} cannot be listed ({error.strerror}). Allow reading it, or "
        "move it elsewhere."
    )


def stamp(path: Path) -> list[str | int]:
    """Path, size and time of change of a file; only the path when it is missing."""
    try:
        status = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), status.st_size, status.st_mtime_ns]


def largest_case_voxels(files: Iterable[Path]) -> int:
    """Voxels of the largest case, or more.

    NIfTI has them in its header. Other files may be packed: NRRD and MetaImage to a
    byte for two voxels, the slices of a DICOM series to a byte for one.
    """
    largest, series_bytes = 0, Counter[Path]()
    for path in files:
        name, size = path.name.lower(), path.stat().st_size if path.is_file() else 0
        if name.endswith(NIFTI):
            largest = max(largest, _nifti_voxels(path))
        elif name.endswith((".nrrd", ".mha", ".raw", ".zraw", ".gz")):
            largest = max(largest, 2 * size)
        else:
            series_bytes[path.parent] += size
    return max([largest, *series_bytes.values()])


def _nifti_voxels(path: Path) -> int:
    """By the header; 0 where it cannot be read, which the reader reports."""
    try:
        with path.open("rb") as stream:
            start = stream.read(2**12)
        if start[:2] == b"\x1f\x8b":
            start = zlib.decompressobj(wbits=31).decompress(start, 2**12)
        for order in "<>":
            (length,) = struct.unpack_from(order + "i", start)
            if length in _NIFTI_SIZE:
                kind, first = _NIFTI_SIZE[length]
                sizes = struct.unpack_from(order + kind, start, first)
                return max(0, math.prod(sizes))
    except (OSError, zlib.error, struct.error):
        pass
    return 0


_NIFTI_SIZE = {348: ("3h", 42), 540: ("3q", 24)}
"""By length of the header: type of the sizes along x, y and z, and where they begin."""
