"""Room for checkpoints, before a training begins."""

from types import SimpleNamespace

import pytest
import torch

from deeprac.errors import RunError
from deeprac.training.space import check_space

WEIGHTS = torch.nn.Linear(999, 1000).state_dict().values()
"""A million parameters with the biases: 4 MB."""
NEEDED = 3 * 3 * 4_000_000


@pytest.mark.parametrize("free", [NEEDED - 1, NEEDED])
def test_three_checkpoints_with_two_moments_must_fit(tmp_path, monkeypatch, free):
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    if free >= NEEDED:
        check_space(WEIGHTS, tmp_path, "fine_stn, fold 0")
        return
    with pytest.raises(RunError) as refused:
        check_space(WEIGHTS, tmp_path, "fine_stn, fold 0")
    message = str(refused.value)
    assert message.startswith("fine_stn, fold 0: the checkpoints of a training take up")
    assert "0.04 GB" in message
    assert str(tmp_path) in message


def test_two_numbers_fit_on_this_disk(tmp_path):
    check_space([torch.zeros(2)], tmp_path, "fine_stn, fold 0")
