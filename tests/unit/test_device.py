from types import SimpleNamespace

import pytest
import torch

from deeprac.errors import DeviceError, RunError
from deeprac.training.device import (
    describe_device,
    device_for,
    resolve_device,
    within_gpu_memory,
)


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


def test_a_full_gpu_says_who_asked_for_how_much_and_what_to_lower():
    full = torch.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
        "8.00 GiB of which 1.00 GiB is free. If reserved memory is large try"
    )
    with (
        pytest.raises(RunError) as caught,
        within_gpu_memory("fine_stn, fold 0", "Lower inference.batch_size."),
    ):
        raise full
    assert str(caught.value) == (
        "fine_stn, fold 0: the GPU's memory is too small (CUDA out of memory. Tried to "
        "allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB of which 1.00 GiB "
        "is free). Lower inference.batch_size."
    )


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
