"""Files beside a case that cannot be read as DICOM: is one a slice or a segmentation?

A transfer that broke off leaves empty files and pages of errors under the names of
slices. The readable slices alone could be a whole, shorter volume, so files that are
called like DICOM are an error; a licence or a table beside the slices is none.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from deeprac.cohort.dicom.headers import Header
from deeprac.cohort.dicom.scan import Scan
from deeprac.cohort.dicom.studies import DicomCase, closest, keys_by_folder
from deeprac.cohort.findings import Finding, Severity

NAMED = 10
"""So many files of a case are listed one by one."""

_DICOM = frozenset({".dcm", ".dicom", ".ima"})
"""Endings of DICOM, whatever else lies in the folder."""


def called(name: str) -> str:
    """The way a file is named: its ending, or without one the form of its name.

    Example:
        >>> called("1-01.DCM"), called("IM-0001-0002"), called("IM.3")
        ('.dcm', 'im#', 'im#')
        >>> called("1.2.840.7"), called("A01F"), called("LICENSE")
        ('#', '#', 'license')
    """
    name = name.casefold()
    if re.fullmatch(r"(?=.*\d)[0-9a-f._-]+", name):
        return "#"
    ending = Path(name).suffix
    if ending and not ending[1:].isdecimal():
        return ending
    return re.sub(r"[\d._-]+", "#", name)


def named(paths: Sequence[Path]) -> dict[str, Path]:
    """The first files by role, as the table of pseudonyms lists them."""
    return {f"unread_{n}": path for n, path in enumerate(paths[:NAMED], start=1)}


def add_unread(cases: Mapping[str, DicomCase], scan: Scan) -> None:
    """Add to the cases the files near theirs that cannot be read as DICOM."""
    by_folder = keys_by_folder(cases)
    dicom = _called_below(scan.headers)
    direct = {header.path.parent for header in scan.headers}
    damaged = frozenset(scan.damaged)
    beside: dict[str, list[Path]] = defaultdict(list)
    near: dict[str, list[Path]] = defaultdict(list)
    ignored: Counter[str] = Counter()
    for path in sorted((*scan.damaged, *scan.others)):
        name = called(path.name)
        alike = path in damaged or name in _DICOM or name in closest(path, dicom)
        # Segmentations are called otherwise than slices.
        lost = _is_empty(path)
        own = by_folder.get(path.parent, set())
        for key in own or closest(path, by_folder):
            if alike or (lost and not cases[key].is_segmented):
                (beside if own else near)[key].append(path)
            elif path.parent in direct:
                ignored[key] += 1
    for key, case in cases.items():
        case.unread += [*beside[key], *near[key]]
        case.findings += _unread(case, beside[key], near[key], damaged)
        if count := ignored[key]:
            note = (
                f"{count} files beside those of the case are no DICOM and were ignored"
            )
            case.findings.append(Finding.note("files", note))


def _called_below(headers: Iterable[Header]) -> dict[Path, set[str]]:
    """How the DICOM files in and below each folder are called."""
    names: dict[Path, set[str]] = defaultdict(set)
    for header in headers:
        names[header.path.parent].add(called(header.path.name))
    for folder in list(names):
        for parent in folder.parents:
            names[parent] |= names[folder]
    return dict(names)


def _unread(
    case: DicomCase,
    beside: Sequence[Path],
    near: Sequence[Path],
    damaged: frozenset[Path],
) -> list[Finding]:
    roles, count = list(named([*beside, *near])), len(beside)
    missing = "slices" if case.is_segmented else "slices or the segmentation"
    of_near = Severity.WARNING if case.is_segmented else Severity.ERROR
    return [
        Finding(
            severity,
            "files",
            f"{len(paths)} files {where} cannot be read as DICOM "
            f"({_kinds(paths, damaged)}{_listed(listed)}): {missing} may be missing. "
            "Export them again, or remove these files",
        )
        for paths, where, severity, listed in (
            (beside, "among those of the case", Severity.ERROR, roles[:count]),
            (near, "in a folder near those of the case", of_near, roles[count:]),
        )
        if paths
    ]


def _kinds(paths: Iterable[Path], damaged: frozenset[Path]) -> str:
    kinds = Counter(
        "damaged or without preamble" if path in damaged
        else "empty" if _is_empty(path)
        else "no DICOM, but called like it"
        for path in paths
    )  # fmt: skip
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _is_empty(path: Path) -> bool:
    return path.exists() and not path.stat().st_size


def _listed(roles: Sequence[str]) -> str:
    if not roles:
        return ""
    return f"; {roles[0]}" + (f" to {roles[-1]}" if len(roles) > 1 else "")
