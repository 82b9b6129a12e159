import pytest
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler

from deeprac.training.schedule import PolyLR, start_momentum


def optimizer():
    one, two = torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))
    return torch.optim.SGD([{"params": [one]}, {"params": [two], "lr": 0.001}], 0.01)


def test_rates_keep_their_ratio():
    groups = optimizer()
    schedule = PolyLR(groups, epochs=10)
    schedule.step(5)
    first, second = (group["lr"] for group in groups.param_groups)
    assert first == pytest.approx(0.01 * 0.5**0.9)
    assert second == pytest.approx(0.001 * 0.5**0.9)


def test_the_first_group_follows_nnunets_own_schedule():
    ours, theirs = optimizer(), optimizer()
    schedule, reference = PolyLR(ours, 7), PolyLRScheduler(theirs, 0.01, 7)
    for epoch in range(7):
        schedule.step(epoch)
        reference.step(epoch)
        assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]


def test_steps_do_not_accumulate_so_a_resumed_run_has_the_same_rates():
    groups = optimizer()
    schedule = PolyLR(groups, epochs=10)
    for epoch in (0, 3, 9, 3):
        schedule.step(epoch)
    assert groups.param_groups[1]["lr"] == pytest.approx(0.001 * 0.7**0.9)


@pytest.mark.parametrize("nesterov", [True, False])
def test_momentum_that_starts_at_zero_is_the_same_arithmetic(nesterov):
    weights = []
    for starts in (False, True):
        weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        optimizer = torch.optim.SGD(
            [weight], 0.1, momentum=0.9, nesterov=nesterov, fused=True
        )
        if starts:
            start_momentum(optimizer)
            assert optimizer.state[weight]["momentum_buffer"].tolist() == [0, 0]
        for step in range(3):
            weight.grad = torch.tensor([0.5, float(step)])
            optimizer.step()
        start_momentum(optimizer)  # as after a restart: what is there stays
        weights.append(weight.detach().clone())
    torch.testing.assert_close(*weights)


def test_only_sgd_with_momentum_has_any():
    weight = torch.nn.Parameter(torch.ones(2))
    for optimizer in (
        torch.optim.AdamW([weight], 0.1, fused=True),
        torch.optim.SGD([weight], 0.1),
    ):
        start_momentum(optimizer)
        assert not optimizer.state
