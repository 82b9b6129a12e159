"""Joining releases: one of a campaign whose parts were trained and released apart.

Parts are of the same patients and settings; they differ in experiments, seeds or folds,
and the whole is judged by the claims of all of them.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deeprac import schema
from deeprac.config import Config
from deeprac.errors import ReleaseError
from deeprac.evaluation.summarise import collect_runs
from deeprac.files import read_json, write_bytes, write_csv, write_json
from deeprac.layout import Layout
from deeprac.records.machines import HARDWARE
from deeprac.records.run_key import selected_runs
from deeprac.records.tidy import shortened
from deeprac.release.configuration import OWN
from deeprac.release.make import new_release, refuse_dirty, write_release
from deeprac.release.manifest import read_manifest
from deeprac.release.source import Source
from deeprac.release.tables import CLAIMS, check_summary, made_tables
from deeprac.release.unpack import lay_out
from deeprac.settings.effective import differences

SELECTED = {"run": ("experiments", "seeds", "folds"), "stress": ("experiments",)}
"""Keys in which parts may differ: the whole has what any of them has."""

WORDS = ("label", "description", "citation")
"""Keys of a method that say nothing of what it does: the whole has the first part's."""

NAMED = ("methods", "experiments")
"""Keys with entries by name: parts may have others, but not others of that name."""

REMEDY = "Only parts of one campaign can be joined: release them apart."


@dataclass(frozen=True)
class Part:
    """A release to be joined, laid out: where it is, and what it says."""

    path: Path
    layout: Layout
    resolved: dict[str, Any]
    manifest: dict[str, Any]

    @classmethod
    def of(cls, path: Path, folder: Path) -> "Part":
        """Check a release and lay it out in a folder of its own."""
        layout = Layout.of(lay_out(path, folder))
        return cls(path, layout, read_json(layout.config), read_manifest(path))


def join_releases(
    parts: Sequence[Path],
    releases: Path,
    *,
    name: str,
    allow_dirty: bool = False,
    replace: bool = False,
) -> dict[str, Any]:
    """Write one release of several, or nothing.

    Args:
        parts: Folders of the releases; the order of their experiments is that of the
            whole.
        releases: Folder of all releases.
        name: Name of the whole, its folder there.
        allow_dirty: Join also what no commit can reproduce, and say so in it.
        replace: Replace a release of that name.

    Returns:
        The manifest.

    Raises:
        ReleaseError: There is a release of that name; code without a commit; a part is
            not what its manifest says; parts differ in patients or settings; a run is
            in two of them, or in none.
    """
    target = new_release(releases, name, replace=replace)
    with tempfile.TemporaryDirectory() as folder:
        found = [Part.of(path, Path(folder, str(i))) for i, path in enumerate(parts)]
        resolved = reduce(_merged, found[1:], found[0].resolved)
        default = schema.defaults(schema.load_schema())
        resolved |= {key: default[key] for key in OWN} | {"results": folder}
        config = Config.from_resolved(resolved)
        layout = Layout.of(config)
        _write_runs(found, layout)
        _refuse_gaps(config, layout)
        _write_summary(found, config, layout)
        source = Source.of(config, resolved, layout)
        if not allow_dirty:
            refuse_dirty(source)
        read = [key for part in found for key in part.manifest.get("reviewed", ())]
        reviewed = list(dict.fromkeys(read))
        files = source.records() | _tables_of_all(found, source)
        return write_release(target, source, files, reviewed, replace=replace)


def _tables_of_all(parts: Sequence[Part], source: Source) -> dict[str, bytes]:
    """The tables of the whole; those of claims where all parts were judged."""
    claimed = all(part.manifest["files"].keys() >= CLAIMS for part in parts)
    made = made_tables(source.config, source.layout)
    return {n: content for n, content in made.items() if claimed or n not in CLAIMS}


def _merged(whole: dict[str, Any], part: Part) -> dict[str, Any]:
    """The configuration of the whole, with what one more part has."""
    ours, theirs = dict(whole), dict(part.resolved)
    for section, keys in SELECTED.items():
        both = {key: [*ours[section][key], *theirs[section][key]] for key in keys}
        both = {key: list(dict.fromkeys(values)) for key, values in both.items()}
        ours[section], theirs[section] = ours[section] | both, theirs[section] | both
    for key in ("seeds", "folds"):
        ours["run"][key].sort()
    judged = _claims(ours["report"]["claims"], theirs["report"]["claims"])
    for config, claims in zip((ours, theirs), judged, strict=True):
        config["report"] = config["report"] | {"claims": claims}
    theirs["methods"] = {
        name: method | {key: ours["methods"].get(name, method)[key] for key in WORDS}
        for name, method in theirs["methods"].items()
    }
    for key in NAMED:
        old, new = _by_name(ours[key]), _by_name(theirs[key])
        ours[key], theirs[key] = new | old, old | new
    _refuse_differences(part.path, ours, theirs)
    return theirs | {"experiments": list(theirs["experiments"].values())}


def _claims(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Claims of two sides, each with those that only the other has, or can decide."""

    def conditions(claim: str, *sides: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = [[one for one in side if one["claim"] == claim] for side in sides]
        found = [one for one in found if one]
        return next(filter(_can_be_decided, found), found[0])

    order = list(dict.fromkeys(one["claim"] for one in (*ours, *theirs)))
    return (
        [one for claim in order for one in conditions(claim, ours, theirs)],
        [one for claim in order for one in conditions(claim, theirs, ours)],
    )


def _can_be_decided(conditions: Iterable[Mapping[str, Any]]) -> bool:
    return any(one["undecided"] is None for one in conditions)


def _by_name(entries: Any) -> dict[str, Any]:
    """Methods as they are; experiments by their name."""
    if isinstance(entries, Mapping):
        return dict(entries)
    return {row["experiment"]: row for row in entries}


def _refuse_differences(
    path: Path, whole: Mapping[str, Any], part: Mapping[str, Any]
) -> None:
    ours, theirs = (
        {key: value for key, value in config.items() if key not in OWN}
        for config in (whole, part)
    )
    if found := list(differences(ours, theirs)):
        raise ReleaseError(
            f"{path} was made with other settings than the releases before it: "
            f"{shortened(found)}. {REMEDY}"
        )


def _write_runs(parts: Iterable[Part], layout: Layout) -> None:
    """Copy all runs; machines get numbers of their own.

    Machines that look alike count as one, as everywhere: a time is rather left out
    than shown for what it is not.
    """
    machines: dict[tuple[Any, ...], int] = {}
    for part in parts:
        members = (name for name in part.manifest["files"] if name.count("/") > 1)
        for member in members:
            target = layout.root / member
            if target.exists():
                raise ReleaseError(
                    f"{part.path / member} is in a release before it too. Leave one "
                    "of them out, or release what one has more under a name of its own."
                )
            write_bytes(target, (part.layout.root / member).read_bytes())
            if target.name != "run.json":
                continue
            run = read_json(target)
            kind = tuple(run["host"].get(key) for key in (*HARDWARE, "number"))
            number = machines.setdefault(kind, len(machines) + 1)
            write_json(target, run | {"host": run["host"] | {"number": number}})


def _refuse_gaps(config: Config, layout: Layout) -> None:
    """A release has every experiment with every seed and fold that it names."""
    lacking = [
        str(key)
        for key in selected_runs(config)
        if not (key.folder(layout) / "run.json").is_file()
    ]
    if lacking:
        raise ReleaseError(
            f"No part has {shortened(lacking)}. A release has all seeds and folds of "
            "each of its experiments: train and release these runs too, or leave out "
            "what has more."
        )


def _write_summary(parts: Sequence[Part], config: Config, layout: Layout) -> None:
    """Join the tables of the summary; what is not of runs is the same in all parts."""
    path = layout.summary_protocol
    for part, content in _contents(parts, layout, path):
        counted = json.loads(content)["costs"]  # Claims may have been added since.
        if path.is_file() and read_json(path)["costs"] != counted:
            raise ReleaseError(
                f"{part.path} counted other costs in {path.name} than the releases "
                f"before it: another version did. {REMEDY}"
            )
        write_bytes(path, content)
    cohort = _joined_cohort(_tables(parts, layout, layout.summary_cohort), config)
    write_csv(layout.summary_cohort, cohort)
    tables = [layout.summary_cases, layout.summary_diagnostics]
    tables += [layout.summary_stress] * bool(config.stress.experiments)
    order = {key.parts: place for place, key in enumerate(selected_runs(config))}
    for path in tables:
        rows = [table for _, table in _tables(parts, layout, path)]
        if len({tuple(table.columns) for table in rows}) > 1:
            raise ReleaseError(
                f"{path.name} has other columns in one release than in another: "
                f"versions apart wrote them. {REMEDY}"
            )
        joined = pd.concat(rows, ignore_index=True)
        runs = zip(joined.experiment, joined.seed, joined.fold, strict=True)
        place = [order[name, int(seed), int(fold)] for name, seed, fold in runs]
        write_csv(path, joined.iloc[np.argsort(place, kind="stable")])
    write_csv(layout.summary_runs, collect_runs(config, layout))
    check_summary(config, layout)


def _joined_cohort(
    tables: Sequence[tuple[Part, pd.DataFrame]], config: Config
) -> pd.DataFrame:
    """What the cohort is, with the hash of every part's.

    Phantoms are drawn anew on each machine, and processors round differently: their
    labels are the same (``check_summary`` compares the volumes), their images nearly.
    """
    (_, first), *others = tables
    known, hashes = _without_hashes(first)
    for part, table in others:
        own, more = _without_hashes(table)
        if not own.equals(known) or not (
            more.equals(hashes) or config.cohort.is_phantom
        ):
            raise ReleaseError(
                f"{part.path} has another cohort.csv than the releases before it: it "
                f"is of other patients. {REMEDY}"
            )
        hashes = pd.concat([hashes, more]).drop_duplicates()
    place = first.index[first.quantity == "cohort_hash"].min()
    return pd.concat([known[:place], hashes, known[place:]])


def _without_hashes(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A cohort's table, and apart from it its hashes: one of each processor."""
    digest = (table.quantity == "cohort_hash") & (table.statistic == "sha256")
    return table[~digest].reset_index(drop=True), table[digest]


def _tables(
    parts: Iterable[Part], layout: Layout, path: Path
) -> list[tuple[Part, pd.DataFrame]]:
    """A table of the whole as the parts have it, cells as they are written."""
    return [
        (part, pd.read_csv(BytesIO(content), dtype=str, na_filter=False))
        for part, content in _contents(parts, layout, path)
    ]


def _contents(
    parts: Iterable[Part], layout: Layout, path: Path
) -> Iterator[tuple[Part, bytes]]:
    """A file of the whole as the parts have it; those that have none are left out."""
    for part in parts:
        own = part.layout.root / path.relative_to(layout.root)
        if own.is_file():
            yield part, own.read_bytes()
