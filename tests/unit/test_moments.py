import math

import pytest
import torch
from torch.nn import functional

from deeprac.geometry.moments import canonicalise, is_body, moments, silhouette
from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.rotation import rotation
from deeprac.geometry.similarity import (
    angle_difference,
    compose,
    identity,
    invert,
    parameters,
    similarity,
    transform_points,
)
from deeprac.geometry.warp import warp
from support.toy_cohort import small_networks

SIZE = (128, 128)
AIR = -2.0
BOUNDS = {"radius": 0.4, "max_log_scale": 1.4}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def ellipse(x, y, long, short, angle, size=SIZE):
    """Filled ellipse; semi-axes and centre in normalised units."""
    points = pixel_centres(size)[0] - torch.tensor([x, y])
    cos, sin = math.cos(angle), math.sin(angle)
    along = points[:, 0] * cos + points[:, 1] * sin
    across = points[:, 1] * cos - points[:, 0] * sin
    return ((along / long) ** 2 + (across / short) ** 2 < 1).float().view(1, 1, *size)


def test_convention_moments_of_an_ellipse():
    found = moments(ellipse(0.2, -0.1, 0.6, 0.3, 0.4))
    # Variances of a uniform ellipse: a^2 / 4 along, b^2 / 4 across.
    assert found.mass.item() == pytest.approx(math.pi * 0.6 * 0.3 / 4, rel=0.01)
    torch.testing.assert_close(
        found.centroid, torch.tensor([[0.2, -0.1]]), atol=2e-3, rtol=0
    )
    radius = math.sqrt((0.6**2 + 0.3**2) / 8)
    assert found.radius.item() == pytest.approx(radius, rel=0.005)
    assert found.angle_rad.item() == pytest.approx(0.4, abs=0.01)
    assert found.elongation.item() == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize("angle", [-0.7, -0.2, 0.0, 0.5])
def test_canonicalise_brings_the_ellipse_to_size_pose_and_centre(angle):
    body = ellipse(-0.1, 0.15, 0.5, 0.3, angle)
    image_from_canonical = canonicalise(moments(body), **BOUNDS)
    canonical = moments(warp(body, image_from_canonical, SIZE, fill=0.0))
    assert canonical.radius.item() == pytest.approx(0.4, rel=0.01)
    assert canonical.angle_rad.item() == pytest.approx(0, abs=0.01)
    torch.testing.assert_close(canonical.centroid, torch.zeros(1, 2), atol=5e-3, rtol=0)


def test_convention_canonical_origin_is_the_centroid():
    body = ellipse(-0.3, 0.2, 0.4, 0.3, 0.2)
    image_from_canonical = canonicalise(moments(body), **BOUNDS)
    origin = transform_points(image_from_canonical, torch.zeros(1, 1, 2))
    torch.testing.assert_close(origin, torch.tensor([[[-0.3, 0.2]]]), atol=2e-3, rtol=0)


def test_a_circle_has_no_pose():
    turned = canonicalise(moments(ellipse(0.1, 0.1, 0.5, 0.5, 0.0)), **BOUNDS)
    assert turned[0, 1, 0].item() == pytest.approx(0, abs=1e-2)


def test_pose_fades_in_between_round_and_elongated():
    # Variance ratio 1.15 is half way from 1 to MIN_ELONGATION = 1.3.
    long = 0.5 * math.sqrt(1.15)
    found = canonicalise(
        moments(ellipse(0.0, 0.0, long, 0.5, 0.6, (512, 512))), **BOUNDS
    )
    angle = math.atan2(found[0, 1, 0], found[0, 0, 0])
    assert angle == pytest.approx(0.3, abs=0.03)


def test_the_scale_is_bounded_and_the_angle_is_not():
    # Radius sqrt((0.4**2 + 0.2**2) / 8) = 0.16 of 0.4: a logarithm of -0.93.
    body = ellipse(0.0, 0.0, 0.4, 0.2, 1.2)
    found = canonicalise(moments(body), radius=0.4, max_log_scale=0.5)
    linear = found[0, :, :2]
    assert torch.linalg.det(linear).sqrt().log().item() == pytest.approx(-0.5, abs=1e-4)
    assert math.atan2(linear[1, 0], linear[0, 0]) == pytest.approx(1.2, abs=0.01)


@pytest.mark.parametrize(
    ("share", "believed"), [(0.0, False), (0.004, False), (0.019, False), (0.021, True)]
)
def test_hardly_any_tissue_is_left_where_it_is(share, believed):
    density = torch.zeros(1, 1, *SIZE)
    density.view(-1)[: int(share * density.numel())] = 1
    measured = moments(density)
    assert is_body(measured).tolist() == [believed]
    found = canonicalise(measured, **BOUNDS)
    assert torch.equal(found, identity(1)) == (not believed)


def test_empty_density():
    found = moments(torch.zeros(2, 1, 8, 8))
    assert found.mass.tolist() == [0, 0]
    assert found.centroid.tolist() == [[0, 0], [0, 0]]
    assert all(getattr(found, name).isfinite().all() for name in vars(found))


def slice_with_table():
    """Body with a lung of air inside, and a table line of 2 pixels below it."""
    body = ellipse(0.05, -0.1, 0.5, 0.35, 0.0)
    image = torch.full((1, 1, *SIZE), AIR)
    image[body > 0] = 0.0
    image[ellipse(0.05, -0.1, 0.15, 0.1, 0.0) > 0] = AIR
    table = torch.zeros_like(image)
    table[..., 110:112, 10:118] = 1
    image[table > 0] = 0.5
    return image, body, table


def test_silhouette_fills_the_body_and_drops_the_table():
    image, body, table = slice_with_table()
    found = silhouette(image, AIR)
    overlap = 2 * (found * body).sum() / (found.sum() + body.sum())
    assert overlap > 0.98
    assert found[table > 0].max() == 0
    assert found.min() >= 0
    assert found.max() <= 1


def walled_body(a, b, x=0.0, y=0.0):
    """A wall of about 2 pixels around fat and gas, thick muscle at its back.

    Args:
        a: semi-axis in x, in normalised units.
        b: semi-axis in y.
        x: centre.
        y: centre.

    Returns:
        Image, and the outline that the wall encloses, (1, 1, 128, 128).
    """
    outline = ellipse(x, y, a, b, 0.0)
    image = torch.full((1, 1, *SIZE), AIR)  # fat and gas share the value of air
    image[(outline > 0) & (ellipse(x, y, a - 0.04, b - 0.04, 0.0) == 0)] = 0.0
    spine = ellipse(x, y + b - 0.2, 0.2, 0.2, 0.0)
    image[(outline > 0) & (spine > 0)] = 0.0
    return image, outline


@pytest.mark.parametrize(
    ("a", "b", "x", "y"),
    # The last fills the frame: from the muscle to the front the wall is 1.3 times as
    # long, in pixels, as the frame is wide.
    [(0.6, 0.4, -0.1, 0.05), (0.8, 0.6, 0.1, -0.2), (0.95, 0.95, 0.0, 0.0)],
)
def test_silhouette_keeps_a_thin_wall_that_touches_the_body_and_fills_it(a, b, x, y):
    image, outline = walled_body(a, b, x, y)
    # An ellipse is convex, so that filling between its walls restores all of it.
    assert torch.equal(silhouette(image, AIR), outline)


def test_silhouette_drops_a_thin_curved_table_below_the_body():
    image, outline = walled_body(0.6, 0.4, -0.1, -0.1)
    # A trough of 3 to 4 pixels that holds the body, its ends beside it: filling
    # between table and body would add what lies between them.
    trough = ellipse(-0.1, -0.1, 0.76, 0.56, 0.0) - ellipse(-0.1, -0.1, 0.7, 0.5, 0.0)
    trough[..., :64, :] = 0
    assert (trough * outline).sum() == 0
    image[trough > 0] = 0.5
    assert torch.equal(silhouette(image, AIR), outline)


def test_silhouette_drops_a_wall_that_touches_nothing():
    image, outline = walled_body(0.6, 0.4)
    image[ellipse(0.0, 0.2, 0.3, 0.19, 0.0) > 0] = AIR  # no muscle, the wall alone
    image[outline == 0] = AIR
    assert silhouette(image, AIR).sum() == 0


def test_silhouette_is_partial_below_a_quarter_of_the_range():
    image = torch.full((1, 1, *SIZE), AIR)
    # A quarter of the range from -2 to 0 ends at -1.5; -1.75 is half of it.
    image[..., 20:60, 30:90] = -1.75
    image[..., 60:90, 30:90] = -1.5
    expected = torch.zeros_like(image)
    expected[..., 20:60, 30:90] = 0.5
    expected[..., 60:90, 30:90] = 1
    assert torch.equal(silhouette(image, AIR), expected)


def test_silhouette_of_air_is_empty_and_its_argument_unchanged():
    image, _, _ = slice_with_table()
    before = image.clone()
    silhouette(image, AIR)
    assert torch.equal(image, before)
    assert silhouette(torch.full((1, 1, *SIZE), AIR), AIR).sum() == 0


def test_batched_equals_one_by_one():
    images = torch.cat([slice_with_table()[0], torch.full((1, 1, *SIZE), AIR)])
    images = torch.cat([images, images.flip(3)])
    whole = canonicalise(moments(silhouette(images, AIR)), **BOUNDS)
    for index in range(4):
        one = images[index, None]
        single = canonicalise(moments(silhouette(one, AIR)), **BOUNDS)
        torch.testing.assert_close(whole[index, None], single, rtol=0, atol=1e-6)


def test_moments_ignore_autocast():
    body = ellipse(0.2, -0.1, 0.6, 0.3, 0.4)
    with torch.autocast("cpu", torch.bfloat16):
        cast = canonicalise(moments(body), **BOUNDS)
    assert torch.equal(cast, canonicalise(moments(body), **BOUNDS))


def turned(angle, log_scale, x, y):
    """One similarity as a batch of one."""
    scalars = torch.tensor([log_scale]), torch.tensor([angle])
    return similarity(*scalars, torch.tensor([[x, y]]))


@pytest.mark.slow
def test_the_estimate_follows_random_similarities():
    """Of the slice, to be undone by the same similarity of the estimate."""
    generator = torch.Generator().manual_seed(4)
    image, _ = walled_body(0.42, 0.27, 0.05, -0.08)
    at_rest = canonicalise(moments(silhouette(image, AIR)), **BOUNDS)
    errors = []
    for _ in range(60):
        drawn = (2 * torch.rand(4, generator=generator) - 1).tolist()
        image_from_moved = turned(
            1.0 * drawn[0], 0.4 * drawn[1], 0.2 * drawn[2], 0.2 * drawn[3]
        )
        moved = warp(image, image_from_moved, SIZE, fill=AIR)
        found = canonicalise(moments(silhouette(moved, AIR)), **BOUNDS)
        log_scale, angle, shift = parameters(
            compose(invert(at_rest), compose(image_from_moved, found))
        )
        angle = angle_difference(angle, torch.zeros(1), period=math.pi)
        errors.append([log_scale.abs(), angle.abs(), shift.norm(dim=-1)])
    errors = torch.tensor(errors)
    median, p95 = errors.median(0).values, errors.quantile(0.95, dim=0)
    # Filling along rows and columns restores a convex outline at every angle. What is
    # left is the pixel that interpolation widens edges by: 1/128, against a radius of
    # 0.25 to 0.18 in the slice.
    assert (median < torch.tensor([0.02, math.radians(1), 0.02])).all()
    assert (p95 < torch.tensor([0.05, math.radians(3), 0.04])).all()


@pytest.mark.parametrize("margin", [16, 64])
def test_more_air_around_the_slice_changes_nothing_but_the_unit(margin):
    image, _ = walled_body(0.5, 0.35, 0.1, 0.05)
    plain = moments(silhouette(image, AIR))
    padded = functional.pad(image, [margin] * 4, value=AIR)
    found = moments(silhouette(padded, AIR))
    unit = 128 / (128 + 2 * margin)
    torch.testing.assert_close(found.mass, plain.mass * unit**2)
    torch.testing.assert_close(found.centroid, plain.centroid * unit)
    torch.testing.assert_close(found.radius, plain.radius * unit)
    torch.testing.assert_close(found.angle_rad, plain.angle_rad, atol=1e-4, rtol=0)
    # The difference of nearly equal sums: float32 leaves it five digits.
    torch.testing.assert_close(found.elongation, plain.elongation, rtol=1e-4, atol=0)


def test_a_body_that_the_field_of_view_cuts_is_found_where_it_shows():
    outline = ellipse(0.45, 0.0, 0.9, 0.5, 0.0)  # the right fifth is beyond the edge
    image = torch.where(outline > 0, 0.0, AIR)
    image[ellipse(0.3, 0.0, 0.2, 0.2, 0.0) > 0] = AIR  # gas within
    assert torch.equal(silhouette(image, AIR), outline)
    found, expected = moments(silhouette(image, AIR)), moments(outline)
    assert is_body(found).all()
    torch.testing.assert_close(found.centroid, expected.centroid)
    transform = canonicalise(found, **BOUNDS)
    assert transform.isfinite().all()
    assert torch.linalg.det(transform[0, :, :2]) > 0


def test_a_table_alone_is_no_body():
    image = torch.full((1, 1, *SIZE), AIR)
    image[..., 110:112, 10:118] = 0.5
    found = moments(silhouette(image, AIR))
    assert not is_body(found).any()
    assert torch.equal(canonicalise(found, **BOUNDS), identity(1))


CUBE = (24, 32, 40)
"""Voxels of a cube that are no cubes, (depth, height, width)."""


def ellipsoid(centre, axes, vector, size=CUBE):
    """Filled ellipsoid turned by a rotation vector; lengths in normalised units."""
    turn = rotation(torch.tensor([vector]))[0]
    local = (pixel_centres(size)[0] - torch.tensor(centre)) @ turn
    return ((local / torch.tensor(axes)) ** 2).sum(1).lt(1).float().view(1, 1, *size)


def test_convention_moments_of_an_ellipsoid():
    axes, vector = (0.7, 0.4, 0.55), [0.2, -0.1, 0.4]
    found = moments(ellipsoid((0.2, -0.1, 0.15), axes, vector))
    # Variances of a uniform ellipsoid: a^2 / 5 along each axis.
    assert found.mass.item() == pytest.approx(math.pi * math.prod(axes) / 6, rel=0.01)
    centre = torch.tensor([[0.2, -0.1, 0.15]])
    torch.testing.assert_close(found.centroid, centre, atol=3e-3, rtol=0)
    radius = math.sqrt(sum(a**2 for a in axes) / 15)
    assert found.radius.item() == pytest.approx(radius, rel=0.01)
    assert found.angle_rad[0].tolist() == pytest.approx(vector, abs=0.03)
    ratios = [(0.55 / 0.4) ** 2, (0.7 / 0.55) ** 2, (0.7 / 0.4) ** 2]
    assert found.elongation[0].tolist() == pytest.approx(ratios, rel=0.05)


def test_canonicalise_brings_an_ellipsoid_to_size_pose_and_centre():
    body = ellipsoid((0.1, -0.1, 0.1), (0.6, 0.3, 0.45), [-0.2, 0.1, 0.5])
    image_from_canonical = canonicalise(moments(body), **BOUNDS)
    canonical = moments(warp(body, image_from_canonical, CUBE, fill=0.0))
    assert canonical.radius.item() == pytest.approx(0.4, rel=0.02)
    assert canonical.angle_rad.abs().max().item() < 0.03
    torch.testing.assert_close(canonical.centroid, torch.zeros(1, 3), atol=1e-2, rtol=0)


def test_a_volume_cut_off_along_z_misleads_moments():
    """Size and centre follow the field of view, not the patient."""
    body = ellipsoid((0.0, 0.0, 0.0), (0.6, 0.4, 0.8), [0.0, 0.0, 0.0])
    cut = body.clone()
    cut[:, :, :10] = 0
    whole, part = moments(body), moments(cut)
    assert part.centroid[0, 2] > 0.1
    assert part.radius < 0.95 * whole.radius


def test_the_silhouette_of_a_volume_is_that_of_its_slices():
    volume = torch.full((2, 1, 3, 32, 32), AIR)
    volume[0, 0, 1, 8:24, 6:28] = 0
    volume[1, 0, :, 10:20, 10:20] = 0
    found = silhouette(volume, AIR)
    assert found.shape == volume.shape
    for one, slices in zip(found, volume, strict=True):
        alone = silhouette(slices.transpose(0, 1), AIR)
        torch.testing.assert_close(one.transpose(0, 1), alone)
    nothing = is_body(moments(torch.zeros_like(volume)))
    assert is_body(moments(found)).tolist() == [True, True]
    assert not nothing.any()
