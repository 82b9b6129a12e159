"""What the plans of a bundle may name: they decide which code is imported and run.

nnU-Net imports networks and layers by the dotted paths of the plans, so a foreign
bundle must not name any but ours and nnU-Net's.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from deeprac.bundle.manifest import AGAIN, PLANS, check_form, object_of, shown
from deeprac.errors import BundleError
from deeprac.front_ends import FRONT_ENDS, has_oracle, planned_parts
from deeprac.networks.unet import KWARGS_TO_IMPORT
from deeprac.preprocessing.matrices import (
    CONFIGURATION,
    OWN_PLAN,
    RESAMPLING,
    WHOLE_SLICES,
)

NETWORKS = tuple(kind.network for kind in FRONT_ENDS.values())
PREPROCESSORS = (WHOLE_SLICES, OWN_PLAN)
LAYERS = {
    "conv_op": ("torch.nn.modules.conv.Conv2d",),
    "norm_op": ("torch.nn.modules.instancenorm.InstanceNorm2d",),
    "dropout_op": (None,),
    "nonlin": ("torch.nn.LeakyReLU",),
}
"""What ``arch_kwargs`` may import, by key: ``networks.unet`` writes these."""

RESAMPLERS = ("resample_data_or_seg_to_shape",)


def check_plans(plans: Mapping[str, Any]) -> None:
    """Make sure that a bundle's plans name nothing but what DeePRAC knows.

    Raises:
        BundleError: they name another class, lack an entry, or are an oracle's.
    """
    try:
        parts = planned_parts(plans["deeprac"])
        named = list(_named(plans))
    except (KeyError, TypeError, AttributeError) as error:
        raise BundleError(
            f"{PLANS} in it are no plans of DeePRAC: {type(error).__name__} at "
            f"{shown(str(error))}. {AGAIN}"
        ) from error
    if has_oracle(*parts):
        raise BundleError(ORACLE.format("It"))
    check_form(plans, VALUES, f"{PLANS} in it are")
    for key, value, allowed in named:
        if value not in allowed:
            raise BundleError(
                f"{PLANS} in it names {shown(repr(value))} as {key}, which DeePRAC "
                "does not know and therefore does not import. Do not use this bundle."
            )


_SIZE = {"type": "integer", "minimum": 1, "maximum": 4096}
_SIZES = {"type": "array", "items": _SIZE, "minItems": 2, "maxItems": 2}
VALUES = object_of(
    transpose_forward={"const": [0, 1, 2]},
    transpose_backward={"const": [0, 1, 2]},
    configurations=object_of(
        **{CONFIGURATION: object_of(patch_size=_SIZES, batch_size=_SIZE)}
    ),
    deeprac=object_of(
        air={"type": "number"},
        inference=object_of(batch_size=_SIZE, mirroring={"type": "boolean"}),
    ),
)
"""JSON schema of the values in plans that a segmentation reads: numbers that are
numbers, and not too large."""

ORACLE = (
    "{} is told from the labels where body or organs are, which nobody knows of a new "
    "patient. Bundle another method."
)


def _named(plans: Mapping[str, Any]) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """Everything in plans that nnU-Net or we look up by name, and what it may be."""
    two_d = plans["configurations"][CONFIGURATION]
    architecture = two_d["architecture"]
    kwargs = architecture["arch_kwargs"]
    yield "network", architecture["network_class_name"], NETWORKS
    yield "preprocessor", two_d["preprocessor_name"], PREPROCESSORS
    for key in architecture["_kw_requires_import"]:
        yield "argument to import", key, KWARGS_TO_IMPORT
    for key, layers in LAYERS.items():
        yield key, kwargs[key], layers
    for key in RESAMPLING:
        if not key.endswith("kwargs"):
            yield key, two_d[key], RESAMPLERS
    for scheme in two_d["normalization_schemes"]:
        yield "normalisation", scheme, ("CTNormalization",)
    yield "label manager", plans["label_manager"], ("LabelManager",)
    yield "configurations", list(plans["configurations"]), ([CONFIGURATION],)
    yield "inherited plans", two_d.get("inherits_from"), (None,)
