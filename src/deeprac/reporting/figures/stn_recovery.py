"""Size, angle and centre that normalisers found, against the reference."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deeprac.records.diagnostics import ANGLE_ERRORS, having_values
from deeprac.reporting.figures.blocks import draw_legend, panel_rows
from deeprac.reporting.figures.drawing import Drawing, captioned, scatter
from deeprac.reporting.figures.rows import by_matrix, few_experiments
from deeprac.reporting.roles import normalises
from deeprac.reporting.style import INK, WIDTH, MethodStyle, matrix_title
from deeprac.reporting.summary import Summary

KEYS = ("experiment", "fold", "seed", "patient", "case", "reference")
PANELS = {
    "scale": "Scale",
    "angle_deg": "Angle, degrees",
    "centre_x": "Centre, left-right,\n% of width",
    "centre_y": "Centre, front-back,\n% of width",
    "centre_z": "Centre, foot-head,\n% of width",
}
"""Quantity of each panel and its title; the last one of volumes alone."""
REFERENCES = {
    "truth": "the phantom's true transform",
    "case_pose": "the pose computed from the labels",
}


def make(summary: Summary) -> list[Drawing]:
    """One row of panels per matrix, one panel per quantity."""
    config = summary.config
    styles = few_experiments(config, normalises)
    table = summary.diagnostics(styles)
    data = recovered(table)
    groups = by_matrix(config, styles)
    panels = {key: PANELS[key] for key in PANELS if (data.quantity == key).any()}
    figure = Figure(figsize=(WIDTH, 1))
    lines = min(2, len(having_values(table, ANGLE_ERRORS)))  # three angles take one
    rows = panel_rows(figure, groups, columns=len(panels), note_lines=lines)
    for (row, below), (matrix, group) in zip(rows, groups.items(), strict=True):
        for ax, (quantity, title) in zip(row, panels.items(), strict=True):
            own = data[(data.quantity == quantity) & data.experiment.isin(group)]
            if own.reference_value.isna().all():  # slices beside volumes have no level
                ax.set_axis_off()
                continue
            draw(own, group, ax=ax)
            ax.set_title(title)
            ax.set_xlabel("Reference")
        row[0].set_ylabel(f"{matrix_title(config, matrix)}\nPredicted")
        draw_legend(group, _notes(table, group), ax=below)
    words = {
        "cases": table.case.nunique(),
        "patients": table.patient.nunique(),
        "reference": " or ".join(REFERENCES[kind] for kind in table.reference.unique()),
    }
    return [captioned("stn_recovery", figure, data, **words)]


def recovered(table: pd.DataFrame) -> pd.DataFrame:
    """Tidy points of the panels.

    Args:
        table: Columns of summary/diagnostics.csv.

    Returns:
        Columns of ``KEYS``, quantity (see ``PANELS``), reference_value and
        predicted_value. A predicted angle is written on the reference's side of the
        circle: 179 degrees found where -179 is true are -181.
    """
    scale, angle = table.body_scale, table.reference_angle_deg
    x, y = table.reference_x, table.reference_y
    values = {
        "scale": (scale, scale * table.scale_ratio),
        "angle_deg": (angle, angle + table.angle_difference_deg),
        "centre_x": (100 * x, 100 * (x + table.shift_x)),
        "centre_y": (100 * y, 100 * (y + table.shift_y)),
    }
    if having_values(table, ["reference_z"]):
        z = table.reference_z
        values["centre_z"] = 100 * z, 100 * (z + table.shift_z)
    parts = [
        table[list(KEYS)].assign(
            quantity=quantity, reference_value=reference, predicted_value=predicted
        )
        for quantity, (reference, predicted) in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def draw(data: pd.DataFrame, styles: Mapping[str, MethodStyle], *, ax: Axes) -> Axes:
    """Draw predicted against reference values with the line where they agree.

    Args:
        data: Columns experiment, reference_value, predicted_value of one quantity.
        styles: Style of each experiment; others are left out.
        ax: Where to draw.
    """
    shown = data[data.experiment.isin(styles)]
    values = shown[["reference_value", "predicted_value"]].to_numpy()
    margin = 0.06 * max(np.ptp(values), 1e-3)
    limits = values.min() - margin, values.max() + margin
    ax.plot(limits, limits, color=INK, linewidth=0.8, zorder=1)
    for experiment, style in styles.items():
        x, y = values[shown.experiment == experiment].T
        scatter(x, y, style, ax=ax, s=9, alpha=0.6, linewidth=0.2)
    ax.set(xlim=limits, ylim=limits, box_aspect=1, ylabel="")
    return ax


def _notes(table: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> dict[str, str]:
    """Median errors; of volumes the angles about z, x and y, in a line of their own."""
    angles = having_values(table, ANGLE_ERRORS)
    gap = " " if len(angles) == 1 else "\n"
    columns = ["scale_error", *angles, "centre_error"]
    errors = table.set_index("experiment")[columns].abs().groupby(level=0).median()
    return {
        name: f"median error {100 * errors.scale_error[name]:.1f} %,{gap}"
        + " ".join(f"{angle:.1f}°" for angle in errors.loc[name, angles])
        + f", {100 * errors.centre_error[name]:.1f} %"
        for name in styles
    }
