"""The file of a bundle: a zip that is listed and checked before anything is read.

Every member is compared with the manifest whenever it is read, so that what is used is
what was checked.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deeprac.bundle.allowed import check_plans
from deeprac.bundle.manifest import (
    AGAIN,
    DATASET,
    LICENCE,
    MANIFEST,
    PLANS,
    POSTPROCESSING,
    parse_manifest,
    shown,
)
from deeprac.errors import BundleError, FetchError
from deeprac.fetch.archives import checked_names
from deeprac.files import atomic_folder, atomic_path, manifest_entry
from deeprac.labels import CohortLabels
from deeprac.strict import parse_json
from deeprac.surgery.postprocess import Postprocessing

MOST_BYTES = 8 * 2**30
"""Of all members; ten folds of nnU-Net's largest U-Net have less."""

MOST_MANIFEST_BYTES = 2**20
"""Of every text."""

MOST_RATIO = 200
"""How much smaller a packed text may be: JSON and prose stay far below."""

_OLDEST = (1980, 1, 1, 0, 0, 0)


class Bundle:
    """An opened bundle.

    Attributes:
        path: the file.
        manifest: content of ``bundle.json``, checked.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        """Take a listed archive and read its manifest; use ``opened``."""
        self.path = path
        self._archive = archive
        self.manifest = parse_manifest(self._bytes(MANIFEST))

    @property
    def title(self) -> str:
        """Name and version, for messages."""
        return shown(f"{self.manifest['name']} {self.manifest['version']}")

    def read(self, name: str) -> bytes:
        """Read a member.

        Raises:
            BundleError: it is not what the manifest says.
        """
        content = self._bytes(name)
        if manifest_entry(content) != self.manifest["files"][name]:
            raise self.error(
                f"{name} was changed: its checksum is not that in {MANIFEST}"
            )
        return content

    def read_json(self, name: str) -> Any:
        """Read a member that is JSON; errors are those of ``read``."""
        try:
            return parse_json(self.read(name).decode())
        except ValueError as error:
            raise self.error(f"{name} is no JSON ({error})") from error

    def error(self, what: str) -> BundleError:
        """What is wrong with the bundle, as an error."""
        return BundleError(f"{self.path}: {what}. {AGAIN}")

    def _bytes(self, name: str) -> bytes:
        try:
            # Never more than the directory of the zip told, which was checked.
            return self._archive.read(name)
        except Exception as error:
            # A damaged member fails in zipfile or its packers, with any type.
            raise self.error(
                f"{name} in it is damaged ({type(error).__name__})"
            ) from error


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """Open a bundle; its members are listed and its manifest is read first.

    Raises:
        BundleError: it is no bundle, or has links, names that lead out of it or come
            twice, members that are not listed, more than it may, or another schema.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            try:
                bundle = Bundle(path, archive)
                _check_listed(bundle, archive)
            except BundleError as error:
                text = str(error).removeprefix(f"{path}: ")
                raise BundleError(f"{path}: {text}") from error
            yield bundle
    except (
        *(zipfile.BadZipFile, NotImplementedError),
        *(FileNotFoundError, IsADirectoryError),
    ) as error:
        raise BundleError(
            f"{path} is no bundle: it is missing, damaged or no zip. {AGAIN}"
        ) from error


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse what no bundle holds, by the directory of the zip alone."""
    infos = archive.infolist()
    for info in infos:
        weights = info.filename.endswith(".pth")
        most = info.compress_size  # of weights, which are never packed
        if not weights:
            most = min(MOST_RATIO * max(most, 1), MOST_MANIFEST_BYTES)
        if info.file_size > most:
            raise BundleError(
                f"{path}: {shown(repr(info.filename))} in it unpacks to "
                f"{info.file_size} bytes, which no bundle holds. Do not use this file."
            )
        if info.is_dir() or info.flag_bits & 1:
            raise BundleError(
                f"{path}: {shown(repr(info.filename))} in it is a folder or encrypted, "
                "which no bundle holds. Do not use this file."
            )
    try:
        names = checked_names(path, MOST_BYTES)
    except FetchError as error:
        raise BundleError(
            f"{path}: {shown(str(error))}. Do not use this file."
        ) from error
    if MANIFEST not in names:
        raise BundleError(f"{path} is no bundle: it has no {MANIFEST}. {AGAIN}")


def _check_listed(bundle: Bundle, archive: zipfile.ZipFile) -> None:
    """Names and sizes in the zip are those of the manifest."""
    found = {info.filename: info.file_size for info in archive.infolist()}
    del found[MANIFEST]
    listed = {name: one["bytes"] for name, one in bundle.manifest["files"].items()}
    for name in sorted(found.keys() | listed.keys()):
        if name not in found:
            raise bundle.error(f"{name} is missing in it")
        if name not in listed:
            raise bundle.error(f"{shown(repr(name))} in it is not in {MANIFEST}")
        if found[name] != listed[name]:
            raise bundle.error(f"{name} has another size than {MANIFEST} says")


def check_contents(bundle: Bundle) -> None:
    """Check what the small members say, without the weights.

    Raises:
        BundleError: plans that name foreign code or an oracle, labels or intensity that
            contradict the manifest, no licence.
    """
    manifest = bundle.manifest
    plans, dataset = bundle.read_json(PLANS), bundle.read_json(DATASET)
    try:
        check_plans(plans)
    except BundleError as error:
        raise BundleError(f"{bundle.path}: {error}") from error
    if not bundle.read(LICENCE).strip():
        raise bundle.error(f"{LICENCE} is empty: nobody may use the weights")
    numbers = {title: one["number"] for title, one in manifest["labels"].items()}
    try:
        kept = CohortLabels.listed(dataset).foreground
    except (KeyError, TypeError, ValueError) as error:
        raise bundle.error(f"{DATASET} lists foreign labels") from error
    if numbers != kept or plans["deeprac"].get("intensity") != manifest["intensity"]:
        raise bundle.error(
            f"labels or intensity in {MANIFEST} contradict {DATASET} or {PLANS}"
        )
    Postprocessing.from_json(bundle.read_json(POSTPROCESSING))


def check_bundle(path: Path) -> dict[str, Any]:
    """Check every byte of a bundle and what it says; return its manifest.

    Raises:
        BundleError: it is damaged, unsafe, of another version or contradicts itself.
    """
    with opened(path) as bundle:
        for name in bundle.manifest["files"]:
            bundle.read(name)
        check_contents(bundle)
        return bundle.manifest


def unpack_bundle(path: Path, folder: Path) -> None:
    """Unpack a bundle into a new folder, all of it or nothing.

    Raises:
        BundleError: it is damaged or unsafe, or the folder is there.
    """
    try:
        with opened(path) as bundle, atomic_folder(folder) as target:
            check_contents(bundle)
            for name in bundle.manifest["files"]:
                file = target / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(bundle.read(name))
            (target / MANIFEST).write_text(_text(bundle.manifest), encoding="utf-8")
    except FileExistsError as error:
        raise BundleError(f"{folder} is there already. Name a new folder.") from error


def write_bundle(
    target: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Write a bundle; the same contents give the same bytes.

    Args:
        target: the file; it must not exist.
        manifest: all of it but ``files``.
        files: content of every member.

    Returns:
        The whole manifest.

    Raises:
        BundleError: there is a file of that name.
    """
    if target.exists():
        raise BundleError(
            f"{target} is there already. Name another file, or delete it."
        )
    listed = {name: manifest_entry(content) for name, content in sorted(files.items())}
    whole = parse_manifest(_text({**manifest, "files": listed}).encode())
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in [
            (MANIFEST, _text(whole).encode()),
            *sorted(files.items()),
        ]:
            info = zipfile.ZipInfo(name, _OLDEST)
            info.external_attr = 0o100644 << 16
            info.create_system = 3  # Unix, wherever it is written
            packed = not name.endswith(".pth")  # weights are as good as noise
            kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            archive.writestr(info, content, compress_type=kind)
    return whole


def _text(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, allow_nan=False) + "\n"
