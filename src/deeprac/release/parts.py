"""The parts of a release: what was trained at which commit.

A long ablation is trained in parts, each with the code of its day. A release may hold
them together, as long as every commit is a clean one and is named with what it trained.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def parts_of(runs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """List commits with the arms and seeds that they trained, in order of the runs.

    Args:
        runs: content of every run.json.

    Example:
        >>> git = {"commit": "ab12"}
        >>> runs = [{"git": git, "experiment": arm, "seed": 0} for arm in ("a", "b")]
        >>> parts_of([*runs, {"git": git, "experiment": "c", "seed": 1}])[0]
        {'commit': 'ab12', 'experiments': ['a', 'b'], 'seeds': [0]}
    """
    seeds: dict[tuple[str, str], dict[int, None]] = {}
    for run in runs:
        arm = str(run["git"]["commit"]), run["experiment"]
        seeds.setdefault(arm, {})[run["seed"]] = None
    parts: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for (commit, experiment), of_arm in seeds.items():
        parts.setdefault((commit, tuple(of_arm)), []).append(experiment)
    return [
        {"commit": commit, "experiments": experiments, "seeds": list(of_part)}
        for (commit, of_part), experiments in parts.items()
    ]


def parts_text(parts: Sequence[Mapping[str, Any]]) -> str:
    """A line for each part; nothing where one commit trained all of it."""
    if len({part["commit"] for part in parts}) < 2:
        return ""
    return "".join(
        f"    {part['commit'][:12]}: {', '.join(part['experiments'])}; "
        f"seeds {', '.join(map(str, part['seeds']))}\n"
        for part in parts
    )
