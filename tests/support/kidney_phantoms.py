"""Kidneys and tumours as label maps alone, with the structures that they show.

Bodies are ellipsoids in the patient's frame, in mm, x to the left, on grids of any
orientation and tilt whose middle is not the patient's. What cannot be told from a label
map (a fused pair, a single kidney) has no sides in the truth either.
"""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from deeprac.labels import Label

KINDS = (
    *("plain", "bilateral", "split", "displaced", "several"),
    *("single", "horseshoe", "crossed", "crossed_fused"),
)
WITHOUT_SIDES = frozenset({"single", "horseshoe", "crossed", "crossed_fused"})

LEFT, RIGHT, FIRST_TUMOUR = 1, 2, 10
"""Numbers of the truth; of kidneys without sides all have the first."""


@dataclass
class Body:
    """An ellipsoid, or a union of them; ``axes_mm`` are its semi-axes (x, y, z)."""

    centre_mm: np.ndarray
    axes_mm: np.ndarray

    def shows(self, points):
        scaled = (
            (along - np.float32(centre)) / np.float32(axis)
            for along, centre, axis in zip(
                points, self.centre_mm, self.axes_mm, strict=True
            )
        )
        return sum(along * along for along in scaled) < 1


@dataclass
class Phantom:
    """A label map, the true structures on its grid, and the true side of each tumour.

    ``truth`` has ``LEFT``, ``RIGHT`` and the tumours from ``FIRST_TUMOUR`` on, the
    largest first.
    """

    kind: str
    label: sitk.Image
    truth: sitk.Image
    tumour_sides: list[str] = field(default_factory=list)


def draw(seed: int, kind: str | None = None) -> Phantom:
    """Draw a phantom; the kinds take turns with the seed."""
    rng = np.random.default_rng(seed)
    kind = kind or KINDS[seed % len(KINDS)]
    while True:
        phantom = _draw(rng, kind)
        if phantom is not None:
            return phantom


def _draw(rng, kind):
    size = rng.uniform(0.6, 1.1)
    kidneys = _kidneys(rng, kind, size)
    tumours = _tumours(rng, kind, kidneys, size)
    points, place = _grid(rng, size)
    owner = np.zeros(points[0].shape, np.uint8)
    for number, bodies in kidneys.items():
        for body in bodies:
            owner[body.shows(points)] = number
    shown = [body.shows(points) for _, body in tumours]
    if any(touch(a, b) for a, b in combinations(shown, 2)):
        return None
    before = {number: np.count_nonzero(owner == number) for number in kidneys}
    for mask in shown:
        owner[mask] = 0
    # Enough must remain of each kidney, and no tumour may hide a part of the other.
    for number in kidneys:
        if np.count_nonzero(owner == number) < 0.2 * before[number]:
            return None
    if kind in ("single", "horseshoe", "crossed_fused") and pieces(owner > 0) > 1:
        return None
    order = np.argsort([-np.count_nonzero(mask) for mask in shown])
    truth = owner.copy()
    for instance, index in enumerate(order):
        truth[shown[index]] = FIRST_TUMOUR + instance
    label = np.where(truth >= FIRST_TUMOUR, Label.TUMOUR, np.minimum(truth, 1))
    _add_specks(rng, label, truth)
    names = {LEFT: "left", RIGHT: "right"}
    sides = [names[tumours[index][0]] for index in order]
    if kind in WITHOUT_SIDES:
        truth[truth == RIGHT] = LEFT
        sides = ["unknown"] * len(sides)
    turn = _orientation(rng)
    images = [turn(place(x.astype(np.uint8))) for x in (label, truth)]
    return Phantom(kind, *images, sides)


def _kidneys(rng, kind, size):
    """Bodies of each kidney by its number."""
    axes = size * np.array([24, 20, 48]) * rng.uniform(0.85, 1.15, (2, 3))
    x = size * np.array([58, -58]) + rng.uniform(-6, 6, 2)
    y, z = rng.uniform(-8, 8, 2), rng.uniform(-15, 15, 2)
    if kind == "displaced":
        # Both on one side of the patient's middle, in their order.
        shift = rng.choice([-1, 1]) * size * 75
        x = x + shift
    centres = np.stack([x, y, z], axis=1)
    if kind.startswith("crossed"):
        centres[1] = centres[0] + (rng.uniform(-6, 6), 4, 0)
        reach = axes[0, 2] + axes[1, 2]
        centres[1, 2] -= reach * (0.8 if kind == "crossed_fused" else 1.15)
    kidneys = {
        LEFT: [Body(centres[0], axes[0])],
        RIGHT: [Body(centres[1], axes[1])],
    }
    if kind == "single":
        del kidneys[int(rng.choice([LEFT, RIGHT]))]
    if kind == "horseshoe":
        low = centres[:, 2].mean() - 0.75 * axes[:, 2].mean()
        middle = np.array([centres[:, 0].mean(), centres[:, 1].mean(), low])
        kidneys[LEFT].append(Body(middle, size * np.array([62, 16, 16])))
    return kidneys


def _tumours(rng, kind, kidneys, size):
    """Number of the kidney and body of each tumour."""
    numbers = {"bilateral": [LEFT, RIGHT], "several": [LEFT, LEFT, RIGHT]}.get(
        kind, [int(rng.choice(list(kidneys)))]
    )
    if kind in ("single", "horseshoe", "crossed") and rng.uniform() < 0.3:
        return []
    found = []
    for number in numbers:
        kidney = kidneys[number][0]
        if kind == "split":
            # A disc through the kidney's middle leaves two poles.
            axes = kidney.axes_mm * (1.9, 1.9, rng.uniform(0.3, 0.4))
            found.append((number, Body(kidney.centre_mm, axes)))
            continue
        most = 20 if kind in ("several", *WITHOUT_SIDES) else 45
        radius = size * rng.uniform(8, most) * rng.uniform(0.85, 1.15, 3)
        # On the outer half: towards the side, or a pole.
        outward = np.sign(kidney.centre_mm[0]) if kind == "displaced" else 0
        outward = outward or (1 if number == LEFT else -1)
        towards = rng.normal(size=3)
        towards[0] += 1.5 * outward
        if kind == "horseshoe":
            towards[2] = abs(towards[2]) + 1
        towards /= np.linalg.norm(towards)
        if kind == "displaced":
            # The tumour fills the side that the kidneys have left.
            towards[0] *= 1 if number == _outer(kidneys) else 0.2
        found.append(
            (number, Body(kidney.centre_mm + 1.1 * towards * kidney.axes_mm, radius))
        )
    return found


def _outer(kidneys):
    return max(kidneys, key=lambda number: abs(kidneys[number][0].centre_mm[0]))


def _grid(rng, size):
    """x, y and z [z, y, x] of a tilted grid, and what places an array on it."""
    spacing = np.array([*[rng.uniform(1.7, 2.6)] * 2, rng.uniform(2.5, 5.0)])
    extent = size * np.array([330, 190, 310])
    shape = np.ceil(extent / spacing).astype(int)
    axes = _tilt(rng)
    middle = np.array([*rng.uniform(-12, 12, 2), -10 * size])
    origin = middle - axes @ (spacing * (shape - 1) / 2)
    x, y, z = np.ogrid[tuple(slice(0, n) for n in shape)]
    points = [
        np.float32(o + a * x + b * y + c * z).transpose(2, 1, 0)
        for o, (a, b, c) in zip(origin, axes * spacing, strict=True)
    ]
    world = np.array([40.0, -130.0, 700.0])

    def place(array):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(spacing.tolist())
        image.SetOrigin((origin + world).tolist())
        image.SetDirection(axes.ravel().tolist())
        return image

    return points, place


def touch(mask, other):
    """Whether two masks share a voxel, a face, an edge or a corner."""
    return bool((ndimage.binary_dilation(mask, np.ones((3, 3, 3))) & other).any())


def pieces(mask):
    """Number of 26-connected parts."""
    return ndimage.label(mask, np.ones((3, 3, 3)))[1]


def _tilt(rng):
    """Axes turned by up to 12 degrees about a random axis."""
    axis = rng.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis) * np.radians(rng.uniform(0, 12))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    left, _, right = np.linalg.svd(np.eye(3) + cross + cross @ cross / 2)
    return left @ right


def _orientation(rng):
    """One of the 48 orders and directions of the axes."""
    pairs = ("LR", "PA", "SI")
    code = "".join(pairs[i][rng.integers(2)] for i in rng.permutation(3))
    return lambda image: sitk.DICOMOrient(image, code)


def _add_specks(rng, label, truth):
    """Single voxels of tumour far from everything, and of kidney beside a kidney."""
    free = np.argwhere(label == 0)
    for place in free[rng.integers(len(free), size=int(rng.integers(3)))]:
        around = tuple(slice(max(0, p - 3), p + 4) for p in place)
        if not label[around].any():
            label[tuple(place)] = Label.TUMOUR
    z, y, x = np.nonzero((truth == LEFT) | (truth == RIGHT))
    top = z.argmax()
    place = (min(z[top] + 2, len(label) - 1), y[top], x[top])
    if label[place] == 0:
        label[place] = 1
        truth[place] = truth[z[top], y[top], x[top]]
