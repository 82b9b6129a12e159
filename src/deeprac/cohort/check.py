"""The check of a cohort: all that was found, before anything is trained on it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from deeprac import files
from deeprac.cohort import findings
from deeprac.cohort.case import Source
from deeprac.cohort.consistency import WHOLE, cohort_findings
from deeprac.cohort.findings import Finding, Severity
from deeprac.cohort.formats import open_source
from deeprac.cohort.inspection import (
    COLUMNS,
    Inspect,
    Inspected,
    Inspection,
    remove_strangers,
)
from deeprac.cohort.passes import Outcome, remove_leftovers, run_pass
from deeprac.errors import CohortError
from deeprac.machine import without_paths
from deeprac.settings.cohort import CohortConfig

CHECK = "check"
"""Folder of the check in the cohort folder."""

PAGE = "report.html"
"""The page of the check, in its folder."""

SHOWN_ERRORS = 10
"""Errors that the message names; the page has all."""


@dataclass(frozen=True)
class Check:
    """What a pass over all cases found.

    ``inspections`` has every case in the source's order, None where it cannot be read
    or brought into the canonical frame; ``findings`` every case, and under ``WHOLE``
    those about the cohort. ``where`` says where the first cases with errors lie.
    """

    inspections: Mapping[str, Inspection | None]
    findings: Mapping[str, tuple[Finding, ...]]
    where: str = ""

    @classmethod
    def of(cls, outcome: Outcome[Inspected], source: Source, *, folds: int) -> "Check":
        """Add to what was found in each case what the cohort as a whole shows."""
        inspections = {name: case for name, (case, _) in outcome.made.items()}
        found = {name: of_case for name, (_, of_case) in outcome.made.items()}
        found |= outcome.failed | {WHOLE: ()}
        for name, finding in cohort_findings([*inspections.values()], folds=folds):
            found[name] = (*found[name], finding)
        check = cls(
            inspections={name: inspections.get(name) for name in outcome.names},
            findings={name: found[name] for name in (WHOLE, *outcome.names)},
        )
        refused = check.refused
        where = source.where(refused[:SHOWN_ERRORS]) if refused else ""
        return replace(check, where=where)

    @property
    def readable(self) -> list[Inspection]:
        """Inspections of the cases that have one."""
        return [case for case in self.inspections.values() if case is not None]

    @property
    def refused(self) -> list[str]:
        """Names of the cases with errors."""
        return [name for name in self.inspections if self.worst(name) == Severity.ERROR]

    def worst(self, name: str) -> Severity | None:
        """The worst severity of what was found in a case; None without findings."""
        found = {finding.severity for finding in self.findings[name]}
        return next((severity for severity in Severity if severity in found), None)

    def without_paths(self, config: CohortConfig) -> "Check":
        """The same to be shared: no finding has the path of a file."""
        folders = (config.path, config.patients, config.private)

        def shared(finding: Finding) -> Finding:
            return replace(finding, message=without_paths(finding.message, folders))

        found = {name: tuple(map(shared, all_)) for name, all_ in self.findings.items()}
        return replace(self, findings=found, where="")

    def refuse_errors(self, page: Path) -> None:
        """Stop what would build on a cohort with errors.

        Raises:
            CohortError: naming the first errors, and the page that has all.
        """
        listed = []
        for name in sorted(self.findings):
            found = self.findings[name]
            errors = [f.message for f in found if f.severity is Severity.ERROR]
            if errors:
                listed.append(f"  {name or 'cohort'}: {'; '.join(errors)}")
        if not listed:
            return
        more = len(listed) - SHOWN_ERRORS
        rest = [f"  and {more} more"] if more > 0 else []
        raise CohortError(
            f"{len(self.refused)} of {len(self.inspections)} cases cannot be used; "
            "correct what is listed and run the same command again:\n"
            + "\n".join([*listed[:SHOWN_ERRORS], *rest])
            + (self.where and f"\n{self.where}")
            + f"\nAll findings, with pictures: {page}"
        )


def check_cohort(
    config: CohortConfig, folder: Path, *, folds: int, workers: int = 1
) -> Check:
    """Read and check all cases of a cohort; write nothing but what the check keeps.

    ``folder`` is ``check`` in the cohort folder.
    """
    remove_leftovers(folder)
    task = Inspect(folder)
    source = open_source(config)
    outcome = run_pass(source, task, workers=workers, title="check")
    check = Check.of(outcome, source, folds=folds)
    write_tables(check.without_paths(config), folder)
    return check


def write_tables(check: Check, folder: Path) -> None:
    """Write ``cases.csv`` and ``problems.csv``; drop what is kept of former cases."""
    remove_strangers(folder, check.inspections)
    empty = dict.fromkeys(COLUMNS)
    rows = [
        (empty | {"case": name} if case is None else asdict(case))
        | {"worst": check.worst(name)}
        for name, case in check.inspections.items()
    ]
    table = pd.DataFrame(rows, columns=[*COLUMNS, "worst"], dtype=object)
    files.write_csv(folder / "cases.csv", table)
    files.write_csv(folder / "problems.csv", findings.table(check.findings))
