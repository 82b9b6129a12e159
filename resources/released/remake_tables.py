"""Make the tables of releases anew where this version computes them in another way.

    PYTHONPATH=src python resources/released/remake_tables.py RELEASE ...

Records, summaries and what the manifest says of them stay. It first verifies that no
number of a column that both versions have is another; but claims, which are judged anew
by config/claims.yaml: one rule for all releases.
"""

import sys
import tempfile
from pathlib import Path

from deeprac.config import Config, load_config
from deeprac.config_files import resolve
from deeprac.files import manifest_entry, read_json, write_bytes, write_json
from deeprac.layout import Layout
from deeprac.release.manifest import MANIFEST
from deeprac.release.tables import CLAIMS, made_tables
from deeprac.release.unpack import lay_out
from deeprac.release.verify import Outcome, verify_release

CONFIG = "config.json"


def remake(release: Path) -> None:
    """Write the tables of this version where they say the same."""
    tables = verify_release(release).tables
    others = [one.name for one in tables if one.outcome is Outcome.DIFFERENT]
    if {name for name in others if name.endswith(".csv")} - CLAIMS:
        sys.exit(f"{release} does not verify: `deeprac verify {release}` says why.")
    write_tables(release)


def write_tables(release: Path) -> None:
    """Write the tables of this version, and list all that changed in the manifest."""
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout.of(lay_out(release, Path(folder)))
        made = made_tables(_judging(layout.root / CONFIG), layout)
    _judging(release / CONFIG)
    manifest = read_json(release / MANIFEST)
    others = {n: e for n, e in manifest["files"].items() if not n.startswith("tables/")}
    for path in (release / "tables").iterdir():
        path.unlink()
    for name, content in made.items():
        write_bytes(release / name, content)
        others[name] = manifest_entry(content)
    others[CONFIG] = manifest_entry((release / CONFIG).read_bytes())
    write_json(release / MANIFEST, manifest | {"files": dict(sorted(others.items()))})


def _judging(path: Path) -> Config:
    """Give a configuration the shipped claims, and the methods that they name."""
    shipped, own = resolve({}), read_json(path)
    own["report"]["claims"] = shipped["report"]["claims"]
    own["methods"] = shipped["methods"] | own["methods"]
    write_json(path, own)
    return load_config([path])


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        remake(Path(argument))
