"""The case browser's content: which cases, as small volumes, within a budget."""

import pandas as pd

from deeprac.labels import Label
from deeprac.reporting import formats
from deeprac.reporting.figures.overlays import rank_cases
from deeprac.reporting.page.document import Browser, CaseVolume
from deeprac.reporting.page.volumes import (
    encode,
    kept_span,
    shrink_factor,
    shrink_image,
    shrink_labels,
    to_bytes,
)
from deeprac.reporting.slices import largest_slice, read_label_map
from deeprac.reporting.style import contours, experiment_style
from deeprac.reporting.summary import Summary


def browse(summary: Summary, cohort: pd.DataFrame, *, budget: int) -> Browser:
    """Embed as many cases as the budget holds, the most informative first.

    Args:
        summary: Results, with the places of volumes and predictions.
        cohort: Columns of cohort/cases.csv, indexed by case.
        budget: Bytes for all volumes together.
    """
    config = summary.config
    seed = config.run.seeds[0]
    scored = summary.cases[summary.cases.seed == seed]
    # Every fold predicts a test case: the first one is shown, picture and Dice.
    scored = scored.drop_duplicates(["experiment", "case", "label"])
    chosen = {}
    for case in by_interest(scored):
        volume = _case_volume(summary, scored, cohort.loc[case])
        size = volume_bytes(volume)
        if size <= budget:
            chosen[case] = volume
            budget -= size
    names = sorted(scored.case.unique())
    return Browser(
        cases=tuple(chosen[case] for case in names if case in chosen),
        left_out=tuple(case for case in names if case not in chosen),
        experiments={
            name: experiment_style(config, name).name
            + f" ({config.experiments[name].matrix})"
            for name in config.run.experiments
        },
        window=config.figures.window_hu,
        span=kept_span(config.figures.window_hu),
        unit="HU" if config.cohort.intensity == "hu" else "grey",
        seed=seed,
        labels={style.title: int(number) for number, style in contours(config).items()},
        dice=tuple(
            (row.case, row.experiment, row.label, formats.percent(row.dice))
            for row in scored.itertuples()
        ),
    )


def by_interest(scored: pd.DataFrame) -> list[str]:
    """All cases once: every experiment's worst, then median, then best, then the rest.

    Args:
        scored: Rows of one seed, columns of summary/cases.csv.
    """
    ranks = [rank_cases(rows) for _, rows in scored.groupby("experiment", sort=False)]
    ranked = pd.concat(ranks, ignore_index=True)
    roles = [ranked[ranked.role == role] for role in ("worst", "median", "best")]
    order = [*pd.concat(roles).case, *sorted(scored.case.unique())]
    return list(dict.fromkeys(order))


def volume_bytes(volume: CaseVolume) -> int:
    """At most what a case adds to the page: base64 is ASCII, one byte a character."""
    names = (volume.case, *volume.predictions)
    texts = (volume.image, volume.reference, *volume.predictions.values())
    return sum(map(len, texts)) + sum(10 + 6 * len(name) for name in names) + 200


def _case_volume(summary: Summary, scored: pd.DataFrame, row: pd.Series) -> CaseVolume:
    # The page of released results has no volumes, its readers no image library.
    from deeprac import volumes  # noqa: PLC0415

    config, layout = summary.config, summary.layout
    image, geometry = volumes.read_volume(layout.cohort / row.image)
    reference = read_label_map(layout.cohort / row.label, cohort=layout.cohort)
    factor = shrink_factor(image.shape[1:], pixels=config.report.pixels)
    x_mm, y_mm, z_mm = geometry.GetSpacing()
    grid_mm = (x_mm * factor, y_mm * factor, z_mm)
    window = config.figures.window_hu
    steps, slope, low = to_bytes(shrink_image(image, factor), kept_span(window))
    small = shrink_labels(reference, factor)
    predictions = {}
    of_case = scored[scored.case == row.case].drop_duplicates("experiment")
    for scores in of_case.itertuples():
        run = layout.run(scores.experiment, scores.seed, scores.fold)
        predicted = run / "predictions" / f"{row.case}.nii.gz"
        voxels = read_label_map(predicted, cohort=layout.cohort)
        predictions[scores.experiment] = encode(shrink_labels(voxels, factor), grid_mm)
    return CaseVolume(
        case=row.case,
        image=encode(steps, grid_mm, slope=slope, intercept=low, shown=window),
        reference=encode(small, grid_mm),
        predictions=predictions,
        size=steps.shape[::-1],
        factor=factor,
        start=largest_slice(small, by=(Label.TUMOUR, Label.KIDNEY)),
    )
