"""metrics.csv and summary/cases.csv: one row per case and region.

Apart from what measures, so that readers of tables need no image library.
"""

from pathlib import Path

import pandas as pd

from deeprac.errors import MetricsError
from deeprac.records.catalogue import METRICS
from deeprac.records.run_key import IDENTITY
from deeprac.records.tidy import check_columns, read_tidy, shortened

METRICS_SCHEMA = 3
"""Version of the columns below, as they are written."""

READ_SCHEMAS = (2, METRICS_SCHEMA)
"""Versions that are read, others are refused. By 2 a lesion is detected, and none of
the prediction is false, that shares one voxel with the other mask."""

METRIC_COLUMNS = ("schema", *IDENTITY, "case", "patient", "label", *METRICS)
"""Columns of metrics.csv and summary/cases.csv: one row per case and label."""


def read_metrics(path: Path, *, remedy: str) -> pd.DataFrame:
    """Read metrics.csv or summary/cases.csv.

    Args:
        path: the table.
        remedy: what the user does when the file is missing or foreign.

    Raises:
        MetricsError: The file is missing, no table, of another schema or too narrow.
    """
    table = read_tidy(path, (), remedy=remedy)
    # Tables of the first version had no column of that name.
    found = table.schema.unique().tolist() if "schema" in table else [1]
    foreign = [str(number) for number in found if number not in READ_SCHEMAS]
    if foreign:
        raise MetricsError(
            f"{path} holds metrics of schema {shortened(foreign)}; this version reads "
            f"{' and '.join(map(str, READ_SCHEMAS))}. {remedy}"
        )
    check_columns(table, path, METRIC_COLUMNS, remedy=remedy)
    return table
