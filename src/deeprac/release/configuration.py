"""The configuration of released results: the release's own, laid out elsewhere.

Light enough for Snakemake's parse time.
"""

from pathlib import Path
from typing import Any

from deeprac import schema
from deeprac.config_files import resolve
from deeprac.errors import ConfigError, ReleaseError
from deeprac.files import read_json
from deeprac.release.manifest import FETCH, MANIFEST, read_manifest

RELEASES = Path("resources/released")
"""Folder of all releases, relative to the working directory, as all paths are."""

LEFT_OUT = "left-out-of-the-release"
"""Stands in a released configuration for the folder of the cohort."""

OWN = ("results", "metrics", "release")
"""Keys that say where released results lie; all others are the release's."""


def released_config(
    resolved: dict[str, Any], releases: Path = RELEASES
) -> dict[str, Any]:
    """Return the configuration under which released results are laid out.

    Args:
        resolved: The user's configuration, with ``metrics: released``.
        releases: Folder of all releases.

    Returns:
        The release's configuration with the user's ``results``.

    Raises:
        ConfigError: There is no release of that name, or a key was changed that only
            the release can say.
    """
    known = sorted(path.parent.name for path in releases.glob(f"*/{MANIFEST}"))
    if resolved["release"] not in known:
        raise ConfigError(
            f"release is {resolved['release']!r}: there is no such folder with a "
            f"{MANIFEST} in {releases}. Known are: {', '.join(known) or 'none'}."
        )
    # A key that is silently ignored would pass for one that was obeyed.
    default = resolve(schema.defaults(schema.load_schema()))
    keys = [key for key in resolved if key not in OWN]
    if changed := [key for key in keys if resolved[key] != default[key]]:
        raise ConfigError(
            f"metrics is released, so {', '.join(changed)} come from the release "
            f"{resolved['release']!r} and cannot be set. Leave them out, with the "
            "--configfile that sets them, or set metrics to computed."
        )
    return laid_out_config(releases / resolved["release"], resolved["results"])


def laid_out_config(release: Path, results: str) -> dict[str, Any]:
    """Return a release's configuration for ``{results}/released/{name}``."""
    manifest = read_manifest(release)
    path = release / "config.json"
    if not path.is_file():
        raise ReleaseError(f"{path} is missing. {FETCH}")
    # Keys that the release's version did not know, which may have other defaults.
    before = schema.neutrals(schema.load_schema())
    config = resolve(schema.merge(before, read_json(path)))
    if manifest["name"] != release.name:
        raise ReleaseError(
            f"{release} calls itself {manifest['name']!r} in {MANIFEST}. Give the "
            "folder that name."
        )
    return config | {
        "results": results,
        "metrics": "released",
        "release": release.name,
    }
