"""Write the pages of results from the releases and their templates, docs/PAGE.md.j2.

    PYTHONPATH=src python docs/pages.py [--figures]

A template has settings, blocks and verdicts and no number of its own, so that a page
can say nothing that the releases do not. With `--figures` it also draws
docs/figures/RELEASE/*.png from each, which takes minutes.
"""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from deeprac import cli
from deeprac.config import Config
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.records.case_split import TEST, of_split
from deeprac.release.manifest import MANIFEST
from deeprac.release.unpack import lay_out
from deeprac.reporting.claims.collect import ClaimResult, cohort_claims
from deeprac.reporting.claims.render import answers, pipe_table, tally
from deeprac.reporting.page.answers import failed_trainings, trainings
from deeprac.reporting.page.identity import limits
from deeprac.reporting.render import markdown
from deeprac.reporting.summary import Summary, read_summary
from deeprac.reporting.tables.table import Part, Table, number, words

DOCS = Path(__file__).parent
RELEASED = DOCS.parent / "resources" / "released"
VOLUME_COSTS = RELEASED / "volume_costs.json"
"""Of config/perspectives/3d_costs.yaml, by `deeprac cost --output`."""

PAGES = {
    "results": {
        "budget": ("budget_curve",),
        "ablation": (
            *("paired_differences", "stress_curves", "stn_recovery"),
            *("crop_coverage", "dice_by_size"),
        ),
        "times": (),
        "controls": ("learning_curve",),
        "crop": (),
        "kits_slices": ("dice_by_method",),
        "ablation_300steps": (),
    },
    "perspectives": {
        "volumes": ("stress_curves",),
        "transfer_adults": (),
        "transfer": ("dice_by_method",),
        "transfer_rest": (),
        "diffeo": (),
        "diffeo_fitted": (),
    },
}
"""The releases that a page rests on, in its order, as far as they are there, and the
figures that it shows of each."""

WIDTH_PX = 1250
COLOURS = 128


def page(name: str) -> str:
    """The page as the releases have it."""
    environment = Environment(
        loader=FileSystemLoader(DOCS),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    with TemporaryDirectory() as folder:
        found = {
            n: facts(RELEASED / n, lay_out(RELEASED / n, Path(folder)))
            for n in released(name)
        }
    agreement = pd.read_csv(RELEASED / "kits23_geometry" / "agreement.csv")
    return environment.get_template(f"{name}.md.j2").render(
        releases=found,
        cohort_answers=cohort_answers(found),
        human=human_agreement(agreement),
        volume_costs=volume_costs(),
    )


def released(page: str) -> list[str]:
    """The releases of a page that are there, in its order."""
    return [name for name in PAGES[page] if (RELEASED / name / MANIFEST).is_file()]


def cohort_answers(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each claim with its verdict in every release."""
    verdicts = {
        name: {answer.claim: str(answer.verdict) for answer in one["answers"]}
        for name, one in found.items()
    }
    claims = dict.fromkeys(claim for own in verdicts.values() for claim in own)
    return [
        {"claim": claim, "verdicts": [own.get(claim, "-") for own in verdicts.values()]}
        for claim in claims
    ]


def human_agreement(agreement: pd.DataFrame) -> dict[str, str]:
    """Dice of two annotators of KiTS23, over all pairs and cases that are there."""
    columns = {"kidney": "kidney_dice", "tumour": "tumour_dice"}
    shown = {"cases": f"{agreement.case.nunique()}", "pairs": f"{len(agreement)}"}
    return shown | {
        label: "{:.1f} to {:.1f}".format(*(100 * agreement[name].agg(["min", "max"])))
        for label, name in columns.items()
    }


def volume_costs() -> str:
    """What a step on volumes costs, and against the plain nnU-Net's."""
    costs = pd.DataFrame(read_json(VOLUME_COSTS)["costs"])
    ratio = "{:.3f}".format
    columns = [words("experiment", "Method")]
    for key, group, unit, size in (
        ("step_flops", "FLOPs", "TFLOP", 1e12),
        ("step_saved_bytes", "Saved, float32", "GiB", 2**30),
        ("step_saved_bytes_mixed", "Saved, mixed", "GiB", 2**30),
    ):
        costs[key] /= size
        columns.append(number(key, unit, "{:.2f}".format, group=group))
        columns.append(number(f"{key}_ratio", "ratio", ratio, group=group))
    note = "One training step, forward and backward, counted; ratios to nnunet."
    parts = (Part(tuple(columns), costs),)
    return markdown(Table("costs", "Cost of a step", costs, parts, (note,)))


def facts(release: Path, config: Config) -> dict[str, Any]:
    """Everything that the template names.

    Args:
        release: Folder of the release.
        config: Of the same, laid out as results.
    """
    summary = read_summary(config, Layout.of(config))
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
        "judges": _judges(summary, config),
        "training_patients": _numbers(runs.training_patients),
        "matrices": _listed(dict.fromkeys(runs.matrix_size)),
        "steps": _numbers(runs.epochs * runs.iterations_per_epoch),
        "optimiser": _listed(dict.fromkeys(runs.optimiser)),
        "seeds": len(config.run.seeds),
        "experiments": len(config.run.experiments),
        "runs": len(runs),
        "devices": _listed(manifest["devices"]),
        "shared": _shared(pd.read_csv(summary.layout.summary_runs).shared_machine),
        "trainings": trainings(summary),
        "failed": failed_trainings(summary),
        "tally": tally(results),
        "answers": answers(results),
        "table": table,
        "claims": _measured(results),
        "limits": limits(config, records),
        "figures": f"figures/{release.name}",
    }


def _measured(results: Sequence[ClaimResult]) -> str:
    """The conditions of claims of which there is a number, without the tally."""
    shown = [one for one in results if not math.isnan(one.value)]
    left_out = len(results) - len(shown)
    note = (
        f"\n\n{left_out} conditions about what was not run or counted are left out; "
        "`tables/claims.md` of the release has them."
    )
    return pipe_table(shown) + note * bool(left_out)


def _judges(summary: Summary, config: Config) -> str:
    """Which patients the tables are of."""
    test = of_split(summary.cases, TEST)
    if len(test):
        return f"{test.patient.nunique()} test patients"
    patients = summary.cases.patient.nunique()
    return (
        f"{patients} patients in {len(config.run.folds)} of {config.splits.folds} folds"
    )


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


def draw(name: str, figures: Iterable[str]) -> None:
    """Draw figures of a release."""
    with TemporaryDirectory() as folder:
        config = lay_out(RELEASED / name, Path(folder))
        layout = Layout.of(config)
        if cli.main(["figures", "--config", str(layout.root / "config.json")]):
            sys.exit(f"the figures of {name} cannot be drawn")
        target = DOCS / "figures" / name
        target.mkdir(parents=True, exist_ok=True)
        for figure in figures:
            with Image.open(layout.figures / f"{figure}.png") as image:
                height = round(image.height * WIDTH_PX / image.width)
                small = image.convert("RGB").resize((WIDTH_PX, height))
                small.quantize(COLOURS).save(target / f"{figure}.png", optimize=True)


if __name__ == "__main__":
    for one in PAGES:
        if "--figures" in sys.argv[1:]:
            for release in released(one):
                if PAGES[one][release]:
                    draw(release, PAGES[one][release])
        (DOCS / f"{one}.md").write_text(page(one), encoding="utf-8")
