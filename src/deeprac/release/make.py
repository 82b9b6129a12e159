"""Making a release from a folder of results."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deeprac import provenance
from deeprac.cohort.confidential import without
from deeprac.cohort.pseudonyms import KEY, TABLE, read_table
from deeprac.config import Config
from deeprac.config_files import read_raw, resolve
from deeprac.errors import ReleaseError
from deeprac.evaluation.summarise import (
    collect_cases,
    collect_diagnostics,
    collect_stress,
)
from deeprac.files import (
    atomic_folder,
    manifest_entry,
    write_bytes,
    write_json,
)
from deeprac.layout import Layout
from deeprac.records.cases import read_cases
from deeprac.records.metrics import read_metrics
from deeprac.release.contents import objections
from deeprac.release.manifest import MANIFEST, NAME, SCHEMA, packed
from deeprac.release.parts import parts_of
from deeprac.release.source import Source
from deeprac.release.tables import check_summary, same_text

SHOWN = 10
"""Objections that one message lists."""


def make_release(
    results: Path,
    releases: Path,
    *,
    name: str,
    reviewed: Sequence[str] = (),
    allow_dirty: bool = False,
    replace: bool = False,
) -> dict[str, Any]:
    """Write a release of the results, or nothing.

    Args:
        results: Folder of a cohort's results, with its ``config.json``.
        releases: Folder of all releases.
        name: Name of the release, its folder there.
        reviewed: Keys of the configuration whose texts were read and name nobody; the
            manifest states them.
        allow_dirty: Release also what no commit can reproduce, and say so in it.
        replace: Replace a release of that name.

    Returns:
        The manifest.

    Raises:
        ReleaseError: There is a release of that name; code without a commit; a table
            that is older than its sources; anything that no release holds.
        MetricsError: A run, case or label is missing, double or inconsistent.
    """
    target = new_release(releases, name, replace=replace)
    source = _read_source(results)
    if not allow_dirty:
        refuse_dirty(source)
    _refuse_private(source)
    files = source.records() | source.tables()
    _refuse_foreign(files, source, reviewed)
    _refuse_names(files, source)
    return write_release(target, source, files, reviewed, replace=replace)


def new_release(releases: Path, name: str, *, replace: bool) -> Path:
    """Return the folder of a release that is to be written.

    Raises:
        ReleaseError: The name is not possible, or taken.
    """
    target = releases / name
    if not NAME.fullmatch(name):
        raise ReleaseError(
            f"{name!r} is not possible as the name of a release: use letters, "
            "digits, _ and -."
        )
    if target.exists() and not replace:
        raise ReleaseError(
            f"{target} is there already. Choose another --name, or say --replace."
        )
    return target


def write_release(
    target: Path,
    source: Source,
    files: dict[str, bytes],
    reviewed: Sequence[str],
    *,
    replace: bool,
) -> dict[str, Any]:
    """Write the folder of a release, whole or not at all; return its manifest."""
    stored = dict(packed(member, files[member]) for member in sorted(files))
    manifest = _manifest(source, target.name, provenance.git_state()) | {
        "reviewed": list(reviewed),
        "files": {member: manifest_entry(stored[member]) for member in stored},
    }
    with atomic_folder(target, replace=replace) as folder:
        for member, content in stored.items():
            write_bytes(folder / member, content)
        write_json(folder / MANIFEST, manifest)
    return manifest


def _read_source(results: Path) -> Source:
    layout = Layout(results)
    resolved = resolve(read_raw([layout.config]))
    if resolved["metrics"] == "released":
        raise ReleaseError(
            f"{results} is laid out from the release {resolved['release']!r} and "
            "computed nothing. Release the folder in which the trainings ran."
        )
    config = Config.from_resolved(resolved)
    if config.report.allow_missing:
        raise ReleaseError(
            "A release is of complete results, and report.allow_missing lets runs be "
            "missing. Set it to false and run the workflow again."
        )
    check_summary(config, layout)
    same_text(layout.summary_cases, collect_cases(config, layout), "the metrics.csv")
    diagnostics = collect_diagnostics(config, layout)
    same_text(layout.summary_diagnostics, diagnostics, "the diagnostics.csv")
    if config.stress.experiments:
        stress = collect_stress(config, layout)
        same_text(layout.summary_stress, stress, "the stress.csv")
    return Source.of(config, resolved, layout)


def refuse_dirty(source: Source) -> None:
    """Refuse what no commit can reproduce: runs, or the tables that would be made.

    Raises:
        ReleaseError: A run, or this checkout, has changes or no commit.
    """
    commit = provenance.git_state()
    remedy = (
        "Nobody could repeat it. Commit, and run the workflow again; or say "
        "--allow-dirty, which the release then states."
    )
    wrong = [name for name, run in source.runs.items() if _is_dirty(run["git"])]
    if wrong:
        state = source.runs[wrong[0]]["git"]
        what = "changes that no commit holds" if state["commit"] else "no known commit"
        raise ReleaseError(
            f"{len(wrong)} of {len(source.runs)} runs were trained by code with "
            f"{what}, such as {source.layout.root / wrong[0]}. {remedy}"
        )
    if _is_dirty(commit):
        raise ReleaseError(
            "This checkout has changes that no commit holds, or is none: the tables of "
            f"the release would be made by it. {remedy}"
        )


def _is_dirty(state: dict[str, Any]) -> bool:
    return state["commit"] is None or state["dirty"] is not False


def _refuse_foreign(
    files: dict[str, bytes], source: Source, reviewed: Sequence[str]
) -> None:
    """Nothing is in a release but what is known to be harmless, or was read."""
    cohort, own_ids = source.config.cohort, set()
    if not cohort.pseudonyms and not cohort.is_phantom:
        table = read_cases(source.layout.cases_csv)
        own_ids = {*table.case, *table.patient}
    found = list(objections(files, own_ids=own_ids, reviewed=reviewed))
    if found:
        more = len(found) - SHOWN
        raise ReleaseError(
            "Nothing is released, because it may hold data of patients or of a "
            "machine:\n"
            + "\n".join(f"  {line}" for line in found[:SHOWN])
            + (f"\n  and {more} more" if more > 0 else "")
        )


def _refuse_private(source: Source) -> None:
    """Results with the key are no results to share, whatever is released of them."""
    for path in sorted(source.layout.root.rglob("pseudonyms.*")):
        if path.name in (KEY, TABLE):
            raise ReleaseError(
                f"{path} is among the results: it says who the patients are. Move the "
                "private folder out of them; cohort.private says where it belongs."
            )


def _refuse_names(files: dict[str, bytes], source: Source) -> None:
    """Nothing that the local table knows of the source may be in a release."""
    cohort = source.config.cohort
    if not cohort.pseudonyms:
        return
    table = read_table(cohort.private, cohort.name)
    names = {name for row in table for name in (row.source_case, row.source_patient)}
    for member, content in files.items():
        text = content.decode("utf-8")
        if without(text, dict.fromkeys(names, "")) != text:
            raise ReleaseError(
                f"{member} has the name that the source gives a case or patient. "
                f"{cohort.private / cohort.name / TABLE} lists these names: look for "
                "them in the file and in the configuration."
            )


def _manifest(source: Source, name: str, commit: dict[str, Any]) -> dict[str, Any]:
    config, runs = source.config, list(source.runs.values())
    cases = read_metrics(source.layout.summary_cases, remedy="")
    commits = Counter(run["git"]["commit"] for run in runs)
    packages = dict.fromkeys(package for run in runs for package in run["software"])
    return {
        "schema": SCHEMA,
        "name": name,
        "metrics_schema": int(cases.schema.iloc[0]),
        "cohort": {
            "name": config.cohort.name,
            "format": config.cohort.format,
            "patients_scored": int(cases.patient.nunique()),
            "cases_scored": int(cases.case.nunique()),
        },
        "experiments": list(config.run.experiments),
        "seeds": list(config.run.seeds),
        "folds": list(config.run.folds),
        "matrices": {
            matrix: config.matrices[matrix].size
            for matrix in dict.fromkeys(
                config.experiments[name].matrix for name in config.run.experiments
            )
        },
        "devices": sorted({provenance.device_title(run) for run in runs}),
        "training_hours": sum(run["cost"]["training_seconds"] for run in runs) / 3600,
        "software": {
            package: sorted({run["software"].get(package) or "-" for run in runs})
            for package in packages
        },
        "commits": {
            "training": {str(key): count for key, count in commits.items()},
            "release": commit["commit"],
        },
        "parts": parts_of(runs),
        "uncommitted": {
            "runs": sum(_is_dirty(run["git"]) for run in runs),
            "release": _is_dirty(commit),
        },
    }
