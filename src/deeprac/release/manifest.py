"""``release.json``: which files a release has, and whether these are they.

Light enough for Snakemake's parse time. Names in a manifest are foreign text: only
those that a release can have are followed, and never a link.
"""

import gzip
import lzma
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deeprac.errors import ReleaseError
from deeprac.files import manifest_entry, read_json

MANIFEST = "release.json"
SCHEMA = 1
"""Version of the manifest and of the folder that it describes."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""Names of releases and experiments."""

MEMBER = re.compile(
    r"config\.json"
    r"|summary/(?:cases|diagnostics|stress)\.csv(?:\.gz|\.xz)?"
    r"|summary/(?:runs|cohort)\.csv"
    r"|summary/protocol\.json"
    r"|tables/[a-z0-9_]+\.(?:csv|md)"
    rf"|{NAME.pattern}/seed\d+/fold_\d+/(?:run\.json|training\.csv|inference\.csv)"
)
"""Every file that a release can have, beside its manifest."""

ENTRIES = (
    *("name", "cohort", "experiments", "seeds", "folds", "devices"),
    *("commits", "uncommitted", "files"),
)
"""What every manifest says, and verbs quote."""

UNPACKERS = {".xz": lzma.decompress, ".gz": gzip.decompress}
"""Of tables that are stored compressed, by ending; older releases have gzip. Whoever
reads a release sees neither."""

PACKED_ABOVE = 1_000_000
"""Bytes from which a table of cases is stored compressed."""

FETCH = "Fetch the release again, or make it again with `deeprac release`."


def read_manifest(release: Path) -> dict[str, Any]:
    """Read and check ``release.json``, without the files that it lists.

    Raises:
        ReleaseError: There is none, it is of another version, or it lists a file that
            no release has.
    """
    path = release / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise ReleaseError(
            f"{release} is no release: it has no {MANIFEST}. `deeprac release` makes "
            "one from a folder of results."
        )
    try:
        manifest = read_json(path)
    except ValueError as error:
        raise ReleaseError(f"{path} is not valid JSON: {error}. {FETCH}") from error
    found = manifest.get("schema") if isinstance(manifest, dict) else None
    if found != SCHEMA:
        raise ReleaseError(
            f"{path} has schema {found!r}; this version reads {SCHEMA}. Use the "
            "version of DeePRAC that wrote it."
        )
    missing = [key for key in ENTRIES if key not in manifest]
    if missing:
        raise ReleaseError(f"{path} does not say {', '.join(missing)}. {FETCH}")
    if not isinstance(manifest["files"], dict):
        raise ReleaseError(f"{path} lists no files. {FETCH}")
    foreign = [name for name in manifest["files"] if not MEMBER.fullmatch(name)]
    if foreign:
        raise ReleaseError(
            f"{path} lists {foreign[0]!r}, which no release has. {FETCH}"
        )
    return manifest


def packed(name: str, content: bytes) -> tuple[str, bytes]:
    """Return a file of a release as it is stored, by name and content."""
    if len(content) <= PACKED_ABOVE or not MEMBER.fullmatch(f"{name}.xz"):
        return name, content
    return f"{name}.xz", lzma.compress(content)


def unpacked_name(name: str) -> str:
    """Name of a file of a release as whoever reads it sees it."""
    plain, ending = os.path.splitext(name)
    return plain if ending in UNPACKERS else name


def _unpacked(path: Path, content: bytes) -> bytes:
    """Return a stored file as it was before it was packed."""
    unpack = UNPACKERS.get(path.suffix)
    try:
        return unpack(content) if unpack else content
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ReleaseError(f"{path} cannot be unpacked: {error}. {FETCH}") from error


def checked_files(release: Path, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """Read all files of a release and compare them with the manifest.

    Returns:
        Content by name, unpacked: what was checked, whatever happens to the files
        afterwards.

    Raises:
        ReleaseError: A file is missing, changed, additional, damaged or a link.
    """
    listed = manifest["files"]
    present = set(_present(release)) - {MANIFEST}
    for found, what in (
        (sorted(set(listed) - present), "is missing"),
        (sorted(present - set(listed)), f"is not listed in {MANIFEST}"),
    ):
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise ReleaseError(f"{release / found[0]} {what}{more}. {FETCH}")
    contents = {}
    for name, expected in listed.items():
        content = (release / name).read_bytes()
        if manifest_entry(content) != expected:
            raise ReleaseError(
                f"{release / name} was changed: its checksum is not the one in "
                f"{MANIFEST}. {FETCH}"
            )
        contents[unpacked_name(name)] = _unpacked(release / name, content)
    return contents


def _present(release: Path) -> list[str]:
    """Names of all files below a release.

    Raises:
        ReleaseError: There is a link, which could lead out of the folder.
    """
    names = []
    for folder, folders, files in os.walk(release):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink():
                raise ReleaseError(
                    f"{path} is a link; a release holds files only. {FETCH}"
                )
        names += [Path(folder, n).relative_to(release).as_posix() for n in files]
    return names
