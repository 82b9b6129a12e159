"""Folds that answer together: one equals predict, several the mean of their votes."""

import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from deeprac.bundle.archive import opened
from deeprac.errors import DeviceError
from deeprac.inference.ensemble import Ensemble
from deeprac.inference.load import load_bundle, predictor_of
from deeprac.preprocessing.matrix import logits_to_native
from support.bundles import toy_bundle, toy_plans, toy_weights
from support.toy_cohort import arrays, small_networks

SPACING_MM = (4.0, 0.9, 0.9)
CPU = torch.device("cpu")
EXPERIMENTS = ("coarse_nnunet", "fine_stn", "fine_stn_crop_half", "planned")


EXPORT = """
from pathlib import Path
import torch
from deeprac.bundle.archive import opened
from deeprac.inference.load import load_bundle
with opened(Path({bundle!r})) as bundle:
    member = load_bundle(bundle, (0,), torch.device("cpu")).members[0]
import numpy as np
image = np.full({shape}, 40, np.int16)
data, properties = member.preprocess(image, {spacing})
shape = (len(member.labels.numbers), *data.shape[2:])
scores = (torch.rand(1, *shape).half() for _ in range(data.shape[1]))
def peak_kib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
print(member.export_bytes(data.numel(), image.size), end=" ")
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = peak_kib()
member.labels_of(scores, properties)
print(1024 * (peak_kib() - before))
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def image():
    """9 slices of a body with kidney and tumour, cut off unevenly."""
    return np.concatenate([arrays(index)[0] for index in range(3)])[:9, :, 3:]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    return {
        name: toy_bundle(tmp_path_factory.mktemp(name), name) for name in EXPERIMENTS
    }


def ensemble(path, folds):
    with opened(path) as bundle:
        return load_bundle(bundle, folds, CPU)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_ensemble_of_one_fold_equals_predict(bundles, image, experiment):
    one = ensemble(bundles[experiment], (1,))
    before = image.copy()
    found = one.predict(image, SPACING_MM)
    expected = one.members[0].predict(image, SPACING_MM).labels
    assert np.array_equal(found.labels, expected)
    assert len(np.unique(expected)) > 1
    assert np.array_equal(image, before)
    assert found.slices == 9
    assert set(found.front_end) == {1}
    if experiment == "planned":  # on nnU-Net's grid, whose size is rounded
        return
    for title, number in one.members[0].labels.foreground.items():
        voxel_ml = np.prod(SPACING_MM) / 1000
        assert found.fold_ml[title] == [
            pytest.approx((expected == number).sum() * voxel_ml)
        ]
        assert found.fold_dice[title] is None


@pytest.mark.parametrize("experiment", EXPERIMENTS[:3])
def test_several_folds_answer_with_the_mean_of_their_softmax(
    bundles, image, experiment
):
    both = ensemble(bundles[experiment], (0, 1))
    found = both.predict(image, SPACING_MM)
    with torch.inference_mode():
        votes = []
        for member in both.members:
            data, properties = member.preprocess(image, SPACING_MM)
            located = member.locate(data)
            logits = member.segment(data[0][:, None], located)
            native = logits_to_native(logits, *properties["native_shape"][1:])
            votes.append(native.softmax(1))
    mean = (votes[0] + votes[1]) / 2
    agree = (mean.argmax(1).numpy() == found.labels).mean()
    assert agree > 0.999  # a batch of 3 slices sums up in another order
    labels = [vote.argmax(1).numpy() for vote in votes]
    for title, number in both.members[0].labels.foreground.items():
        one, two = (map_ == number for map_ in labels)
        if not (one.any() or two.any()):
            assert found.fold_dice[title] is None
            continue
        dice = 2 * (one & two).sum() / (one.sum() + two.sum())
        assert found.fold_dice[title] == pytest.approx(dice, abs=0.01)


def test_folds_that_are_the_same_change_nothing(bundles, image):
    for name in EXPERIMENTS:
        one = ensemble(bundles[name], (0,))
        twice = Ensemble({0: one.members[0], 1: one.members[0]})
        found, alone = (e.predict(image, SPACING_MM) for e in (twice, one))
        assert np.array_equal(found.labels, alone.labels)
        assert set(found.fold_dice.values()) <= {1.0, None}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_progress_grows_to_the_whole(bundles, image, experiment):
    shares = []
    ensemble(bundles[experiment], (0, 1)).predict(image, SPACING_MM, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) == (2 if experiment == "planned" else 6)  # batches of 3


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_estimate_comes_from_a_part(bundles, image, experiment):
    both = ensemble(bundles[experiment], (0, 1))
    estimate = both.estimate(image, SPACING_MM)
    assert 0 < estimate.seconds < 60
    assert 0 < estimate.more_gib < 0.1
    assert estimate.memory_gib > estimate.more_gib
    assert estimate.gpu_gib is None


def test_nnu_nets_export_needs_room_for_all_logits(bundles, image):
    sliding, slices = (
        ensemble(bundles[name], (0,)).members[0] for name in ("planned", "fine_stn")
    )
    # 3 classes: float16 and float64 of 10 voxels, float16 of 20, and 10 bytes of these.
    assert sliding.export_bytes(10, 20) == 3 * (10 * 2 + 10 * 8 + 20 * 2) + 10 * 20
    assert slices.export_bytes(10, 20) == 0


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("spacing_mm", [(3.0, 0.6, 0.6), (1.0, 1.8, 1.8)])
def test_the_estimate_of_an_export_is_that_of_the_process(bundles, spacing_mm):
    """Peak of the process's own memory, in one that did nothing before."""
    script = EXPORT.format(
        bundle=str(bundles["planned"]), spacing=spacing_mm, shape=(80, 200, 200)
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
    )  # fmt: skip
    estimated, real = map(float, done.stdout.split())
    assert 0.8 * real < estimated < 1.6 * real


def test_a_full_gpu_halves_the_batch_and_says_so(bundles, image):
    """A stand-in for the GPU: more than two slices together are too many."""
    whole = ensemble(bundles["fine_stn"], (0,))
    member = whole.members[0]
    expected = whole.predict(image, SPACING_MM).labels
    whole.batch, told = 8, []
    segment = member.segment

    def narrow(batch, located):
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        return segment(batch, located)

    with mock.patch.object(member, "segment", narrow):
        found = whole.predict(image, SPACING_MM, halved=told.append)
    assert told == [4, 2]
    assert whole.batch == 2
    assert np.mean(found.labels != expected) < 1e-3


@pytest.mark.parametrize("experiment", ["fine_stn", "planned"])
def test_a_gpu_that_holds_not_even_one_slice_is_an_error(bundles, image, experiment):
    whole = ensemble(bundles[experiment], (0,))
    gib = 2**30
    full = mock.patch("torch.cuda.mem_get_info", return_value=(gib // 2, 4 * gib))
    no_room = mock.patch.object(
        whole.members[0], "logits", side_effect=torch.OutOfMemoryError
    )
    with full, no_room, pytest.raises(DeviceError, match=r"0.5 of 4.0 GiB are free"):
        whole.predict(image, SPACING_MM)


@pytest.mark.parametrize("mirroring", [False, True])
@pytest.mark.parametrize("folds", [(0,), (0, 1)])
def test_the_control_answers_as_stock_nnunet_does(tmp_path, image, folds, mirroring):
    """nnU-Net's own predictor, on the same array, with the same networks."""
    plans, dataset = toy_plans(tmp_path, "planned", mirroring=mirroring)
    weights = {fold: toy_weights(plans, fold) for fold in folds}
    ours = Ensemble(
        {fold: predictor_of(plans, dataset, one, CPU) for fold, one in weights.items()}
    )
    found = ours.predict(image, SPACING_MM).labels
    stock = nnUNetPredictor(
        use_mirroring=mirroring, device=CPU, perform_everything_on_device=False,
        allow_tqdm=False,
    )  # fmt: skip
    member = ours.members[0]
    stock.manual_initialization(
        member.network,
        member.plans,
        member.configuration,
        list(weights.values()),
        dataset,
        "nnUNetTrainer",
        (0, 1) if mirroring else None,
    )
    expected = stock.predict_single_npy_array(
        image[None].astype(np.float32), {"spacing": list(SPACING_MM)}
    )
    assert len(np.unique(expected)) > 1
    assert np.array_equal(found, expected)
