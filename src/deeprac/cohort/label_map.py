"""The source's label names and numbers, mapped to the cohort's by name.

Names are compared without regard to case, and with ``_`` and ``-`` as spaces. Where
segments overlap, tumour takes precedence over cyst, cyst over kidney: a kidney is often
drawn as the whole organ, and the lesions in it once more.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deeprac.cohort import label_values
from deeprac.cohort.findings import Finding
from deeprac.errors import CohortError
from deeprac.labels import CohortLabels, Label, plain_name

KIDNEYS = ("kidney", "kidney_left", "kidney_right")

PRECEDENCE = ("background", "kidney", "kidney_right", "kidney_left", "cyst", "tumour")
"""Of two titles that overlap, the later one holds."""


@dataclass(frozen=True)
class _Layer:
    """One segmentation: its label map, the values in it, their names and meaning.

    ``values`` are whole numbers where ``numbers`` are as good as whole.
    """

    numbers: np.ndarray
    names: Mapping[int, str]
    values: np.ndarray
    mapping: Mapping[int, int]
    rounded: tuple[Finding, ...]

    @classmethod
    def of(
        cls,
        numbers: np.ndarray,
        names: Mapping[int, str],
        wanted: Mapping[str, tuple[str, ...]],
    ) -> "_Layer":
        values = label_values.values_of(numbers)
        whole = values
        rounded: tuple[Finding, ...] = ()
        if label_values.are_whole(values):
            whole = np.unique(np.rint(values)) + 0.0
            rounded = label_values.rounded(values)
        return cls(numbers, names, whole, _mapping(names, wanted), rounded)


def merge(
    segmentations: Sequence[tuple[np.ndarray, Mapping[int, str]]],
    wanted: Mapping[str, tuple[str, ...]],
    *,
    kidney_needed: bool = True,
) -> tuple[np.ndarray, list[Finding]]:
    """Map segmentations of one grid to one label map of the cohort's numbers.

    Args:
        segmentations: at least one, all on one grid: array [z, y, x] and the name of
            each value, 0 background.
        wanted: ``cohort.labels``, names in the source by the cohort's title.
        kidney_needed: whether a volume without kidney is an error.

    Returns:
        The cohort's label map, uint8 [z, y, x], and what was found. After an error the
        map is empty.
    """
    layers = [_Layer.of(numbers, names, wanted) for numbers, names in segmentations]
    problems = _bad_names([layer.names for layer in layers], wanted)
    for layer in layers:
        problems += label_values.bad_values(layer.values)
    problems += _unknown_values(
        [one for one in layers if label_values.are_whole(one.values)]
    )
    if len(sizes := {layer.numbers.shape for layer in layers}) > 1:
        problems.append(
            f"the segments have {' and '.join(map(str, sorted(sizes)))} voxels. Give "
            "all on one grid"
        )
    if kidney_needed and not problems:
        problems = _no_kidney(layers, wanted)
    if problems:
        empty = np.zeros(layers[0].numbers.shape, np.uint8)
        return empty, [Finding.error("label values", p) for p in problems]
    painted, findings = _painted(layers, CohortLabels.named(wanted).numbers)
    rounded = dict.fromkeys(found for layer in layers for found in layer.rounded)
    return painted, [*rounded, *findings]


def contradictions(
    names: Mapping[int, str],
    expected: Mapping[int, str],
    wanted: Mapping[str, tuple[str, ...]],
) -> list[Finding]:
    """Numbers that mean one thing in the label's file and another beside it.

    ``names`` are by the file's own header, ``expected`` by ``cohort.label_numbers`` or
    ``dataset.json``; ``wanted`` is ``cohort.labels``.
    """
    own, other = _mapping(names, wanted), _mapping(expected, wanted)
    numbers = [
        number
        for number in sorted(names.keys() & expected.keys())
        if own.get(number) != other.get(number)
    ]
    if not numbers:
        return []
    header, beside = (
        " and ".join(f"{number} {names_[number]!r}" for number in numbers)
        for names_ in (names, expected)
    )
    problem = (
        f"the label's own header calls {header}, but cohort.label_numbers or "
        f"dataset.json says {beside}. Correct the wrong one; if the header is right, "
        "end the file's name in .seg.nrrd, and the header alone counts"
    )
    return [Finding.error("label names", problem)]


def map_labels(
    names: Mapping[int, str], wanted: Mapping[str, tuple[str, ...]]
) -> dict[int, int]:
    """Map the source's label values to the cohort's by name.

    For sources that name their labels before a case is read, to fail early.

    Returns:
        The cohort's number by the source's value; background 0 always, unmapped values
        left out.

    Raises:
        CohortError: no kidney among the names, or names that are equal but for case.
    """
    if problems := _bad_names([names], wanted):
        raise CohortError(f"{problems[0]}.")
    mapping = _mapping(names, wanted)
    if not {*mapping.values()} & {*CohortLabels.named(wanted).kidney}:
        raise CohortError(
            f"{_kidney_names(wanted)}, but the source has "
            f"{_listed((value, names) for value in names)}. "
            "Name the labels that mean kidney."
        )
    return mapping


def _mapping(
    names: Mapping[int, str], wanted: Mapping[str, tuple[str, ...]]
) -> dict[int, int]:
    """The cohort's number by the source's value; 0 is background whatever its name."""
    numbers = CohortLabels.named(wanted).numbers
    known_by_name = {
        plain_name(name): numbers[title]
        for title, sources in wanted.items()
        for name in sources
        if name != "*"
    }
    others = {}
    if "*" in wanted.get("background", ()):
        others = dict.fromkeys(map(plain_name, names.values()), int(Label.BACKGROUND))
    known = others | known_by_name
    mapping = {
        value: known[plain_name(name)]
        for value, name in names.items()
        if plain_name(name) in known
    }
    return mapping | {0: int(Label.BACKGROUND)}


def _painted(
    layers: Sequence[_Layer], numbers: Mapping[str, int]
) -> tuple[np.ndarray, list[Finding]]:
    """Paint layers over one another, what takes precedence on top."""
    rank = np.zeros(len(numbers), np.uint8)
    for title, number in numbers.items():
        rank[number] = PRECEDENCE.index(title)
    label = np.zeros(layers[0].numbers.shape, np.uint8)
    overlaps: Counter[tuple[int, int]] = Counter()
    for layer in layers:
        values = layer.values.astype(np.intp)
        table = np.zeros(values[-1] + 1, np.uint8)
        table[values] = [layer.mapping[value] for value in layer.values]
        for one, painted in zip(layer.numbers, label, strict=True):
            whole = np.rint(one) if layer.rounded else one
            new = table[whole.astype(np.intp, copy=False)]
            both = (new > 0) & (painted > 0) & (new != painted)
            if both.any():
                pairs = np.sort(np.stack([new[both], painted[both]]), axis=0)
                overlaps.update(zip(*pairs.tolist(), strict=True))
            np.copyto(painted, new, where=rank[new] > rank[painted])
    titles = {number: title for title, number in numbers.items()}
    return label, [
        _overlap(sorted((titles[a], titles[b]), key=PRECEDENCE.index), count)
        for (a, b), count in sorted(overlaps.items())
    ]


def _overlap(titles: Sequence[str], voxels: int) -> Finding:
    under, over = titles
    text = f"{voxels} voxels are both {under} and {over}; taken as {over}"
    if under in KIDNEYS and over in KIDNEYS:
        text += ". Correct the label"
        return Finding.warning("label overlap", text)
    return Finding.note("label overlap", text)


def _unknown_values(layers: Sequence[_Layer]) -> list[str]:
    """Every value that occurs must have a meaning; others may be missing."""
    unknown = [
        (value, layer.names)
        for layer in layers
        for value in layer.values
        if value >= 0 and value not in layer.mapping
    ]
    if not unknown:
        return []
    return [
        f"the label holds values that are not mapped: {_listed(unknown)}; found "
        f"{_found(layers)}. Add their names to cohort.labels (under background to "
        "ignore them), or correct the label"
    ]


def _no_kidney(
    layers: Sequence[_Layer], wanted: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """A volume shows kidney; a single slice may cut through the tumour beside it."""
    found = {layer.mapping[value] for layer in layers for value in layer.values}
    enough = {*CohortLabels.named(wanted).kidney}
    if layers[0].numbers.shape[0] == 1:
        enough.add(Label.TUMOUR)
    if found & enough:
        return []
    return [
        f"the label has no kidney: {_kidney_names(wanted)}, found {_found(layers)}. "
        "Name the labels that mean kidney, correct the label or leave the case out"
    ]


def _bad_names(
    layers: Sequence[Mapping[int, str]], wanted: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """Names that mean something must be unambiguous, and 0 must mean nothing."""
    meant = {
        plain_name(name)
        for title, sources in wanted.items()
        for name in sources
        if title != Label.BACKGROUND.title
    }
    spelled: dict[str, set[str]] = {}
    for names in layers:
        for name in names.values():
            spelled.setdefault(plain_name(name), set()).add(name)
    problems = [
        f"the source's label names {' and '.join(map(repr, sorted(group)))} differ "
        "only in case, _ or -, which make no difference here. Rename one"
        for name, group in sorted(spelled.items())
        if name in meant and len(group) > 1
    ]
    zeros = {names[0] for names in layers if plain_name(names.get(0, "")) in meant}
    if zeros:
        problems.append(
            f"the source's label 0 is {sorted(zeros)[0]!r}, but 0 is background. Give "
            "it another number"
        )
    return problems


def _kidney_names(wanted: Mapping[str, tuple[str, ...]]) -> str:
    """What cohort.labels calls kidney."""
    named = {title: list(wanted[title]) for title in KIDNEYS if wanted.get(title)}
    return " and ".join(f"cohort.labels.{title} is {n}" for title, n in named.items())


def _found(layers: Sequence[_Layer]) -> str:
    return _listed((value, layer.names) for layer in layers for value in layer.values)


def _listed(named: Iterable[tuple[float, Mapping[int, str]]], most: int = 50) -> str:
    """Values with their names, each once: ``0 (background), 255 (no name)``."""
    shown: dict[str, None] = {}
    for value, names in named:
        default = "background" if value == 0 else "no name"
        name = names.get(value, default)  # type: ignore[call-overload]
        shown[f"{value:g} ({name})"] = None
    return ", ".join([*shown][:most]) + (", ..." if len(shown) > most else "")
