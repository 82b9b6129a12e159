"""Steps as graphs, with a stand-in for CUDA's: the same code, replayed by a call."""

import pytest
import torch

from deeprac.training.capture import WARM_UP, CapturedStep, CudaGraph

CPU = torch.device("cpu")


class CalledAgain:
    """A graph of the CPU: recording computes nothing, a replay calls the function."""

    def warm_up(self, function):
        return function()

    def record(self, function):
        self.function = function
        self.result = torch.empty(())
        return self.result

    def replay(self):
        self.result.copy_(self.function())


class Training:
    """Plain descent of a small network, as a step of tensors that stay in place."""

    def __init__(self):
        torch.manual_seed(1)
        self.network = torch.nn.Linear(3, 1)
        self.optimizer = torch.optim.SGD(self.network.parameters(), 0.1, momentum=0.9)

    def backward(self, data, target):
        self.optimizer.zero_grad(set_to_none=True)
        loss = (self.network(data) - target).square().mean()
        loss.backward()
        return loss.detach()


def batches(count):
    generator = torch.Generator().manual_seed(2)
    return [torch.rand(2, 4, 3, generator=generator).unbind() for _ in range(count)]


def trained(training, graph, count=9):
    lines = []
    step = CapturedStep(training.backward, CPU, graph=graph, log=lines.append)
    losses = []
    for data, target in batches(count):
        losses.append(step(data, target[:, :1]))
        training.optimizer.step()
    return step, torch.stack(losses), lines


def test_a_replayed_training_is_the_called_one():
    called, replayed = Training(), Training()
    _, expected, _ = trained(called, None)
    step, losses, lines = trained(replayed, CalledAgain)
    assert step.state == "captured"
    assert len(lines) == 1
    assert torch.equal(losses, expected)
    assert torch.equal(replayed.network.weight, called.network.weight)


def test_the_first_steps_are_not_replayed():
    step, _, lines = trained(Training(), CalledAgain, count=WARM_UP)
    assert step.result is None
    assert step.state == "not yet"
    assert lines == []


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("operation not permitted when stream is capturing"),
    ],
)
def test_where_recording_fails_steps_go_on_as_they_are_and_it_is_said(error):
    class Fails(CalledAgain):
        def record(self, function):
            raise error

    called, other = Training(), Training()
    _, expected, _ = trained(called, None)
    step, losses, lines = trained(other, Fails)
    assert torch.equal(losses, expected)
    assert step.state == f"failed: {error}"
    assert lines == [f"Steps are not captured as a CUDA graph; {step.state}"]


def test_losses_of_replays_are_tensors_of_their_own():
    _, losses, _ = trained(Training(), CalledAgain)
    assert len(losses.unique()) == len(losses)


def test_a_batch_of_another_size_is_refused():
    step, _, _ = trained(Training(), CalledAgain)
    with pytest.raises(RuntimeError):
        step(torch.rand(5, 3), torch.rand(5, 1))


def test_a_result_that_is_no_number_stays_one():
    training = Training()
    step, _, _ = trained(training, CalledAgain)
    data = torch.full((4, 3), float("nan"))
    assert step(data, torch.zeros(4, 1)).isnan()


@pytest.mark.gpu
def test_captured_steps_are_the_eager_ones_within_rounding():
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    device = torch.device("cuda")
    weights = []
    for graph in (None, CudaGraph):
        training = Training()
        training.network.to(device)
        step = CapturedStep(training.backward, device, graph=graph, log=print)
        for data, target in batches(20):
            step(data.pin_memory(), target[:, :1].pin_memory())
            training.optimizer.step()
        assert (step.state == "captured") == (graph is not None)
        weights.append(training.network.weight.detach().cpu())
    torch.testing.assert_close(*weights)
