"""The phantom cohort: from patients and scans to voxels, slice by slice."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy.stats import beta

from deeprac.cohort.case import Case, Side
from deeprac.cohort.phantom.acquisition import AIR_HU, Acquisition, draw_acquisition
from deeprac.cohort.phantom.anatomy import Anatomy, draw_anatomy
from deeprac.cohort.phantom.fields import Array, Canvas, Points, occupancy
from deeprac.cohort.phantom.scene import draw_arms, draw_cushion
from deeprac.cohort.phantom.torso import Torso
from deeprac.labels import Label
from deeprac.records.case_split import CV, TEST
from deeprac.settings.cohort import CHILD_YEARS, PhantomConfig
from deeprac.settings.effective import effective

VERSION = 1
"""Raised whenever the same seed would give another picture."""

TEST_FROM = 100_000
"""Index of the first test case: cases of folds, however many, are never one of them."""

_THICK_MM = 2.5
"""Slices thicker than this are the mean of two thinner ones."""

_GOLDEN, _SILVER = (np.sqrt(5) - 1) / 2, np.sqrt(2) - 1


class PhantomSource:
    """Generates the cases of a phantom cohort.

    Case ``i`` depends on the seed, on ``i`` and on the settings only: not on the number
    of cases, nor on the order in which they are made.
    """

    def __init__(self, phantom: PhantomConfig) -> None:
        """Take the ``phantom`` section of the cohort's settings."""
        self._phantom = phantom

    def names(self) -> list[str]:
        """``phantom_000``, ..., and of test cases ``phantom_test_000``, ..."""
        return [f"phantom_{number}" for number in self._numbers]

    @property
    def _numbers(self) -> dict[str, int]:
        """Index of each case by what its name ends in."""
        phantom = self._phantom
        cases = {f"{index:03d}": index for index in range(phantom.cases)}
        test = {f"test_{i:03d}": TEST_FROM + i for i in range(phantom.test_cases)}
        return cases | test

    def settings(self, name: str) -> Mapping[str, Any]:
        """The phantom settings without the numbers of cases."""
        settings = effective(
            "properties.cohort.properties.phantom", asdict(self._phantom)
        )
        for number in ("cases", "test_cases"):
            settings.pop(number, None)
        return {"format": "phantom", "version": VERSION, "case": name, **settings}

    def load(self, name: str) -> Case:
        """Generate one case."""
        number = name.removeprefix("phantom_")
        index = self._numbers[number]
        anatomy, acquisition, noise = self.draw(index)
        image, label = render(anatomy, acquisition, noise)
        sides = [tumour.side for tumour in anatomy.tumours]
        one = Side.LEFT if sides[0] == 1 else Side.RIGHT
        return Case(
            name=name,
            patient=f"patient_{number}",
            image=_image(image, acquisition),
            label=_image(label, acquisition),
            side=Side.BILATERAL if len(sides) == 2 else one,
            age_years=round(anatomy.age_years, 2),
            similarity=acquisition.similarity,
            split=CV if index < TEST_FROM else TEST,
        )

    def where(self, _names: Sequence[str]) -> str:
        """Phantoms come from no files."""
        return ""

    def draw(self, index: int) -> tuple[Anatomy, Acquisition, np.random.Generator]:
        """Draw patient and scan of one case, and the generator of its noise."""
        seeds = np.random.SeedSequence([self._phantom.seed, index]).spawn(5)
        body, scan, noise, around, ends = map(np.random.default_rng, seeds)
        age_years, bilateral = draw_patient(self._phantom, index)
        anatomy = draw_anatomy(
            body, age_years=age_years, bilateral=bilateral, stage=self._phantom.stage
        )
        acquisition = draw_acquisition(
            scan,
            anatomy,
            matrix=self._phantom.matrix,
            slice_spacing_mm=self._phantom.slice_spacing_mm,
        )
        share, above = self._phantom.truncation * ends.uniform(), ends.uniform() < 0.5
        acquisition = acquisition.cut_off(share, above=above)
        return anatomy, self._in_scene(anatomy.torso, acquisition, around), noise

    def _in_scene(
        self, torso: Torso, acquisition: Acquisition, rng: np.random.Generator
    ) -> Acquisition:
        """Add arms and cushion; what is drawn of the one does not hang on the other."""
        arms = draw_arms(rng, torso)
        pose = acquisition.similarity
        cushion = draw_cushion(
            rng,
            torso,
            body_mm=(pose.shift_x_mm, pose.shift_y_mm),
            table_y_mm=acquisition.table_y_mm,
        )
        if self._phantom.arms == "down":
            acquisition = replace(acquisition, arms=arms)
        return acquisition.on(cushion) if self._phantom.cushion else acquisition


def draw_patient(phantom: PhantomConfig, index: int) -> tuple[float, bool]:
    """Age in years, and whether both kidneys have a tumour.

    Evenly spread sequences instead of independent draws: small cohorts, too, span the
    ages (most children are between one and seven, and where ``phantom.ages`` says a
    range all of it is as likely) and keep the share of bilateral ones.
    """
    first, second = np.random.default_rng(phantom.seed).uniform(size=2)
    share = float((first + index * _GOLDEN) % 1)
    if phantom.ages is None:
        age = CHILD_YEARS * float(beta.ppf(share, 1.2, 2.2))
    else:
        age = float(np.interp(share, (0, 1), phantom.ages))
    return age, bool((second + index * _SILVER) % 1 < phantom.bilateral_share)


def _image(array: np.ndarray, acquisition: Acquisition) -> sitk.Image:
    """A canonical SimpleITK image; its origin puts the image centre at x = y = 0."""
    image = sitk.GetImageFromArray(array)
    pixel, corner = acquisition.pixel_mm, (acquisition.matrix - 1) / 2
    image.SetSpacing((pixel, pixel, acquisition.slice_mm))
    image.SetOrigin((-corner * pixel, -corner * pixel, acquisition.z_mm[0]))
    return image


def render(
    anatomy: Anatomy, acquisition: Acquisition, rng: np.random.Generator
) -> tuple[Array, Array]:
    """CT in HU (int16) and label map (uint8), both [z, y, x]; ``rng`` draws noise."""
    shape = (len(acquisition.z_mm), acquisition.matrix, acquisition.matrix)
    image, label = np.empty(shape, np.int16), np.empty(shape, np.uint8)
    quarter = acquisition.slice_mm / 4
    offsets = (-quarter, quarter) if acquisition.slice_mm > _THICK_MM else (0.0,)
    for index, z_mm in enumerate(acquisition.z_mm):
        parts = [render_slice(anatomy, acquisition, z_mm + dz) for dz in offsets]
        hu, kidney, tumour = (
            sum(part) / len(parts) for part in zip(*parts, strict=True)
        )
        image[index] = acquisition.finish(hu, rng)
        label[index] = np.where(
            tumour > 0.5, Label.TUMOUR, np.where(kidney > 0.5, Label.KIDNEY, 0)
        )
    return image, label


def render_slice(
    anatomy: Anatomy, acquisition: Acquisition, z_mm: float
) -> tuple[Array, Array, Array]:
    """HU before noise, share of kidney and share of tumour, each (h, w) float32."""
    size = acquisition.matrix
    canvas = Canvas(np.full((size, size), AIR_HU, np.float32), acquisition.edge_mm)
    acquisition.paint_scene(canvas, z_mm)
    rows, columns = _body_box(anatomy, acquisition)
    angle = acquisition.similarity.angle_rad
    down = float(np.sin(angle)), float(np.cos(angle))
    body = Canvas(canvas.hu[rows, columns], acquisition.edge_mm, down)
    points = acquisition.patient_points(z_mm).at((rows, columns))
    kidney, tumour = (np.zeros_like(canvas.hu) for _ in range(2))
    kidney[rows, columns], tumour[rows, columns] = _paint_body(anatomy, body, points)
    return canvas.hu, kidney, tumour


def _paint_body(
    anatomy: Anatomy, canvas: Canvas, points: Points
) -> tuple[Array, Array]:
    """Paint the patient from the skin inwards; returns shares of kidney and tumour."""
    torso, edge = anatomy.torso, canvas.edge_mm
    wall = anatomy.bulged(points)
    tissue = anatomy.undisturbed(points)
    skin = torso.paint_wall(canvas, wall)
    cavity = torso.cavity_level(wall)
    inside = occupancy(cavity, edge)
    empty = canvas.hu.copy()
    for organ in anatomy.viscera:
        organ.paint(canvas, tissue)
    kidney = sum(part.paint(canvas, tissue, inside) for part in anatomy.kidneys)
    # Nothing soft leaves the cavity.
    canvas.hu[...] = empty + inside * (canvas.hu - empty)
    tumour = np.zeros_like(canvas.hu)
    for part in anatomy.tumours:
        share = part.paint(canvas, points, cavity)
        tumour = np.maximum(tumour, share)
    torso.paint_back(canvas, wall)
    torso.paint_ribs(canvas, wall, skin)
    return np.clip(kidney, 0, 1) * (1 - tumour), tumour


def _body_box(anatomy: Anatomy, acquisition: Acquisition) -> tuple[slice, slice]:
    """Rows and columns that the body can reach in any slice."""
    points = acquisition.patient_points(0.0)
    torso = anatomy.torso
    bulge = max((tumour.bulge_mm for tumour in anatomy.tumours), default=0.0)
    near = (np.abs(points.x) < 1.12 * torso.half_width_mm + bulge + 3) & (
        np.abs(points.y) < 1.12 * torso.half_depth_mm + bulge + 3
    )
    return tuple(
        slice(int(i.min()), int(i.max()) + 1)
        for i in (near.any(1).nonzero()[0], near.any(0).nonzero()[0])
    )
