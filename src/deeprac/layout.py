"""Where every file of a cohort's results lies.

Everything is below ``{results}/{cohort}``; the tree is described in
``config/README.md``. Paths only: nothing here touches the disk.
"""

from dataclasses import dataclass
from pathlib import Path

from deeprac.config import Config

ENDINGS = (".b2nd", "_seg.b2nd", ".pkl")
"""Of the files in which nnU-Net stores a preprocessed case."""


@dataclass(frozen=True)
class Layout:
    """Paths of the results of one cohort.

    Example:
        >>> Layout(Path("results/demo")).run("fine_stn", 0, 2).as_posix()
        'results/demo/fine_stn/seed0/fold_2'
    """

    root: Path
    """Folder of the results: ``{results}/{cohort}``, or ``released/{name}`` there."""

    @classmethod
    def of(cls, config: Config) -> "Layout":
        """Return the layout of the cohort, or of the release, that ``config`` names."""
        if config.has_released_metrics:
            return cls(config.results / "released" / config.release)
        return cls(config.results / config.cohort.name)

    @property
    def config(self) -> Path:
        """Resolved configuration."""
        return self.root / "config.json"

    @property
    def cohort(self) -> Path:
        """Folder of the canonical cohort, an ordinary nnU-Net raw dataset."""
        return self.root / "cohort"

    @property
    def cases_csv(self) -> Path:
        """Table of the cohort, one row per case."""
        return self.cohort / "cases.csv"

    @property
    def check(self) -> Path:
        """Folder of the cohort's check: page, tables and slices."""
        return self.cohort / "check"

    @property
    def check_page(self) -> Path:
        """Page of the cohort's check."""
        return self.check / "report.html"

    @property
    def images(self) -> Path:
        """Folder of the CT volumes, ``{case}_0000.nii.gz``."""
        return self.cohort / "imagesTr"

    @property
    def labels(self) -> Path:
        """Folder of the label maps, ``{case}.nii.gz``."""
        return self.cohort / "labelsTr"

    @property
    def dataset_json(self) -> Path:
        """nnU-Net's description of the cohort."""
        return self.cohort / "dataset.json"

    @property
    def splits(self) -> Path:
        """Folds in nnU-Net's format."""
        return self.root / "splits_final.json"

    @property
    def case_poses(self) -> Path:
        """Where size, pose and labels of every case lie: ``records.case_poses``."""
        return self.root / "case_poses.csv"

    @property
    def preprocessed(self) -> Path:
        """Folder of the preprocessed slices, one sub-folder per matrix."""
        return self.root / "preprocessed"

    @property
    def fingerprint(self) -> Path:
        """nnU-Net's foreground intensities of the cohort."""
        return self.preprocessed / "dataset_fingerprint.json"

    def matrix(self, matrix: str) -> Path:
        """Folder of the slices on one matrix."""
        return self.preprocessed / matrix

    def slices(self, matrix: str) -> Path:
        """Folder where nnU-Net's loaders find the slices on one matrix."""
        # Apart from cases.json: nnU-Net tells the storage format by the suffixes there.
        return self.matrix(matrix) / "slices"

    def model(self, experiment: str, seed: int) -> Path:
        """nnU-Net model folder: plans, dataset description and the folds' runs."""
        return self.root / experiment / f"seed{seed}"

    def run(self, experiment: str, seed: int, fold: int) -> Path:
        """Folder of one run: weights, ``run.json``, predictions and metrics."""
        return self.model(experiment, seed) / f"fold_{fold}"

    def checkpoints(self, experiment: str, seed: int, fold: int) -> Path:
        """Folder of the resume checkpoints, unknown to the workflow."""
        return self.root / ".checkpoints" / experiment / f"seed{seed}" / f"fold_{fold}"

    def replaced(self, experiment: str, seed: int, fold: int) -> Path:
        """Folder of finished runs that were trained again, each by its time."""
        return self.root / ".replaced" / experiment / f"seed{seed}" / f"fold_{fold}"

    @property
    def summary_cases(self) -> Path:
        """Tidy table of all runs, one row per case and label."""
        return self.root / "summary" / "cases.csv"

    @property
    def summary_runs(self) -> Path:
        """Tidy table, one row per run."""
        return self.root / "summary" / "runs.csv"

    @property
    def summary_cohort(self) -> Path:
        """Description of the cohort without rows of patients."""
        return self.root / "summary" / "cohort.csv"

    @property
    def summary_stress(self) -> Path:
        """Tidy table of all runs under stress."""
        return self.root / "summary" / "stress.csv"

    @property
    def summary_diagnostics(self) -> Path:
        """Tidy table, one row per run and case: what the front end did."""
        return self.root / "summary" / "diagnostics.csv"

    @property
    def summary_protocol(self) -> Path:
        """What a training step of the paper's protocol costs, counted."""
        return self.root / "summary" / "protocol.json"

    @property
    def summary_missing(self) -> Path:
        """Tidy table, one row per run that partial results lack."""
        return self.root / "summary" / "missing.csv"

    def log(self, verb: str, experiment: str, seed: int, fold: int) -> Path:
        """What a job of the workflow said about one run."""
        name = self.run(experiment, seed, fold).relative_to(self.root)
        return self.root / "logs" / verb / f"{name}.log"

    @property
    def tables(self) -> Path:
        """Folder of the paper's tables."""
        return self.root / "tables"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.root / "figures"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.root / "report.html"
