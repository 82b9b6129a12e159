"""Write docs/results.md from a release and its template, docs/results.md.j2.

    PYTHONPATH=src python docs/results.py [RELEASE]

The template has settings, blocks and verdicts and no number of its own, so that the
page can say nothing that the release does not.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deeprac.config import Config
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.release.configuration import laid_out_config
from deeprac.release.manifest import MANIFEST
from deeprac.reporting.claims.collect import cohort_claims
from deeprac.reporting.claims.render import answers, tally
from deeprac.reporting.page.answers import failed_trainings, trainings
from deeprac.reporting.page.identity import limits
from deeprac.reporting.summary import read_summary

DOCS = Path(__file__).parent
PAGE = DOCS / "results.md"
TEMPLATE = "results.md.j2"
RELEASE = DOCS.parent / "resources" / "released" / "ablation"


def page(release: Path = RELEASE) -> str:
    """The page as a release has it."""
    environment = Environment(
        loader=FileSystemLoader(DOCS),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(facts(release))


def facts(release: Path) -> dict[str, Any]:
    """Everything that the template names."""
    config = Config.from_resolved(laid_out_config(release, "results"))
    summary = read_summary(config, Layout(release))
    manifest, runs = read_json(release / MANIFEST), summary.runs
    results = cohort_claims(summary)
    records = [read_json(path) for path in sorted(release.glob("*/seed*/*/run.json"))]

    def table(name: str) -> str:
        """A table of the release without its title."""
        text = (release / f"tables/{name}.md").read_text(encoding="utf-8")
        return text.partition("\n")[2].strip()

    return {
        "name": release.name,
        "cohort": config.cohort.name,
        "commits": _listed(f"`{c[:7]}`" for c in manifest["commits"]["training"]),
        "patients": manifest["cohort"]["patients_scored"],
        "folds": len(config.run.folds),
        "planned_folds": config.splits.folds,
        "training_patients": _numbers(runs.training_patients),
        "matrices": _listed(dict.fromkeys(runs.matrix_size)),
        "steps": _numbers(runs.epochs * runs.iterations_per_epoch),
        "optimiser": _listed(dict.fromkeys(runs.optimiser)),
        "seeds": len(config.run.seeds),
        "experiments": len(config.run.experiments),
        "runs": len(runs),
        "devices": _listed(manifest["devices"]),
        "shared": _shared(pd.read_csv(release / "summary/runs.csv").shared_machine),
        "trainings": trainings(summary),
        "failed": failed_trainings(summary),
        "tally": tally(results),
        "answers": answers(results),
        "table": table,
        "limits": limits(config, records),
    }


def _shared(shared: pd.Series) -> str:
    count, total = int(shared.sum()), len(shared)
    if not count:
        return "No training shared the machine with another."
    return (
        f"Beside {count} of the {total} trainings another one ran: their times do not "
        "compare and are left out."
    )


def _numbers(values: pd.Series) -> str:
    return _listed(f"{value:g}" for value in sorted(values.unique()))


def _listed(words: Any) -> str:
    return ", ".join(words)


if __name__ == "__main__":
    chosen = RELEASE.with_name(sys.argv[1]) if len(sys.argv) > 1 else RELEASE
    PAGE.write_text(page(chosen), encoding="utf-8")
