"""Everything that is measured of one patient, as a tidy table.

All is computed on the box around the structures. What cannot be measured has a row
without a value, whose note says why.
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure
from deeprac.surgery.contact import contact_areas_cm2, contact_note
from deeprac.surgery.extents import extents, gap_mm
from deeprac.surgery.hull import outside_hull_percent
from deeprac.surgery.parenchyma import remaining_ml
from deeprac.surgery.rows import PATIENT, TUMOURS, Row, as_table
from deeprac.surgery.shapes import Shapes

NOT_SEGMENTED = ("hilum", "collecting_system", "vessels")
"""What surgeons ask for and no model here shows."""

NO_SIDE = "not measured: the sides of the kidneys are not known"
NO_KIDNEY = "not measured: there is no such kidney"

OTHER = {BodySide.LEFT: BodySide.RIGHT, BodySide.RIGHT: BodySide.LEFT}
"""The other side."""


def measure(anatomy: Anatomy, margin_mm: float = 0.0) -> pd.DataFrame:
    """Measure all structures of a patient.

    Args:
        anatomy: the structures.
        margin_mm: rim with which the tumours are taken out; 0 leaves these rows out.

    Returns:
        ``catalogue.COLUMNS``, one row per structure and measure, by structure.
    """
    part = anatomy.cropped()
    tumours = part.of_kind(Kind.TUMOUR)
    volumes = {one.side: part.volume_ml(one) for one in part.of_kind(Kind.KIDNEY)}
    shapes = Shapes(part.numbers, part.spacing_mm)
    rows = [
        *_of_patient(part),
        *_of_all_tumours(part),
        *_of_kidneys(part, shapes),
        *_shares(part, volumes, ("share_percent", "of_other_percent")),
        *(row for one in tumours for row in _of_tumour(part, shapes, one)),
        *_contacts(part),
        *(
            Row(one.name, "volume_ml", part.volume_ml(one))
            for one in part.of_kind(Kind.CYST)
        ),
    ]
    if margin_mm > 0:
        rows += _with_rim(part, margin_mm)
    note = "not measured, not segmented"
    rows += [Row(name, "not_measured", note=note) for name in NOT_SEGMENTED]
    order = list(dict.fromkeys(row.structure for row in rows))
    return as_table(sorted(rows, key=lambda row: order.index(row.structure)))


def _of_patient(anatomy: Anatomy) -> Iterator[Row]:
    kidneys, tumours = anatomy.of_kind(Kind.KIDNEY), anatomy.of_kind(Kind.TUMOUR)
    sides = {one.side for one in tumours}
    word = "bilateral" if len(sides) > 1 else str(next(iter(sides), "none"))
    note = ""
    if BodySide.UNKNOWN in {one.side for one in kidneys}:
        note = "one, or two that were not told apart"
    yield Row(PATIENT, "kidneys_count", len(kidneys), note)
    yield Row(PATIENT, "tumours_count", len(tumours))
    yield Row(PATIENT, "tumours_side", note=word)


def _of_all_tumours(anatomy: Anatomy) -> Iterator[Row]:
    tumours = anatomy.of_kind(Kind.TUMOUR)
    yield Row(TUMOURS, "volume_ml", anatomy.volume_ml(*tumours))
    for side in OTHER:
        if own := [one for one in tumours if one.side is side]:
            yield Row(f"{TUMOURS}_{side}", "volume_ml", anatomy.volume_ml(*own))


def _of_kidneys(anatomy: Anatomy, shapes: Shapes) -> Iterator[Row]:
    for one in anatomy.of_kind(Kind.KIDNEY):
        length = extents(shapes.mask(one.number), anatomy.spacing_mm).diameter_mm
        yield Row(one.name, "volume_ml", anatomy.volume_ml(one))
        yield Row(one.name, "diameter_mm", length)


def _shares(
    anatomy: Anatomy,
    volumes_ml: Mapping[BodySide, float],
    names: tuple[str, str],
    note: str = "",
) -> Iterator[Row]:
    """Each kidney's share of both and, on a side with a tumour, of the other one.

    ``names`` are those of the two measures.
    """
    of_both, of_other = names
    operated = {one.side for one in anatomy.of_kind(Kind.TUMOUR)}
    for one in anatomy.of_kind(Kind.KIDNEY):
        if one.side is BodySide.UNKNOWN:
            yield Row(one.name, of_both, note=NO_SIDE)
            yield Row(one.name, of_other, note=NO_SIDE)
            continue
        own, other = volumes_ml[one.side], volumes_ml[OTHER[one.side]]
        # A rim may take both kidneys away.
        if own + other > 0:
            yield Row(one.name, of_both, 100 * own / (own + other), note)
        if one.side in operated and other > 0:
            yield Row(one.name, of_other, 100 * own / other, note)


def _of_tumour(anatomy: Anatomy, shapes: Shapes, tumour: Structure) -> Iterator[Row]:
    name, volume = tumour.name, anatomy.volume_ml(tumour)
    lengths = extents(shapes.mask(tumour.number), anatomy.spacing_mm)
    kidney_on = {one.side: one.number for one in anatomy.of_kind(Kind.KIDNEY)}
    yield Row(name, "side", note=str(tumour.side))
    yield Row(name, "volume_ml", volume)
    yield Row(name, "diameter_mm", lengths.diameter_mm)
    yield Row(name, "axial_mm", lengths.axial_mm)
    yield Row(name, "perpendicular_mm", lengths.perpendicular_mm)
    yield Row(name, "craniocaudal_mm", lengths.craniocaudal_mm)
    yield Row(name, "ellipsoid_ml", lengths.ellipsoid_ml)
    yield Row(name, "ellipsoid_ratio", lengths.ellipsoid_ml / volume)
    if tumour.side is BodySide.UNKNOWN:
        reason = NO_SIDE if kidney_on else NO_KIDNEY
        yield Row(name, "outside_hull_percent", note=reason)
        yield Row(name, "other_kidney_mm", note=reason)
        return
    own, other = kidney_on[tumour.side], kidney_on[OTHER[tumour.side]]
    outside = outside_hull_percent(shapes.centres_mm(tumour.number), shapes.hull(own))
    gap = gap_mm(shapes.surface_mm(tumour.number), shapes.tree(other))
    yield Row(name, "outside_hull_percent", outside)
    yield Row(name, "other_kidney_mm", gap)


def _contacts(anatomy: Anatomy) -> Iterator[Row]:
    """The area on which each tumour touches all kidneys."""
    kidneys, tumours = anatomy.of_kind(Kind.KIDNEY), anatomy.of_kind(Kind.TUMOUR)
    if not (kidneys and tumours):
        return
    areas = contact_areas_cm2(anatomy.numbers, anatomy.spacing_mm)
    for one in tumours:
        pairs = (frozenset({one.number, kidney.number}) for kidney in kidneys)
        contact = sum(areas.get(pair, 0.0) for pair in pairs)
        note = contact_note(anatomy.volume_ml(one)) if contact else ""
        yield Row(one.name, "contact_cm2", contact, note)


def _with_rim(anatomy: Anatomy, margin_mm: float) -> Iterator[Row]:
    remaining = remaining_ml(anatomy, margin_mm)
    note = f"rim of {margin_mm:g} mm"
    for one in anatomy.of_kind(Kind.KIDNEY):
        yield Row(one.name, "rim_remaining_ml", remaining[one.side], note)
    names = ("rim_share_percent", "rim_of_other_percent")
    yield from _shares(anatomy, remaining, names, note)
