"""Write the pages of results from the releases and their templates, docs/PAGE.md.j2.

    PYTHONPATH=src python docs/pages.py [--figures]

A template has settings, blocks and verdicts and no number of its own, so that a page
can say nothing that the releases do not. With `--figures` it also draws
docs/figures/RELEASE/*.png from each, which takes minutes.
"""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from deeprac import cli
from deeprac.config import Config, load_config
from deeprac.config_files import read_raw
from deeprac.evaluation.statistics.curves import with_upright
from deeprac.evaluation.statistics.estimates import Estimate
from deeprac.evaluation.statistics.method_means import seed_means
from deeprac.evaluation.statistics.patients import seed_differences
from deeprac.evaluation.statistics.two_way import between_groups, two_way_interval
from deeprac.files import read_json
from deeprac.front_ends import has_oracle
from deeprac.labels import FOREGROUND
from deeprac.layout import Layout
from deeprac.records.age_groups import AGE_GROUP
from deeprac.records.case_split import TEST, judged, of_split
from deeprac.records.stress import Perturbation, read_stress
from deeprac.release.manifest import MANIFEST
from deeprac.release.unpack import lay_out
from deeprac.reporting import formats
from deeprac.reporting.budgets import still_changing, tested
from deeprac.reporting.claims.collect import ClaimResult, cohort_claims
from deeprac.reporting.claims.render import Answer, answers, cells, pipe_table, tally
from deeprac.reporting.claims.verdict import Verdict
from deeprac.reporting.page.answers import failed_trainings, trainings
from deeprac.reporting.page.identity import limits
from deeprac.reporting.render import markdown
from deeprac.reporting.roles import Role, counterpart, selected_experiments
from deeprac.reporting.summary import Summary, read_summary
from deeprac.reporting.tables.ages import ages_rows
from deeprac.reporting.tables.table import Column, Part, Table, number, words
from deeprac.settings.methods import SCRATCH

DOCS = Path(__file__).parent
RELEASED = DOCS.parent / "resources" / "released"
FITS = DOCS / "data" / "fits.csv"
"""What `deeprac cohort deform` wrote for config/perspectives/diffeo_fitted.yaml."""
VOLUME_COSTS = RELEASED / "volume_costs.json"
"""Of config/perspectives/3d_costs.yaml, by `deeprac cost --output`."""

PERSPECTIVES = DOCS.parent / "config" / "perspectives"

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
        "volumes": ("stress_curves", "stn_recovery", "crop_coverage"),
        "transfer_adults": (),
        "transfer": ("dice_by_method",),
        "transfer_rest": (),
        "diffeo": (),
        "diffeo_fitted": (),
    },
}
"""The releases that a page rests on, in its order, as far as they are there, and the
figures that it shows of each."""

RECOVERED = "The transform is recovered"
"""The claim of the errors of size, pose and position."""

BUDGET = RELEASED / "budget"
"""Of the budget curve, in which the arms of the others are looked up."""
ARM = ["matrix_size", "batch_size", "method", "parameters"]
"""Columns of runs.csv by which an arm is found there."""

NOT_RUN = "not run"

WIDTH_PX = 1250
PALETTE = Image.Quantize.MAXCOVERAGE
"""Keeps rare colours: those of a method's points."""


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
            n: facts(RELEASED / n, lay_out(RELEASED / n, Path(folder)), name)
            for n in released(name)
        }
        return environment.get_template(f"{name}.md.j2").render(
            releases=found,
            cohort_answers=cohort_answers(found),
            not_held=not_held(found),
            velocity=velocity(),
            fits=fits(),
            beside_humans=beside_humans,
            volume_costs=volume_costs(),
            volume_overhead=volume_overhead,
            full_size=full_size,
        )


def released(page: str) -> list[str]:
    """The releases of a page that are there, in its order."""
    return [name for name in PAGES[page] if (RELEASED / name / MANIFEST).is_file()]


def cohort_answers(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each claim that was put to the test, with its verdict by release."""
    verdicts = {
        name: {answer.claim: _verdict(answer) for answer in one["answers"]}
        for name, one in found.items()
    }
    claims = dict.fromkeys(claim for own in verdicts.values() for claim in own)
    answers = [
        {
            "claim": claim,
            "verdicts": [own.get(claim, NOT_RUN) for own in verdicts.values()],
        }
        for claim in claims
    ]
    return [one for one in answers if {*one["verdicts"]} != {NOT_RUN}]


def _belongs(result: ClaimResult, page: str) -> bool:
    """Whether a page judges a condition: counts of the protocol stand on one alone."""
    return page == "results" or bool(result.seeds) or math.isnan(result.value)


def _verdict(answer: Answer) -> str:
    """In a word; where no condition could be looked at, that nothing was run."""
    lacking = [one.why.startswith(NOT_RUN) for one in answer.results]
    return NOT_RUN if all(lacking) else str(answer.verdict)


def not_held(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Every condition that was missed: of which claim, where, and what was measured."""
    missed: dict[str, list[str]] = {}
    for name, one in found.items():
        for answer in one["answers"]:
            for result in answer.results:
                if result.verdict is Verdict.MISSED:
                    what, whose, bound, value, *_ = cells(result)
                    text = f"{answer.claim}: {what} of {whose} {value}, claimed {bound}"
                    missed.setdefault(text, []).append(f"`{name}`")
    return [f"{text} ({_listed(names)})" for text, names in missed.items()]


def unconverged(summary: Summary) -> list[str]:
    """Arms that change with more steps, by a release or by the budget curve.

    The latter is of phantoms, and says nothing of other cohorts; an arm is found there
    by its size and network. Its own table says what it tells of itself.
    """
    cohort = summary.config.cohort
    if cohort.name == BUDGET.name:
        return []
    own = still_changing(summary.budgets)
    rows = pd.concat([own, _looked_up(summary)]) if cohort.is_phantom else own
    return [
        f"{row.method_label}, {row.steps:,} steps: {row.label} "
        f"{formats.gain(row.change, row.change_low, row.change_high)} points with "
        f"{row.compared_steps:,.0f} steps"
        for row in rows.itertuples()
    ]


def _looked_up(summary: Summary) -> pd.DataFrame:
    """Rows of the budget curve that more steps change, of arms untested here."""
    runs, text = summary.runs, {"matrix_size": str}
    there = pd.read_csv(BUDGET / "summary/runs.csv", dtype=text)[ARM].drop_duplicates()
    alike = runs.astype(text).merge(there, on=ARM)
    steps = alike.epochs * alike.iterations_per_epoch
    arms = set(zip(alike.method, steps, strict=True))
    own = tested(summary.budgets)
    known = set(zip(own.method, own.steps, own.label, strict=True))
    curve = still_changing(pd.read_csv(BUDGET / "tables/budget.csv"))
    wanted = [
        (row.method, row.steps) in arms
        and (row.method, row.steps, row.label) not in known
        for row in curve.itertuples()
    ]
    return curve[wanted]


def velocity() -> dict[str, str]:
    """Of random fields of the default strength, at the matrix of the campaigns."""
    rows = pd.read_csv(DOCS / "data" / "velocity.csv")
    own = (rows.side_px == 64) & (rows.displacement == 0.05) & (rows.smoothness == 0.2)
    (row,) = rows[own].itertuples()
    return {
        "fields": f"{row.fields:,}",
        "side": f"{row.side_px}",
        "folded": f"{row.folded}",
        "moved": f"{100 * row.median_displacement:.1f}",
        "inverse": f"{row.inverse_error_worst_px:.3f}",
    }


def fits() -> dict[str, str]:
    """Of the adults that were given the shape of children; empty where none were."""
    if not FITS.is_file():
        return {}
    rows = pd.read_csv(FITS)
    return {
        "cases": f"{len(rows)}",
        "healthy": f"{rows.kidney_dice_after.notna().sum()}",
        "before": f"{rows.kidney_dice_before.mean():.2f}",
        "after": f"{rows.kidney_dice_after.mean():.2f}",
        "weakened": f"{rows.weakened_fields.sum()}",
        "inverse": f"{rows.inverse_error_px.max():.3f}",
    }


def beside_humans(release: str) -> str:
    """Mean Dice of the arms of a release, and of two annotators of KiTS23."""
    arms = pd.read_csv(RELEASED / release / "tables/ladder.csv")
    humans = pd.read_csv(RELEASED / "kits23_geometry" / "agreement.csv")
    cases = humans.case.nunique()
    names = (label.title for label in FOREGROUND)
    rows = pd.DataFrame(
        {
            "who": [
                *arms.method_label,
                f"Two annotators, {len(humans)} pairs of {cases} whole cases",
            ],
            "n": [*arms.n_patients, cases],
        }
        | {
            name: [*arms[f"{name}_dice_mean"], humans[f"{name}_dice"].mean()]
            for name in names
        }
    )
    columns = (
        words("who", "Who"),
        number("kidney", "kidney", formats.percent, group="Dice, %"),
        number("tumour", "tumour", formats.percent, group="Dice, %"),
        number("n", "n"),
    )
    return _table("Mean Dice, networks and humans", rows, columns)


def _table(title: str, rows: pd.DataFrame, columns: Sequence[Column]) -> str:
    """Rows to read, in Markdown."""
    parts = (Part(tuple(columns), rows),)
    return markdown(Table("page", title, rows, parts, ())).strip()


def volume_costs() -> str:
    """What a step on volumes costs, and against the plain nnU-Net's."""
    costs = _volume_costs()
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


def volume_overhead(experiment: str) -> str:
    """What a step on volumes costs more than the plain nnU-Net's."""
    own = _volume_costs().set_index("experiment").loc[experiment]
    return ", ".join(
        f"{100 * (own[f'{key}_ratio'] - 1):+.1f} % {what}"
        for key, what in (
            ("step_flops", "FLOPs"),
            ("step_saved_bytes", "saved bytes in float32"),
            ("step_saved_bytes_mixed", "in mixed precision"),
        )
    )


def _volume_costs() -> pd.DataFrame:
    return pd.DataFrame(read_json(VOLUME_COSTS)["costs"])


def full_size(
    name: str, overlay: str, *, one_fold: bool = False, but: Sequence[str] = ()
) -> str:
    """Number of trainings of a perspective at full size, in all folds or one.

    Zero-shot runs are none; ``but`` are experiments that are left out.
    """
    files = [PERSPECTIVES / f"{name}.yaml", PERSPECTIVES / f"{overlay}.yaml"]
    config = load_config(files)
    trained = [
        row
        for row in map(config.experiment, config.run.experiments)
        if not config.methods[row.method].zero_shot and row.name not in but
    ]
    count = 1 if one_fold else len(config.run.folds)
    return f"{len(trained) * len(config.run.seeds) * count:,}"


def facts(release: Path, config: Config, page: str) -> dict[str, Any]:
    """Everything that the template names.

    Args:
        release: Folder of the release.
        config: Of the same, laid out as results.
        page: Name of the page.
    """
    summary = read_summary(config, Layout.of(config))
    manifest, runs = read_json(release / MANIFEST), summary.runs
    trained = summary.trained
    results = [one for one in cohort_claims(summary) if _belongs(one, page)]
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
        "training_patients": _numbers(trained.training_patients),
        "images": _images(config, runs),
        "steps": _numbers(trained.epochs * trained.iterations_per_epoch),
        "parameters": _listed(
            dict.fromkeys(f"{one / 1e6:.2f}" for one in sorted(runs.parameters))
        ),
        "transformer_epochs": config.labarbera.epochs,
        "optimiser": _listed(dict.fromkeys(runs.optimiser)),
        "seeds": len(config.run.seeds),
        "experiments": len(config.run.experiments),
        "unconverged": unconverged(summary),
        "untrained": _untrained(config),
        "runs": len(trained),
        "zero_shot": len(runs) - len(trained),
        "devices": _listed(manifest["devices"]),
        "shared": _shared(pd.read_csv(summary.layout.summary_runs).shared_machine),
        "trainings": trainings(summary),
        "failed": failed_trainings(summary),
        "tally": tally(results),
        "answers": answers(results),
        "table": table,
        "difference": partial(_difference, summary),
        "gains": partial(_gains, summary),
        "cuts": partial(_cuts, summary),
        "added": partial(_added, summary),
        "best": _best(release),
        "each_training": partial(_trainings, summary),
        "recovered": _recovered(results),
        "claims": _measured(results),
        "limits": limits(config, records),
        "figures": f"figures/{release.name}",
    }


def _untrained(config: Config) -> str:
    """Experiments and seeds of a perspective that its release does not have."""
    for path in sorted(PERSPECTIVES.glob("*.yaml")):
        if read_raw([path]).get("cohort", {}).get("name") == config.cohort.name:
            planned, run = load_config([path]).run, config.run
            lacking = [
                *(f"`{n}`" for n in planned.experiments if n not in run.experiments),
                *(f"seed {n}" for n in planned.seeds if n not in run.seeds),
            ]
            return f"Not trained yet: {_listed(lacking)}.\n" if lacking else ""
    return ""


def _difference(summary: Summary, experiment: str, reference: str) -> str:
    """Points of Dice of one minus another, with two-way intervals."""
    return ", ".join(
        f"{label} {_points(summary.cases, label, experiment, reference)}"
        for label in (label.title for label in FOREGROUND)
    )


def _points(cases: pd.DataFrame, label: str, experiment: str, reference: str) -> str:
    """The same of one label."""
    own = cases[cases.label == label]
    return _gain(two_way_interval(seed_differences(own, experiment, reference)))


def _gain(one: Estimate) -> str:
    """In points, with its interval."""
    return formats.gain(one.value, one.low, one.high)


def _cuts(summary: Summary, experiment: str, reference: str) -> str:
    """Points of Dice of one minus another where volumes are cut, by the cut."""
    rows = with_upright(judged(read_stress(summary.layout.summary_stress, remedy="")))
    rows = rows[rows.kind == Perturbation.TRUNCATION]
    labels = [label.title for label in FOREGROUND]
    table = pd.DataFrame(
        {
            "cut": f"{100 * abs(value):.0f}",
            "end": "upper" if value > 0 else "lower" if value < 0 else "-",
        }
        | {label: _points(own, label, experiment, reference) for label in labels}
        for value, own in rows.groupby("value")
    )
    columns = (
        number("cut", "Cut off, % of slices", str),
        words("end", "End"),
        *(words(label, label, group="Difference, points") for label in labels),
    )
    return _table("Further cuts", table, columns)


def _gains(summary: Summary, schedule: str) -> str:
    """Gain over plain nnU-Net of whoever got its weights in one way, by age."""
    rows = ages_rows(summary).query("schedule == @schedule and gain == gain")
    rows = rows.assign(
        method=rows.experiment.map(summary.rows.set_index("experiment").method_label),
        points=[
            formats.gain(*one) for one in rows[["gain", "gain_low", "gain_high"]].values
        ],
    )
    keys = ["method", "label"]
    wide = rows.pivot(index=keys, columns="age_group", values="points")
    wide = wide.loc[rows[keys].drop_duplicates().apply(tuple, axis=1)]
    groups = list(rows.age_group.unique())
    columns = (words("method", "Method"), words("label", "Label"))
    columns += tuple(
        words(name, name, group="Gain by age in years, points") for name in groups
    )
    contrasts = [
        _contrast(summary, own, groups) for _, own in rows.groupby(keys, sort=False)
    ]
    wide["contrast"] = list(map(_gain, contrasts))
    columns += (words("contrast", f"{groups[0]} minus {groups[-1]}, points"),)
    above = sum(one.low > 0 for one in contrasts)
    below = sum(one.high < 0 for one in contrasts)
    return (
        _table("Gain over plain nnU-Net by age", wide.reset_index(), columns)
        + f"\n\nOf the {len(contrasts)} intervals of the last column {above} lie above "
        f"0, as the hypothesis would have it, {below} below, and "
        f"{len(contrasts) - above - below} hold it."
    )


def _contrast(summary: Summary, rows: pd.DataFrame, groups: Sequence[str]) -> Estimate:
    """What one experiment gains in the youngest minus what it gains in the oldest."""
    (first, *_) = rows.itertuples()
    cases = summary.cases[summary.cases.label == first.label]
    youngest, oldest = (
        seed_differences(
            cases[cases[AGE_GROUP] == group], first.experiment, first.reference
        )
        for group in (groups[0], groups[-1])
    )
    return between_groups(youngest, oldest)


def _added(summary: Summary) -> str:
    """What the other cohort adds to each method that has been trained without it."""
    config = summary.config
    titles = summary.rows.set_index("experiment").method_label
    labels = [label.title for label in FOREGROUND]
    rows = []
    for row in selected_experiments(config):
        role = Role.of(config.methods[row.method])
        alone = counterpart(config, row, replace(role, schedule=SCRATCH))
        if role.schedule == SCRATCH or alone is None:
            continue
        trained = summary.runs[summary.runs.experiment == row.name].training_patients
        rows.append(
            {"method": titles[row.name], "patients": _numbers(trained)}
            | {"seeds": len(config.run.seeds)}
            | {one: _points(summary.cases, one, row.name, alone) for one in labels}
        )
    table = pd.DataFrame(rows)
    columns = (
        words("method", "Method"),
        number("patients", "Children", str),
        number("seeds", "Seeds"),
        *(words(one, one, group="Minus from scratch, points") for one in labels),
    )
    return _table("What adults add", table, columns)


def _best(release: Path) -> str:
    """The arm with the highest Dice, of those that need no reference to predict."""
    arms = pd.read_csv(release / "tables" / "ladder.csv")
    told = [
        has_oracle(*one) for one in arms[["normaliser", "crop"]].itertuples(index=False)
    ]
    arms = arms[~np.array(told)]
    dice = arms[[f"{label.title}_dice_mean" for label in FOREGROUND]]
    best = arms.loc[dice.mean(axis=1).idxmax()]
    values = ", ".join(
        f"{label.title} {formats.percent(best[f'{label.title}_dice_mean'])} %"
        for label in FOREGROUND
    )
    return f"{best.method_label} (`{best.experiment}`: {values})"


def _trainings(summary: Summary, experiment: str, label: str) -> str:
    """Dice of every training of an experiment, in percent."""
    cases = summary.cases[summary.cases.experiment == experiment]
    means = seed_means(cases[cases.label == label], ["label"])
    return _listed(f"{value:.1f}" for value in means.dice_percent)


def _recovered(results: Sequence[ClaimResult]) -> str:
    """How near transforms come to the truth, with what was claimed of it."""
    return "; ".join(
        f"{what} {value}, claimed {bound}: {result.verdict}"
        for result in results
        if result.claim == RECOVERED
        for what, _, bound, value, *_ in [cells(result)]
    )


def _measured(results: Sequence[ClaimResult]) -> str:
    """The conditions of claims of which there is a number, without the tally."""
    shown = [one for one in results if not math.isnan(one.value)]
    left_out = len(results) - len(shown)
    note = (
        f"\n\n{left_out} conditions about what was not run or counted are left out; "
        "`tables/claims.md` of the release has them."
    )
    return pipe_table(shown) + note * bool(left_out)


def _images(config: Config, runs: pd.DataFrame) -> str:
    """Size of what networks are trained on."""
    sizes = _listed(dict.fromkeys(runs.matrix_size))
    if {config.matrices[name].dimensions for name in runs.matrix} == {3}:
        return f"volumes of {sizes} voxels"
    return f"slices of {sizes} pixels"


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
                picture = small.quantize(method=PALETTE, kmeans=1)  # keeps tints apart
                picture.save(target / f"{figure}.png", optimize=True)


if __name__ == "__main__":
    for one in PAGES:
        if "--figures" in sys.argv[1:]:
            for release in released(one):
                if PAGES[one][release]:
                    draw(release, PAGES[one][release])
        (DOCS / f"{one}.md").write_text(page(one), encoding="utf-8")
