"""Every measure: its unit, definition, method and source, defined once."""

from dataclasses import dataclass

VOXELS = "voxels"
CONTOURS = "contours halfway between pixels inside and outside"
SURFACE = "surface halfway between voxels inside and outside"
RIM = "an estimate of an upper bound, not the surgeon's RRP"


@dataclass(frozen=True)
class Measure:
    """One measure of ``measures.csv``.

    Attributes:
        name: in the column ``measure``; it ends in its unit.
        unit: of the value as stored; empty for counts and words.
        of: what it is measured of.
        definition: what it is, in one sentence.
        method: how it is computed.
        citation: its source; empty where the definition needs none.
    """

    name: str
    unit: str
    of: str
    definition: str
    method: str
    citation: str = ""


_ALL = (
    Measure("kidneys_count", "", "patient", "Number of kidneys that were told apart.",
            "connected parts, put together"),
    Measure("tumours_count", "", "patient",
            "Number of connected tumours of at least 0.065 ml, a ball of 5 mm.",
            "26-connected parts"),
    Measure("tumours_side", "", "patient",
            "Side of the kidneys that have tumours: left, right, bilateral, unknown or "
            "none; a word, in the note.", "touching or nearest kidney"),
    Measure("volume_ml", "ml", "each structure; all tumours, and those of a side",
            "Number of voxels times the volume of a voxel. A kidney is without its "
            "tumours: the remaining parenchyma; with parts of tumour that touch it and "
            "are too small to count.", VOXELS),
    Measure("diameter_mm", "mm", "tumour, kidney",
            "Largest distance of two points of the contours in all slices, or c where "
            "that is larger; of a kidney its length.", CONTOURS),
    Measure("axial_mm", "mm", "tumour",
            "Axis a: largest distance of two points of the contours in one slice.",
            CONTOURS),
    Measure("perpendicular_mm", "mm", "tumour",
            "Axis b: extent perpendicular to a, in the slice of a.", CONTOURS),
    Measure("craniocaudal_mm", "mm", "tumour",
            "Axis c: number of slices that show it times their spacing.", VOXELS),
    Measure("ellipsoid_ml", "ml", "tumour",
            "Ellipsoid with the axes a, b and c: pi/6 x a x b x c.", CONTOURS,
            "Radiologists' three diameters give about 10 % less than a segmentation: "
            "Cancers 2023, 15, 2115"),
    Measure("ellipsoid_ratio", "", "tumour", "Ellipsoid over volume.", CONTOURS),
    Measure("side", "", "tumour",
            "Side of the kidney that it touches most, else of the nearest; a word, in "
            "the note.", "faces of voxels, to compare"),
    Measure("outside_hull_percent", "%", "tumour",
            "Share of its voxels outside the convex hull of its kidney's parenchyma.",
            "convex hull of the surface",
            "Outward growth is one of the items of TUMORS: 10.3389/fped.2024.1501560"),
    Measure("contact_cm2", "cm2", "tumour",
            "Area on which tumour and kidneys touch. Of tumours below 4.2 ml, a ball "
            "of 10 mm radius, up to 20 % too small.", "SurfaceNets, smoothed",
            "Frisken, JCGT 11 (1), 2022"),
    Measure("other_kidney_mm", "mm", "tumour",
            "Smallest distance to the kidney of the other side; 0 where they touch.",
            SURFACE),
    Measure("share_percent", "%", "kidney",
            "Volume over that of both kidneys, each without tumours (split volume).",
            VOXELS,
            "Split function goes with split volume: Ceccanti et al., J Pediatr Surg "
            "2018"),
    Measure("of_other_percent", "%", "kidney with a tumour",
            "Volume over that of the other kidney, each without tumours.", VOXELS),
    Measure("rim_remaining_ml", "ml", "kidney",
            "Volume of the kidney farther than the rim from every tumour: "
            f"{RIM}.", "distance of voxels to the tumours' surface",
            "Virtual close to actual resection in 9 children: van der Zee et al., Curr "
            "Oncol 2022, 29 (2), 66"),
    Measure("rim_share_percent", "%", "kidney",
            f"The same over that of both kidneys: {RIM}.", "as rim_remaining_ml"),
    Measure("rim_of_other_percent", "%", "kidney with a tumour",
            f"The same over that of the other kidney: {RIM}.", "as rim_remaining_ml"),
    Measure("change_ml", "ml", "all tumours, those of a side; kidney",
            "Volume minus that at the previous time point.", VOXELS),
    Measure("change_percent", "%", "all tumours, those of a side; kidney",
            "The same over the volume at the previous time point.", VOXELS),
    Measure("not_measured", "", "hilum, collecting system, vessels",
            "Not measured: no model here segments it.", "none"),
)  # fmt: skip

MEASURES: dict[str, Measure] = {measure.name: measure for measure in _ALL}
"""By name, in the order of the tables."""

COLUMNS = (
    *("structure", "measure", "value", "unit", "note"),
    *("definition", "method", "citation"),
)
"""Of ``measures.csv``: one row per structure and measure."""
