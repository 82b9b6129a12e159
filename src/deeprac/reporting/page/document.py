"""What the report page holds, as plain data."""

from dataclasses import dataclass, field
from typing import Any

Grid = dict[str, Any]
"""Columns and rows under one heading, as the page's script reads them: ``columns``
(headings, and how each column is aligned and sorted), line by line ``text`` (what is
shown) and ``value`` (the full numbers and texts behind it; None is missing)."""


@dataclass(frozen=True)
class PageTable:
    """A table that is sorted, filtered and downloaded on the page.

    Attributes:
        name: Identifier, the file name without ending.
        title: Caption.
        n: What it rests on: patients and cases.
        grids: One by its heading, or several; the heading is empty where it is none.
        notes: Sentences below.
        csv: Text of the CSV file; None where the grid itself is what is downloaded.
        opens: Per row the case and experiment that its button shows in the case
            browser; empty without buttons.
        tall: Whether it is scrolled in a box of fixed height.
    """

    name: str
    title: str
    n: str
    grids: tuple[tuple[str, Grid], ...]
    notes: tuple[str, ...] = ()
    csv: str | None = None
    opens: tuple[tuple[str, str], ...] = ()
    tall: bool = False


@dataclass(frozen=True)
class PageFigure:
    """A figure as a data URI with its caption (HTML) and its data (CSV).

    Data that are too many for the page are None.
    """

    name: str
    title: str
    uri: str
    caption: str
    csv: str | None


@dataclass(frozen=True)
class CaseVolume:
    """One case of the case browser; volumes are base64 of gzipped NIfTI.

    Attributes:
        case: Name.
        image: CT on the shrunken grid.
        reference: Label map on that grid.
        predictions: Label maps by experiment.
        size: Columns, rows, slices of that grid.
        factor: By which native columns and rows were divided.
        start: Slice that is shown first: most tumour, else most kidney.
    """

    case: str
    image: str
    reference: str
    predictions: dict[str, str]
    size: tuple[int, int, int]
    factor: int
    start: int


@dataclass(frozen=True)
class Browser:
    """The case browser.

    Attributes:
        cases: The embedded cases.
        left_out: Names of the cases that did not fit.
        experiments: Labels of the experiments by name.
        window: Displayed values, black and white.
        span: Values that the volumes keep; beyond they are clipped.
        unit: Of the values.
        seed: Seed of the predictions.
        labels: Numbers of the contoured labels by name.
        dice: Dice per case, experiment and label: ``[case, experiment, label, text]``.
        missing: Why there are no volumes; empty if there are.
    """

    cases: tuple[CaseVolume, ...] = ()
    left_out: tuple[str, ...] = ()
    experiments: dict[str, str] = field(default_factory=dict)
    window: tuple[float, float] = (0.0, 1.0)
    span: tuple[float, float] = (0.0, 1.0)
    unit: str = ""
    seed: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    dice: tuple[tuple[str, str, str, str], ...] = ()
    missing: str = ""


@dataclass(frozen=True)
class Condition:
    """One condition of a claim, in words."""

    quantity: str
    whose: str
    bound: str
    measured: str
    n: str
    seeds: str
    verdict: str
    outcome: str


@dataclass(frozen=True)
class ClaimAnswer:
    """A claim, its verdict and its conditions."""

    claim: str
    verdict: str
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Answers:
    """What the page answers first.

    Attributes:
        tally: How many claims are reached.
        claims: All of them.
        trainings: How many trainings did not learn, in a sentence.
        failed: Each of them, and how far it came.
        unconverged: What a longer training still changes, and by how much.
    """

    tally: str = ""
    claims: tuple[ClaimAnswer, ...] = ()
    trainings: str = ""
    failed: tuple[str, ...] = ()
    unconverged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """Everything on the page.

    Attributes:
        cohort: Name of the cohort.
        extent: Patients, cases, experiments, folds and seeds in one sentence.
        identity: Who computed the numbers, with what: all that holds for each term.
        config: The configuration as JSON text, without folders of the machine.
        config_hash: Its SHA-256, independent of the order of keys.
        commands: How to compute them again, as shell commands.
        limits: What the numbers do not say.
        tables: By tab: cohort, results, statistics, cases, failures, cost.
        figures: In their order.
        browser: The case browser.
        answers: What was claimed, and whether it holds.
        partial: What was not run, of partial results; else empty.
    """

    cohort: str
    extent: str
    identity: dict[str, tuple[str, ...]]
    config: str
    config_hash: str
    commands: str
    limits: tuple[str, ...]
    tables: dict[str, tuple[PageTable, ...]]
    figures: tuple[PageFigure, ...]
    browser: Browser
    answers: Answers = field(default_factory=Answers)
    partial: str = ""

    @property
    def ladder(self) -> PageFigure | None:
        """The figure of all methods; None where it is not drawn."""
        return next((f for f in self.figures if f.name == "dice_by_method"), None)
