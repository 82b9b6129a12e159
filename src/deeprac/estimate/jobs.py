"""How many jobs a configuration makes by rule, and the memory that each asks for.

The rules take their memory from here, so that the estimate says what they ask for.
"""

from dataclasses import dataclass

from deeprac.config import Config
from deeprac.reporting.figures.catalogue import selected

MEMORY_MB: dict[str, tuple[int, str]] = {
    "cohort_version": (500, "reads a table"),
    "splits": (1000, "reads a table"),
    "fingerprint": (6000, "one whole CT at a time"),
    "case_poses": (6000, "one whole CT at a time"),
    "plan": (2000, "PyTorch, where nnU-Net plans the matrix"),
    "train_fold": (32000, "PyTorch, slices in memory, and loaders with copies of them"),
    "predict": (16000, "PyTorch and one whole CT with its logits"),
    "evaluate": (4000, "label maps of one case"),
    "diagnose": (4000, "label map of one case"),
    "stress_fold": (16000, "PyTorch and one whole CT with its logits"),
    "summarise": (2000, "tables of all runs"),
    "diagnostics": (2000, "tables of all runs"),
    "summarise_stress": (2000, "tables of all runs"),
    "tables": (2000, "tables of all runs"),
    "figures": (6000, "one whole CT and all figures"),
    "report_page": (4000, "one whole CT and the page"),
    "claims": (4000, "tables of all runs"),
    "protocol_cost": (4000, "PyTorch, networks without values"),
    "bundle": (4000, "weights of all folds"),
    "fetch": (1000, "parts of files"),
    "unpack_release": (2000, "tables of all runs"),
}
"""What a rule asks for, and why so much: `resources.mem_mb`. A job with a GPU that was
ended for want of memory asks for twice as much."""

THREADS = 4
"""Processes of the rules cohort and preprocess."""


def memory_mb(rule: str) -> int:
    """Memory that a rule asks for, in MB."""
    return MEMORY_MB[rule][0]


def preprocess_mb(threads: int) -> int:
    """Memory that preprocessing asks for, in MB: a whole CT for each process."""
    return 3000 + 3000 * threads


@dataclass(frozen=True)
class Jobs:
    """The jobs of one rule.

    Attributes:
        rule: its name.
        jobs: how many a whole run makes, finished ones among them.
        mem_mb: memory that each asks for.
        why: so much.
    """

    rule: str
    jobs: int
    mem_mb: int
    why: str


def planned_jobs(config: Config, conversion_mb: int) -> list[Jobs]:
    """The jobs that make everything, ``rule all``, in their order.

    Args:
        config: the whole configuration; its metrics are computed.
        conversion_mb: memory of the rule cohort, see ``cohort.source_files``.
    """
    own = {
        "cohort": (conversion_mb, f"{THREADS} processes with the largest case each"),
        "preprocess": (preprocess_mb(THREADS), f"{THREADS} processes with a CT each"),
    }
    return [
        Jobs(rule, count, *(own.get(rule) or MEMORY_MB[rule]))
        for rule, count in _counts(config).items()
        if count
    ]


def _counts(config: Config) -> dict[str, int]:
    """Jobs of each rule."""
    run = config.run
    models = len(run.experiments) * len(run.seeds)
    runs = models * len(run.folds)
    stressed = len(config.stress.experiments) * len(run.seeds) * len(run.folds)
    needs = set().union(*(figure.needs for figure in selected(config).values()))
    rows = [config.experiments[name] for name in run.experiments]
    diagnosed = runs if "diagnostics" in needs else 0
    supervised = any(config.methods[row.method].front_end.is_supervised for row in rows)
    return {
        "cohort": 1,
        "cohort_version": 1,
        "splits": 1,
        "fingerprint": 1,
        "case_poses": int(bool(diagnosed) or supervised),
        "preprocess": len({row.matrix for row in rows}),
        "plan": models,
        "train_fold": runs,
        "predict": runs,
        "evaluate": runs,
        "diagnose": diagnosed,
        "stress_fold": stressed,
        "summarise": 1,
        "diagnostics": int(bool(diagnosed)),
        "summarise_stress": int(bool(stressed)),
        "tables": 1,
        "figures": 1,
        "report_page": 1,
    }
