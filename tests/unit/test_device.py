from types import SimpleNamespace

import pytest
import torch

from deeprac.errors import DeviceError
from deeprac.training.device import describe_device, device_for, resolve_device


def test_missing_gpu_is_an_error_and_never_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"training.device is 'cuda'.*device: cpu"):
        resolve_device("cuda")


def test_cpu_is_cpu_even_beside_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("cuda") == torch.device("cuda")


def test_description_of_the_cpu():
    described = describe_device(torch.device("cpu"))
    assert described["type"] == "cpu"
    assert described["threads"] == torch.get_num_threads()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_description_of_a_gpu():
    described = describe_device(torch.device("cuda"))
    assert described["memory_gib"] > 0
    assert described["cuda"]


def test_auto_says_what_it_took_and_why(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    device, reason = device_for("auto")
    assert device.type == "cpu"
    assert "PyTorch sees no GPU" in reason
    assert device_for("cpu") == (torch.device("cpu"), "asked for")
    with pytest.raises(DeviceError, match=r"--device is cuda, but .*say --device cpu"):
        device_for("cuda")


def test_auto_takes_a_gpu_by_name(monkeypatch):
    named = SimpleNamespace(name="A GPU")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: named)
    assert device_for("auto") == (torch.device("cuda"), "A GPU, which PyTorch can use")
