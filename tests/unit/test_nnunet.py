"""nnU-Net's private parts that we use are as this package takes them to be.

A failure here says that the installed nnU-Net is another one: read its change before
anything is trained with it.
"""

import tomllib
from importlib.metadata import version
from inspect import getsource, signature
from pathlib import Path

import pytest
import torch
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from nnunetv2.preprocessing.preprocessors.default_preprocessor import (
    DefaultPreprocessor,
)
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from deeprac.commands.nnunet import configure_nnunet
from deeprac.config import load_config
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.training.nnunet import MAX_GRADIENT, NnunetTrainer
from deeprac.training.trainer import build_trainer
from support.toy_cohort import make_cohort, small_networks, verb

REPO = Path(__file__).parents[2]
NAMES = ("coarse_nnunet_augment", "fine_stn_crop")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with small_networks():
        yield


@pytest.fixture(scope="module")
def trainers(tmp_path_factory):
    """Initialised trainers of toy cases, plain and with a front end."""
    _, path = make_cohort(tmp_path_factory.mktemp("seams"))
    layout = Layout.of(load_config([path]))
    made = {}
    for name in NAMES:
        verb(path, "plan", "--experiment", name)
        configure_nnunet(layout, workspace=layout.root / "scratch", data_workers=0)
        model = layout.model(name, 0)
        plans, dataset = (read_json(model / f"{n}.json") for n in ("plans", "dataset"))
        made[name] = build_trainer(plans, dataset, 0, torch.device("cpu"))
        made[name].initialize()
    return made


@pytest.fixture
def trainer(trainers):
    return trainers["coarse_nnunet_augment"]


def test_one_version_is_pinned_everywhere():
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    pinned = f"nnunetv2=={version('nnunetv2')}"
    assert pinned in project["dependencies"]
    for name in ("requirements.in", "requirements.lock", "deeprac.yaml"):
        assert pinned in (REPO / "envs" / name).read_text(), name


def test_the_log_is_one_dictionary_of_lists_that_checkpoints_keep(trainer):
    own = {"lrs", "train_losses", "val_losses", "dice_per_class_or_region"}
    own |= {"epoch_start_timestamps", "epoch_end_timestamps"}
    assert own <= trainer.logged.keys()
    trainer.log_also(["temperature"])
    trainer.logger.log("temperature", 37.0, 0)
    assert trainer.logged["temperature"] == [37.0]
    assert trainer.logger.get_checkpoint() is trainer.logged
    with pytest.raises(AssertionError):  # so `log_also` is needed
        trainer.logger.log("a key of nobody", 1.0, 0)


def test_nothing_is_drawn(trainer, tmp_path):
    assert "self.logger.plot_progress_png(" in getsource(nnUNetTrainer.on_epoch_end)
    trainer.logger.plot_progress_png(str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_level_sizes_are_those_of_the_networks_answers(trainers):
    for trainer in trainers.values():
        levels = trainer.network.train()(torch.zeros(1, 1, 32, 32))
        # A front end does not bring the lowest level back: its weight is 0.
        sizes = trainer.level_sizes()
        assert [tuple(x.shape[2:]) for x in levels] == sizes[: len(levels)]
        assert len(sizes) - len(levels) == (trainer.settings["front_end"] is not None)
        scales = trainer._get_deep_supervision_scales()
        assert [list(map(float, scale)) for scale in scales] == [
            [height / 32, width / 32] for height, width in sizes
        ]


def test_initialising_asks_for_the_loss_of_a_list_of_levels(trainers):
    plain, supervised = trainers.values()
    assert isinstance(plain.loss, DeepSupervisionWrapper)
    assert isinstance(supervised.loss.segmentation, DeepSupervisionWrapper)
    assert plain.loss.weight_factors[-1] == 0
    assert sum(plain.loss.weight_factors) == pytest.approx(1)


def test_training_transforms_are_called_with_the_scales_third(trainer, monkeypatch):
    """What is kept of the call is what validation's transforms take."""
    calls = []
    monkeypatch.setattr(
        trainer,
        "get_training_transforms",
        lambda *args, **kwargs: calls.append((args, kwargs)) or None,
    )
    nnUNetTrainer.get_dataloaders(trainer)
    ((args, kwargs),) = calls
    assert args[2] == trainer._get_deep_supervision_scales()
    taken = set(signature(nnUNetTrainer.get_validation_transforms).parameters)
    assert taken - kwargs.keys() == {"deep_supervision_scales"}
    without = trainer.transforms_without_augmentation(*args, **kwargs)
    names = {type(part).__name__ for part in without.transforms}
    assert names == {"RemoveLabelTransform", "DownsampleSegForDSTransform"}


def test_transforms_have_the_attributes_that_are_changed():
    spatial = SpatialTransform((8, 8), 0, False)
    for name in ("scaling", "padding_mode_image", "padding_value_image"):
        assert hasattr(spatial, name), name
    assert GaussianBlurTransform(1.0, benchmark=True).benchmark is True


def test_transforms_draw_first_and_apply_what_they_drew():
    image = torch.zeros(1, 8, 8)
    spatial = SpatialTransform((8, 8), 0, False, p_rotation=1, rotation=(0.3, 0.3))
    drawn = spatial.get_parameters(image=image)
    assert drawn["grid"].shape == (8, 8, 2)
    still = SpatialTransform((8, 8), 0, False).get_parameters(image=image)
    assert still["grid"] is None
    assert set(MirrorTransform((0, 1)).get_parameters(image=image)) == {"axes"}


def test_a_validation_step_asks_the_network_for_logits_once(trainer):
    """``answered_by`` stands in for it, and puts it back whatever happens."""
    own, asked = trainer.network, []
    trainer.on_train_start()
    batch = next(trainer.dataloader_val)

    def answer(data):
        asked.append(data.shape)
        return own(data)

    with trainer.answered_by(answer):
        found = nnUNetTrainer.validation_step(trainer, batch)
    assert asked == [(2, 1, 32, 32)]
    assert found["tp_hard"].shape == (2,)  # kidney and tumour
    with pytest.raises(KeyError), trainer.answered_by(answer):
        raise KeyError
    assert trainer.network is own


def test_a_training_step_clips_as_ours_does():
    source = getsource(nnUNetTrainer.train_step)
    assert f"clip_grad_norm_(self.network.parameters(), {MAX_GRADIENT:.0f})" in source


def test_nnunets_own_parts_are_not_overridden_by_chance():
    """What NnunetTrainer adds has no namesake in nnU-Net, but for the loss."""
    added = {name for name in vars(NnunetTrainer) if not name.startswith("__")}
    assert added & set(dir(nnUNetTrainer)) == {"_build_loss"}


def test_the_preprocessor_samples_foreground_by_label_number():
    labels = torch.zeros(1, 2, 4, 5, dtype=torch.int8).numpy()
    labels[0, 1, 2, 3] = 2
    found = DefaultPreprocessor._sample_foreground_locations(labels, [1, 2])
    assert len(found[1]) == 0
    assert found[2].tolist() == [[0, 1, 2, 3]]  # (channel, z, y, x)
    taken = list(signature(DefaultPreprocessor._normalize).parameters)
    assert taken[1:3] == ["data", "seg"]
