"""Which trainings learned what they were trained on: the gate before comparisons."""

import pandas as pd

from deeprac.evaluation.gates import (
    NOT_LEARNED,
    NOT_RECORDED,
    TRAINING,
    not_learned,
)
from deeprac.records.training_scores import CURVE, LAST_EPOCHS, TRAINING_SLICES
from deeprac.reporting import formats
from deeprac.reporting.summary import Summary
from deeprac.reporting.tables.table import (
    Column,
    Part,
    Table,
    extent_note,
    identified,
    number,
    row_columns,
    words,
)

ARMS = (
    *row_columns(),
    number("n_runs", "all", group="Trainings"),
    number("n_learned", "learned", group="Trainings"),
    number("n_not_learned", "not learned", group="Trainings"),
    number("n_not_recorded", "not recorded", group="Trainings"),
)
FAILED = (
    words("method_label", "Method", frozen=True),
    number("seed", "Seed"),
    number("fold", "Fold"),
    words("label", "Label"),
    words("reason", "Why"),
)


def gates_rows(summary: Summary) -> pd.DataFrame:
    """One row per experiment.

    Returns:
        Columns experiment; n_patients (held out); n_runs, n_learned (every label that
        is judged), n_not_learned and n_not_recorded, which add up; source of the Dice;
        per label ``_lowest``, its smallest Dice over the trainings as a share; failed
        (seeds, folds and labels).
    """
    gates, rows = summary.gates, []
    patients = summary.rows.set_index("experiment").n_patients
    for name in patients.index:
        own = gates[gates.experiment == name]
        verdicts = [set(run.verdict) for _, run in own.groupby([*TRAINING])]
        failed = sum(NOT_LEARNED in found for found in verdicts)
        unknown = sum(NOT_RECORDED in found for found in verdicts)
        lowest = own.groupby("label", sort=False).dice.min().add_suffix("_lowest")
        rows.append(
            {
                "experiment": name,
                "n_patients": patients[name],
                "n_runs": len(verdicts),
                "n_learned": len(verdicts) - failed - unknown,
                "n_not_learned": failed,
                "n_not_recorded": unknown,
                "source": "; ".join(filter(None, own.source.unique())),
                **lowest,
                "failed": "; ".join(
                    f"seed {row.seed}, fold {row.fold}: {row.label}"
                    for row in not_learned(own).itertuples()
                ),
            }
        )
    return pd.DataFrame(rows)


def gates_table(summary: Summary) -> Table:
    """Trainings that learned and those that did not, one row per experiment."""
    config, rows = summary.config, gates_rows(summary)
    shown = identified(rows, summary.rows)
    failed = identified(not_learned(summary.gates), summary.rows)
    parts = [Part((*ARMS, *_lowest(rows)), shown)]
    if len(failed):
        parts.append(Part(FAILED, failed, "Trainings that did not learn"))
    return Table(
        name="gates",
        title=f"Trainings that learned. Cohort {config.cohort.name}.",
        rows=rows,
        parts=tuple(parts),
        notes=(extent_note(summary.rows), *_notes(summary)),
    )


def _lowest(rows: pd.DataFrame) -> tuple[Column, ...]:
    ending, group = "_lowest", "Lowest Dice, %"
    labels = [name.removesuffix(ending) for name in rows if name.endswith(ending)]
    return (
        *(
            number(name + ending, name.replace("_", " "), formats.percent, group=group)
            for name in labels
        ),
        words("source", "On", optional=True),
    )


def _notes(summary: Summary) -> tuple[str, ...]:
    floor = summary.config.statistics.learned_floor
    return (
        f"Learned: the Dice of every label is at least {100 * floor:g} % "
        f"(statistics.learned_floor). On {TRAINING_SLICES}: labelled slices of "
        "patients that the network was trained on, segmented by the final network; a "
        f"label that none of them shows is not judged. On {CURVE}: of runs that "
        "recorded no such thing, pseudo Dice of their curve, mean of the last "
        f"{LAST_EPOCHS} epochs.",
        "Trainings that did not learn are left out of no table; what rests on them is "
        "not decidable.",
    )
