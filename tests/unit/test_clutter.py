import pytest
import torch

from deeprac.networks.clutter import cluttered

AIR = -2.0


@pytest.fixture
def slices():
    """Bodies of tissue, a square in the middle half, in air."""
    image = torch.full((400, 1, 32, 32), AIR)
    image[:, :, 8:24, 8:24] = 0.3
    return image


def test_nothing_is_painted_without_a_share(slices):
    assert torch.equal(cluttered(slices, 0.0, AIR), slices)


def test_a_share_of_the_slices_is_painted_and_the_body_never(slices):
    torch.manual_seed(0)
    painted = cluttered(slices, 0.5, AIR)
    assert torch.equal(painted[:, :, 8:24, 8:24], slices[:, :, 8:24, 8:24])
    changed = painted != slices
    assert 0.4 < changed.flatten(1).any(1).float().mean() < 0.6
    # Tissue, as the silhouette counts it: above a quarter of the range from air to 0.
    assert (painted[changed] >= 0.75 * AIR).all()
    assert (painted[changed] <= 0).all()


def test_arms_lie_to_both_sides_and_cushions_behind(slices):
    torch.manual_seed(0)
    changed = (cluttered(slices, 1.0, AIR) != slices)[:, 0]
    behind = changed[:, 26:].sum((1, 2)) > changed.sum((1, 2)) / 2
    assert 0.35 < behind.float().mean() < 0.65
    arms = changed[~behind]
    both = arms[:, :, :16].flatten(1).any(1) & arms[:, :, 16:].flatten(1).any(1)
    assert both.float().mean() > 0.9
    assert not changed[:, :3].any()  # an arm reaches to y = -0.75 at most
