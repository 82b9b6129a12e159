"""One CT segmented by the folds of a bundle, back on its own axes."""

from dataclasses import asdict, dataclass
from typing import Any

import SimpleITK as sitk

from deeprac import provenance
from deeprac.bundle.archive import Bundle
from deeprac.cohort.grid import Grid
from deeprac.cohort.volume import Volume
from deeprac.errors import SurgeryError
from deeprac.events import Events
from deeprac.inference.ensemble import Ensemble, EnsemblePrediction
from deeprac.inference.load import load_bundle
from deeprac.labels import CohortLabels
from deeprac.memory import free_bytes
from deeprac.training.cost import GIB
from deeprac.training.device import describe_device, device_for


@dataclass(frozen=True)
class SegmentSettings:
    """How a bundle is used.

    Attributes:
        folds: their numbers; None for all.
        device: auto, cuda or cpu.
        batch: slices that are segmented together; None as in the training.
    """

    folds: tuple[int, ...] | None = None
    device: str = "auto"
    batch: int | None = None


@dataclass(frozen=True)
class Segmented:
    """A segmented CT.

    Attributes:
        label: label map on the axes of ``Volume.image``.
        labels: what its numbers mean.
        prediction: how the folds agree, and what their front ends did.
        provenance: what made it: bundle, folds, device, seconds.
    """

    label: sitk.Image
    labels: CohortLabels
    prediction: EnsemblePrediction
    provenance: dict[str, Any]


def segment(
    volume: Volume, bundle: Bundle, settings: SegmentSettings, events: Events
) -> Segmented:
    """Segment a CT with the folds of a bundle.

    Args:
        volume: the CT, checked.
        bundle: opened, its contents checked.
        settings: folds, device and batch.
        events: told of device, folds, the estimate and progress.

    Raises:
        BundleError: a fold is missing, or weights do not fit the plans.
        DeviceError: the device is not there, or its memory is too small.
        SurgeryError: the machine's memory is too small.
    """
    device, reason = device_for(settings.device)
    events.send("device", device=device.type, reason=reason)
    folds = tuple(dict.fromkeys(settings.folds or bundle.manifest["folds"]))
    events.send("folds", folds=list(folds), of=bundle.manifest["folds"])
    ensemble = load_bundle(bundle, folds, device)
    if settings.batch is not None:
        ensemble.batch = settings.batch
    image = sitk.GetArrayViewFromImage(volume.image)
    spacing_mm = volume.image.GetSpacing()[::-1]
    asked, begun = ensemble.batch, events.seconds

    def halved(slices: int) -> None:
        text = (
            f"the GPU's memory is too small for {2 * slices} slices together; going on "
            f"with {slices}. Say --batch {slices} to begin with it"
        )
        events.send("note", message=text)

    estimate = ensemble.estimate(image, spacing_mm, halved)
    events.send("estimate", **asdict(estimate))
    events.expect(segment=estimate.seconds)
    _refuse_too_large(estimate.more_gib)
    events.progress("segment")
    prediction = ensemble.predict(
        image, spacing_mm, lambda share: events.progress("segment", share), halved
    )
    return Segmented(
        label=Grid.of(volume.image).volume(prediction.labels),
        labels=ensemble.members[0].labels,
        prediction=prediction,
        provenance={
            "bundle": _bundle(bundle),
            "folds": list(folds),
            "mirroring": ensemble.members[0].settings["inference"]["mirroring"],
            "device": describe_device(device) | {"asked": settings.device},
            "batch": {"asked": asked, "used": ensemble.batch},
            "estimate": asdict(estimate),
            "segment_seconds": events.seconds - begun,
            "git": provenance.git_state(),
            "fold_ml": prediction.fold_ml,
            "fold_dice": prediction.fold_dice,
            "front_end": _front_ends(ensemble, prediction),
        },
    )


def _bundle(bundle: Bundle) -> dict[str, Any]:
    kept = ("name", "version", "method", "intensity", "limits", "intended_use")
    return {key: bundle.manifest[key] for key in kept} | {
        "trained_on": bundle.manifest["training"]["format"],
        "files": {k: v["sha256"] for k, v in bundle.manifest["files"].items()},
    }


def _front_ends(ensemble: Ensemble, prediction: EnsemblePrediction) -> dict[str, Any]:
    return {
        str(fold): asdict(prediction.front_end[fold]) | {"slices": prediction.slices}
        for fold in ensemble.folds
    }


def _refuse_too_large(needed_gib: float) -> None:
    available_gib = free_bytes() / GIB
    if needed_gib > available_gib:
        raise SurgeryError(
            f"Segmenting this volume needs {needed_gib:.1f} GiB of memory more and "
            f"{available_gib:.1f} GiB are free. Crop it to the abdomen, or end other "
            "programs."
        )
