"""Fields of view that end early."""

import pytest
import torch

from deeprac.networks.truncation import LARGEST_CUT, truncated

AIR = -2.0


def bodies(count):
    volumes = torch.full((count, 1, 20, 8, 8), AIR)
    volumes[:, :, 4:16, 2:7, 1:6] = 0.5
    return volumes


def test_slices_are_cut_off_at_both_ends_up_to_a_bound():
    torch.manual_seed(0)
    volumes = bodies(200)
    before = volumes.clone()
    found = truncated(volumes, 1.0, AIR)
    assert torch.equal(volumes, before)
    shown = (found > AIR).flatten(3).any(3)[:, 0]
    counts = shown.sum(1)
    assert counts.min() >= 12 * (1 - LARGEST_CUT)
    assert counts.min() < 9
    # What is left is in one piece, and stays where it was.
    edges = shown.int().diff(dim=1).abs().sum(1)
    assert (edges == 2).all()
    first, last = shown[:, 4].logical_not().sum(), shown[:, 15].logical_not().sum()
    assert first > 40
    assert last > 40
    kept = shown[:, None, :, None, None]
    assert torch.equal(found, torch.where(kept, volumes, AIR))


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.5, 60, 140)])
def test_a_share_of_the_volumes_is_cut(share, low, high):
    torch.manual_seed(1)
    volumes = bodies(200)
    changed = (truncated(volumes, share, AIR) != volumes).flatten(1).any(1)
    assert low <= changed.sum() <= high


def test_a_volume_without_a_body_stays_as_it_is():
    air = torch.full((3, 1, 8, 4, 4), AIR)
    assert torch.equal(truncated(air, 1.0, AIR), air)
