"""How far the paper's own numbers support that one method is better than another.

The paper prints mean and SD of Dice; how many patients they rest on, and how alike its
methods do on a patient, it does not. So the probability is shown over both.
"""

from itertools import combinations, product

import pandas as pd

from deeprac.evaluation.statistics.false_claims import (
    false_claim_probability,
    sd_of_difference,
)
from deeprac.labels import FOREGROUND
from deeprac.reporting import formats
from deeprac.reporting.published import read_published
from deeprac.reporting.tables.table import Column, Part, Table, number, words

PATIENTS = (80, 40, 16)
"""The paper's cohort, half of it, and a fifth: the patients whom one network of five
has not seen."""

CORRELATIONS = (0.5, 0.8, 0.9, 0.95)
"""Of the Dice of two methods over patients."""

COLUMNS = (
    *("row", "reference", "matrix_size", "label", "dice", "dice_sd"),
    *("reference_dice", "reference_sd", "difference", "n", "correlation"),
    *("sd_difference", "p_false"),
)

NOTES = (
    "La Barbera et al., ISBI 2021: every row of its tables that has a higher mean than "
    "an earlier row of the same matrix, and the probability that it is no better all "
    "the same (Christodoulou et al., arXiv 2505.04720, 2025): the part at or below "
    "zero of Student's distribution around the difference, with the standard error "
    "from both SDs and the correlation r of the two methods over patients.",
    "Neither n nor r is printed beside them. The cohort has 80 patients; 16 are "
    "those whom one network of five has not seen. Methods that agree on which "
    "patients are hard have a high r. Over patients only, for the trainings of the "
    "paper, and for each comparison alone: of 20 claims at 5 % one is expected to be "
    "false.",
)


def published_claims_rows() -> pd.DataFrame:
    """Every claim of the paper's tables, for each number of patients and correlation.

    Returns:
        ``COLUMNS``: ``row`` and ``reference`` name rows of the paper; Dice, SDs and the
        difference as shares in 0..1; ``p_false`` is
        :func:`~deeprac.evaluation.statistics.false_claims.false_claim_probability`.
    """
    published, found = read_published(), []
    labels = [label.title for label in FOREGROUND]
    for (reference, row), label in product(combinations(published.index, 2), labels):
        own, other = published.loc[row], published.loc[reference]
        means = own[f"{label}_dice_mean"], other[f"{label}_dice_mean"]
        sds = own[f"{label}_dice_sd"], other[f"{label}_dice_sd"]
        if own.matrix_size != other.matrix_size or means[0] <= means[1]:
            continue
        gain = round(means[0] - means[1], 6)
        claim = (row, reference, own.matrix_size, label)
        numbers = (means[0], sds[0], means[1], sds[1], gain)
        for n, r in product(PATIENTS, CORRELATIONS):
            sd = float(sd_of_difference(*sds, r))
            p_false = float(false_claim_probability(gain, sd, n))
            found.append((*claim, *numbers, n, r, sd, p_false))
    return pd.DataFrame(found, columns=list(COLUMNS))


def published_claims_table() -> Table:
    """The paper's claims; to read, one part per number of patients."""
    rows, published = published_claims_rows(), read_published()
    keys = ["row", "reference", "label", "difference"]
    parts = []
    for n in PATIENTS:
        own = rows[rows.n == n]
        wide = own.set_index([*keys, "correlation"]).p_false.unstack("correlation")
        wide = wide.reindex(own.set_index(keys).index.unique()).reset_index()
        shown = wide.join(published[["matrix_size", "network_input_size"]], on="row")
        shown["method"] = wide.row.map(published.method)
        shown["reference_method"] = wide.reference.map(published.method)
        shown = shown.rename(columns={r: _key(r) for r in CORRELATIONS})
        parts.append(Part(_columns(), shown, f"If n = {n} patients"))
    return Table(
        name="published_claims",
        title="Probability that a gain printed by La Barbera et al. is none",
        rows=rows,
        parts=tuple(parts),
        notes=NOTES,
    )


def _columns() -> tuple[Column, ...]:
    return (
        number("matrix_size", "Matrix", frozen=True),
        number("network_input_size", "Input", frozen=True),
        words("method", "Method", frozen=True),
        words("reference_method", "Against"),
        words("label", "Label"),
        number("difference", "Gain, points", formats.percent),
        *(
            number(_key(r), f"r = {r:g}", formats.p_value, group="P(false)")
            for r in CORRELATIONS
        ),
    )


def _key(correlation: float) -> str:
    return f"p_false_{correlation:g}"
