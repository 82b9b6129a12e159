import pytest
import torch

from deeprac.networks.window_shape import MIN_HALF_SIDE, WindowShape


def test_a_square_holds_a_box_and_its_margin():
    shape = WindowShape((64, 64), 0.1)
    # Wider than high: half of 0.8, and a tenth more.
    size = shape.size(torch.tensor([[-0.5, 0.1]]), torch.tensor([[0.3, 0.4]]))
    assert size.item() == pytest.approx(0.44)


@pytest.mark.parametrize(
    ("high", "size"),
    [
        ((0.8, 0.2), 0.88),  # 0.8 wide and 0.2 high: the width decides
        ((0.8, 0.6), 1.32),  # 0.6 high asks for 1.2 of width
        ((0.01, 0.01), MIN_HALF_SIDE),
        ((1.0, 1.0), 2.0),  # the whole frame is inside
        ((3.0, 3.0), 2.0),
    ],
)
def test_a_rectangle_holds_a_box_by_the_side_that_needs_more(high, size):
    shape = WindowShape((32, 64), 0.1)
    high = torch.tensor([high])
    assert shape.size(-high, high).item() == pytest.approx(size)
    window = shape.at(torch.tensor([size]), torch.tensor([[0.5, -0.25]]))
    expected = torch.tensor([[[size, 0, 0.5], [0, size / 2, -0.25]]])
    torch.testing.assert_close(window, expected)
