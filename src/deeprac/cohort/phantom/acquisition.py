"""How a patient is scanned: field of view, pose, slices, table, noise.

Convention: the image frame, in mm about the image centre: x to the right of the
picture, which is the patient's left, y down, which is posterior. The canonical frame
has the same axes, the body centred and upright at the size of the reference child:

    p_image = scale * R(angle) @ p_canonical + shift,   R = [[cos, -sin], [sin, cos]]

so a positive angle turns the picture clockwise as seen on the screen.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter

from deeprac.cohort.case import Similarity
from deeprac.cohort.phantom.anatomy import Anatomy
from deeprac.cohort.phantom.fields import EVERYWHERE, Array, Canvas, Points, occupancy
from deeprac.cohort.phantom.growth import REFERENCE_BODY_SIZE_MM
from deeprac.cohort.phantom.scene import Arm, Cushion
from deeprac.cohort.phantom.torso import OUTLINE_EXPONENT
from deeprac.settings.cohort import ADULT_YEARS, CHILD_YEARS

AIR_HU = -1000.0

_LEAST_SHARES, _LARGEST_SHARE = (0.64, 0.82), 0.95
"""Share of the field of view that a body spans: at least (children, adults), at most.
Adults fill theirs as in KiTS19 (docs/calibration.md)."""


@dataclass(frozen=True)
class Acquisition:
    """Geometry, quality and scene of one scan."""

    matrix: int
    pixel_mm: float
    slice_mm: float
    z_mm: tuple[float, ...]
    similarity: Similarity
    table_y_mm: float
    table_curve_per_mm: float
    blur_mm: float
    noise_hu: float
    grain_mm: float
    masked: bool
    arms: tuple[Arm, ...] = ()
    cushion: Cushion | None = None

    @property
    def edge_mm(self) -> float:
        """Width of the ramp of partial volume at the edge of a shape."""
        return max(1.1 * self.pixel_mm, 0.25 * self.slice_mm)

    def image_points(self) -> tuple[Array, Array]:
        """Pixel centres in the image frame, in mm: x as a row, y as a column."""
        centre = (self.matrix - 1) / 2
        line = ((np.arange(self.matrix) - centre) * self.pixel_mm).astype(np.float32)
        return line[None, :], line[:, None]

    def patient_points(self, z_mm: float) -> Points:
        """Pixel centres of a slice in the patient frame (upright, true size)."""
        x, y = self.image_points()
        x = x - np.float32(self.similarity.shift_x_mm)
        y = y - np.float32(self.similarity.shift_y_mm)
        cos = np.float32(np.cos(self.similarity.angle_rad))
        sin = np.float32(np.sin(self.similarity.angle_rad))
        return Points(cos * x + sin * y, cos * y - sin * x, np.float32(z_mm))

    def cut_off(self, share: float, *, above: bool) -> "Acquisition":
        """The same scan, which ends earlier above (the head's end) or below.

        Args:
            share: of the slices, 0 to 1; one is always left.
            above: at which end.
        """
        kept = max(1, round((1 - share) * len(self.z_mm)))
        return replace(self, z_mm=self.z_mm[:kept] if above else self.z_mm[-kept:])

    def on(self, cushion: Cushion) -> "Acquisition":
        """The same scan on a cushion, which only moves the table."""
        return replace(self, cushion=cushion, table_y_mm=cushion.bottom_mm)

    def paint_scene(self, canvas: Canvas, z_mm: float) -> None:
        """All but the body: the table, the cushion and the arms."""
        self.paint_table(canvas)
        if self.cushion is not None:
            self.cushion.paint(canvas, *self.image_points())
        for arm in self.arms:
            arm.paint(canvas, self.patient_points(z_mm))

    def paint_table(self, canvas: Canvas) -> None:
        """A thin curved shell with foam in it, under the patient."""
        x, y = self.image_points()
        top = self.table_y_mm - np.float32(self.table_curve_per_mm) * np.square(x)
        depth = y - top
        # The mattress: hardly more than air.
        mattress = occupancy(np.abs(depth + 6) - 6, canvas.edge_mm)
        canvas.paint(EVERYWHERE, mattress, -940.0)
        foam = occupancy(np.abs(depth - 16) - 16, canvas.edge_mm)
        canvas.paint(EVERYWHERE, foam, -890.0)
        for wall in (1.2, 31.0):
            shell = occupancy(np.abs(depth - wall) - 1.5, canvas.edge_mm)
            canvas.paint(EVERYWHERE, shell, -60.0)

    def finish(self, hu: Array, rng: np.random.Generator) -> Array:
        """Blur, noise with grain, the reconstruction circle and whole numbers."""
        image = gaussian_filter(hu, self.blur_mm / self.pixel_mm, truncate=3)
        # Noise of a set standard deviation inside the body and less in air.
        white = rng.standard_normal(hu.shape, dtype=np.float32)
        sigma = self.grain_mm / self.pixel_mm
        grain = gaussian_filter(white, sigma, truncate=3) if sigma > 0.3 else white
        grain *= np.float32(self.noise_hu) / (grain.std() + np.float32(1e-6))
        image += grain * np.where(hu < -700, np.float32(0.4), np.float32(1))
        if self.masked:
            x, y = self.image_points()
            radius = self.pixel_mm * self.matrix / 2
            image[np.square(x) + np.square(y) > radius**2] = AIR_HU
        return np.rint(np.clip(image, -1024, 3071)).astype(np.int16)


def draw_acquisition(
    rng: np.random.Generator,
    anatomy: Anatomy,
    *,
    matrix: int,
    slice_spacing_mm: tuple[float, float],
) -> Acquisition:
    """Draw a scan in which the whole body is in view."""
    torso = anatomy.torso
    angle = float(np.clip(rng.normal(0, np.deg2rad(8)), *np.deg2rad([-20, 20])))
    half_x, half_y = _half_extent_mm(anatomy, angle)
    ages = CHILD_YEARS, ADULT_YEARS
    least = float(np.interp(anatomy.age_years, ages, _LEAST_SHARES))
    field = 2 * half_x / rng.uniform(least, _LARGEST_SHARE)
    shift = [
        float(np.clip(rng.normal(0, 0.06 * field), -room, room))
        for room in (0.96 * field / 2 - half_x, 0.93 * field / 2 - half_y)
    ]
    slice_mm = round(float(rng.uniform(*slice_spacing_mm)), 2)
    low, high = anatomy.z_range_mm(margin_mm=rng.uniform(0.5, 1.2) * torso.pitch_mm)
    count = int(np.ceil((high - low) / slice_mm)) + 1
    return Acquisition(
        matrix=matrix,
        pixel_mm=round(field / matrix, 4),
        slice_mm=slice_mm,
        z_mm=tuple(low + slice_mm * i for i in range(count)),
        similarity=Similarity(
            scale=torso.body_size_mm / REFERENCE_BODY_SIZE_MM,
            angle_rad=angle,
            shift_x_mm=shift[0],
            shift_y_mm=shift[1],
        ),
        table_y_mm=shift[1] + half_y + rng.uniform(6, 14),
        table_curve_per_mm=1 / rng.uniform(700, 1100),
        blur_mm=rng.uniform(0.35, 0.6),
        noise_hu=rng.uniform(9, 22),
        grain_mm=rng.uniform(0.35, 0.6),
        masked=bool(rng.uniform() < 0.4),
    )


def _half_extent_mm(anatomy: Anatomy, angle_rad: float) -> tuple[float, float]:
    """Half width and half height of the turned body, with what tumours bulge."""
    torso = anatomy.torso
    bulge = max((tumour.bulge_mm for tumour in anatomy.tumours), default=0.0)
    # The waist and the uneven skin reach a little beyond the mean outline.
    a = 1.075 * torso.half_width_mm + 0.7 * bulge
    b = 1.075 * torso.half_depth_mm + 0.9 * bulge
    cos, sin = abs(np.cos(angle_rad)), abs(np.sin(angle_rad))
    # Support function of a superellipse: the dual exponent.
    dual = OUTLINE_EXPONENT / (OUTLINE_EXPONENT - 1)
    half_x = ((a * cos) ** dual + (b * sin) ** dual) ** (1 / dual)
    half_y = ((a * sin) ** dual + (b * cos) ** dual) ** (1 / dual)
    return float(half_x), float(half_y)
