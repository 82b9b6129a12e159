from dataclasses import dataclass
from deeprac.reporting.aggregate import experiment_rows
from deeprac.reporting.ladder import ladder_table
from deeprac.reporting.tables import build_tables


@dataclass(frozen=True)
class Metric:
    name: str
    title: str
    unit: str
    kind: str


METRICS = {
    m.name: m
    for m in (
        Metric("dice", "Dice", "%", "share"),
        Metric("volume_ml", "Volume", "ml", "ml"),
        Metric("reference_volume_ml", "Reference volume", "ml", "ml"),
        Metric("coverage", "Coverage", "%", "share"),
    )
}


def all_tables(config, summary):
    rows = experiment_rows(config, summary.cases, summary.runs)
    tables = build_tables(rows, cohort=config.cohort.name)
    tables["ladder"] = ladder_table(config, rows, summary.cases)
    return tables
