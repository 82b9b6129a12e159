"""Every metric column: its name, unit and direction, defined once."""

from dataclasses import dataclass
from typing import Literal

MetricKind = Literal["share", "mm", "ml", "percent", "count"]
Better = Literal["high", "low"]


@dataclass(frozen=True)
class Metric:
    """A metric column of cases.csv.

    Attributes:
        name: the column.
        title: name for readers.
        unit: unit for readers of the number as stored; empty: none.
        kind: what sort of number it is.
        better: which direction is better; None: neither.
        description: what it is, in one sentence.
    """

    name: str
    title: str
    unit: str
    kind: MetricKind
    better: Better | None
    description: str

    @property
    def heading(self) -> str:
        """Title with the unit in which the number is shown; shares in percent."""
        unit = "%" if self.kind == "share" else self.unit
        return f"{self.title}, {unit}" if unit else self.title


_ALL = (
    Metric("dice", "Dice", "", "share", "high", "Overlap of the volumes."),
    Metric("precision", "Precision", "", "share", "high",
           "Share of the prediction that is right."),
    Metric("recall", "Recall", "", "share", "high",
           "Share of the reference that is found."),
    Metric("nsd_1mm", "NSD at 1 mm", "", "share", "high",
           "Share of both surfaces within 1 mm of the other."),
    Metric("nsd_2mm", "NSD at 2 mm", "", "share", "high",
           "Share of both surfaces within 2 mm of the other."),
    Metric("nsd_slice", "NSD at the slice spacing", "", "share", "high",
           "Share of both surfaces within the case's slice spacing of the other."),
    Metric("nsd_kits", "NSD at KiTS23's tolerance", "", "share", "high",
           "Share of both surfaces within KiTS23's tolerance of the class."),
    Metric("hd95_mm", "HD95", "mm", "mm", "low",
           "Larger of the two directed 95th percentiles of the surface distance."),
    Metric("assd_mm", "ASSD", "mm", "mm", "low",
           "Mean distance between the surfaces, over both."),
    Metric("volume_ml", "Volume", "ml", "ml", None, "Predicted volume."),
    Metric("reference_volume_ml", "True volume", "ml", "ml", None, "True volume."),
    Metric("volume_error_ml", "Volume error", "ml", "ml", None,
           "Predicted minus true volume."),
    Metric("volume_error_percent", "Volume error", "%", "percent", None,
           "Predicted minus true volume, in percent of the true one."),
    Metric("absolute_volume_error_ml", "Absolute volume error", "ml", "ml", "low",
           "Size of the volume error."),
    Metric("absolute_volume_error_percent", "Absolute volume error", "%", "percent",
           "low", "Size of the volume error in percent of the true volume."),
    Metric("reference_lesions", "True lesions", "", "count", None,
           "Lesions of the reference."),
    Metric("predicted_lesions", "Predicted lesions", "", "count", None,
           "Lesions of the prediction."),
    Metric("detected_lesions", "Detected lesions", "", "count", "high",
           "Lesions of the reference of which enough is found."),
    Metric("false_lesions", "False lesions", "", "count", "low",
           "Lesions of the prediction that lie outside of the reference."),
    Metric("coverage", "Coverage", "", "share", "high",
           "Share of the reference inside the network's input."),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""All metric columns by name, in the order of the tables."""
