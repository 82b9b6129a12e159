"""Laying a release out as results, for the verbs and rules that read results."""

from pathlib import Path

from deeprac.config import Config
from deeprac.files import json_text, write_bytes
from deeprac.layout import Layout
from deeprac.release.configuration import laid_out_config
from deeprac.release.manifest import MANIFEST, checked_files, read_manifest


def lay_out(release: Path, results: Path) -> Config:
    """Write a release as ``{results}/released/{name}``, with its tables left to make.

    All files are checked before the first is written, each is written whole or not at
    all, and the manifest last: where it is, everything is. Other files, such as logs,
    stay.

    Args:
        release: Folder of the release.
        results: Folder of all results.

    Returns:
        The configuration of the laid out results.

    Raises:
        ReleaseError: The release is not what its manifest says.
    """
    release = release.resolve()
    manifest = read_manifest(release)
    files = checked_files(release, manifest)
    resolved = laid_out_config(release, str(results))
    config = Config.from_resolved(resolved)
    root = Layout.of(config).root
    files["config.json"] = json_text(resolved).encode()
    (root / MANIFEST).unlink(missing_ok=True)
    for name, content in files.items():
        if not name.startswith("tables/"):
            write_bytes(root / name, content)
    write_bytes(root / MANIFEST, (release / MANIFEST).read_bytes())
    return config
