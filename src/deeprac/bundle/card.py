"""The model card of a bundle, its MONAI-style metadata and what `show` prints."""

from collections.abc import Mapping
from typing import Any

from deeprac.bundle.manifest import shown
from deeprac.records.catalogue import METRICS
from deeprac.records.runs import OTHER_CASES, PRETRAINING

INTENDED_USE = (
    "Research on the segmentation of kidneys and renal tumours in abdominal CT. "
    "Research software, not a medical device: not for diagnosis or treatment."
)

TAKEN = {
    PRETRAINING: "started from weights",
    OTHER_CASES: "drew from cases as well",
}
"""What a training took of another cohort, by the entry that names it."""

UNITS = {"mm": "mm", "ml": "ml", "years": "years", "hu": "HU"}
"""By the last word of a range's name."""


def limits_of(manifest: Mapping[str, Any]) -> list[str]:
    """What the model cannot do, or was not tested for, in sentences."""
    training = manifest["training"]
    phantom = training["format"] == "phantom"
    taken = [
        f"Its training {what} of {', '.join(training[key])}, about which nothing is "
        "said here; their licence holds for these weights as well."
        for key, what in TAKEN.items()
        if key in training
    ]
    return [
        *(["Trained on generated phantoms: it knows no patient."] if phantom else []),
        *taken,
        f"Trained on {training['patients']} patients of one cohort; it was tested on "
        "no other.",
        "Outside the ranges of its training nothing is known of it.",
        "It finds no vessels, collecting system or ureter.",
    ]


def summary(manifest: Mapping[str, Any]) -> str:
    """What `deeprac bundle show` prints, in Markdown."""
    training, held_out = manifest["training"], manifest["held_out"]
    method, cost = manifest["method"], manifest["cost"]
    folds = ", ".join(map(str, manifest["folds"]))
    commit = manifest["git"].get("commit") or "unknown"
    lines = [
        f"# {manifest['name']}, version {manifest['version']}",
        "",
        manifest["intended_use"],
        "",
        f"- Method: {method['name']} at matrix {method['matrix']} (experiment "
        f"{method['experiment']}), folds {folds}",
        f"- Labels: {', '.join(manifest['labels'])}; intensity "
        f"{manifest['intensity']}; frame {manifest['frame']}",
        f"- Trained on {training['cases']} cases of {training['patients']} patients of "
        f"the cohort {training['cohort']} (format {training['format']})",
        f"- Code: commit {commit}, torch {manifest['software'].get('torch')}, nnunetv2 "
        f"{manifest['software'].get('nnunetv2')}",
        f"- Cost of one fold: {cost.get('seconds_per_slice', float('nan')):.2g} s per "
        f"slice on {cost.get('device')}",
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in manifest["limits"]),
        "",
        "## Training ranges",
        "",
        "| | smallest | largest |",
        "|---|---|---|",
        *(
            f"| {_heading(name)} | {low:.4g} | {high:.4g} |"
            for name, (low, high) in training["ranges"].items()
        ),
        "",
        f"## On {held_out['cases']} held-out cases of {held_out['patients']} patients",
        "",
        "Each segmented by the one fold that had not seen it, without post-processing; "
        "`deeprac segment` takes all folds together.",
        "",
        "| label | metric | n | mean | SD | median |",
        "|---|---|---|---|---|---|",
        *(
            f"| {label} | {_title(name)} | {one['n']} | {_number(one['mean'])} | "
            f"{_number(one['sd'])} | {_number(one.get('median'))} |"
            for label, metrics in held_out["metrics"].items()
            for name, one in metrics.items()
        ),
        "",
        "Licence of the weights: see LICENSE in the bundle.",
    ]
    return "".join(f"{shown(line, longest=1000)}\n" for line in lines)


def metadata(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """``configs/metadata.json``, with the entries of a MONAI bundle."""
    channels = {"0": "background"} | {
        str(one["number"]): title for title, one in manifest["labels"].items()
    }
    method = manifest["method"]
    return {
        "version": manifest["version"],
        "name": manifest["name"],
        "task": "Segmentation of kidneys and renal tumours in CT",
        "description": f"{method['name']} at matrix {method['matrix']}",
        "intended_use": manifest["intended_use"],
        "copyright": "see LICENSE",
        "pytorch_version": manifest["software"].get("torch"),
        "numpy_version": manifest["software"].get("numpy"),
        "required_packages_version": {
            name: manifest["software"].get(name) for name in ("deeprac", "nnunetv2")
        },
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": manifest["intensity"],
                    "modality": "CT",
                    "num_channels": 1,
                    "is_patch_data": False,
                    "channel_def": {"0": "CT"},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": len(channels),
                    "is_patch_data": False,
                    "channel_def": channels,
                }
            },
        },
    }


def _heading(name: str) -> str:
    words = name.split("_")
    return f"{' '.join(words[:-1])}, {UNITS[words[-1]]}"


def _title(name: str) -> str:
    if name not in METRICS:
        return name
    metric = METRICS[name]
    return f"{metric.title}, {metric.unit}" if metric.unit else metric.title


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
