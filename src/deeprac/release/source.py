"""What a release is made of: results, and the files that it takes from them."""

from dataclasses import dataclass
from typing import Any

from deeprac.config import Config
from deeprac.errors import ReleaseError
from deeprac.files import json_text
from deeprac.layout import Layout
from deeprac.records.machines import machine
from deeprac.records.run_key import selected_runs
from deeprac.records.runs import read_run
from deeprac.release.contents import stripped_config, stripped_run
from deeprac.release.tables import CLAIMS, made_tables


@dataclass(frozen=True)
class Source:
    """A folder of results, its configuration and the records of its runs."""

    config: Config
    resolved: dict[str, Any]
    layout: Layout
    runs: dict[str, dict[str, Any]]
    """By folder, relative to the layout."""

    @classmethod
    def of(cls, config: Config, resolved: dict[str, Any], layout: Layout) -> "Source":
        """Read the records of all runs that the configuration selects."""
        runs = {}
        for key in selected_runs(config):
            folder = key.folder(layout)
            name = folder.relative_to(layout.root).as_posix()
            runs[name] = read_run(folder / "run.json", key)
        return cls(config, resolved, layout, runs)

    def records(self) -> dict[str, bytes]:
        """Content of every file of the release but the tables by name, stripped."""
        layout, config = self.layout, self.config
        files = {"config.json": json_text(stripped_config(self.resolved)).encode()}
        summaries = [layout.summary_cases, layout.summary_runs]
        summaries += [layout.summary_diagnostics, layout.summary_cohort]
        summaries += [layout.summary_stress] * bool(config.stress.experiments)
        summaries += [layout.summary_protocol] * layout.summary_protocol.is_file()
        for path in summaries:
            files[f"summary/{path.name}"] = path.read_bytes()
        machines = list(dict.fromkeys(map(machine, self.runs.values())))
        for name, run in self.runs.items():
            stripped = stripped_run(run, machines.index(machine(run)) + 1)
            files[f"{name}/run.json"] = json_text(stripped).encode()
            curve = layout.root / name / "training.csv"
            files[f"{name}/training.csv"] = curve.read_bytes()
            inference = layout.root / name / "inference.csv"
            if inference.is_file():  # runs of older versions have none
                files[f"{name}/inference.csv"] = inference.read_bytes()
        return files

    def tables(self) -> dict[str, bytes]:
        """Content of every table by name.

        Raises:
            ReleaseError: One is missing, or older than what it is made from.
        """
        layout = self.layout
        tables = made_tables(self.config, layout)
        if not (layout.tables / "claims.csv").is_file():  # nobody judged them
            tables = {n: c for n, c in tables.items() if n not in CLAIMS}
        for name, content in tables.items():
            path = layout.root / name
            if not path.is_file() or path.read_bytes() != content:
                raise ReleaseError(
                    f"{path} is missing or older than the summary. Run `deeprac "
                    "tables`, and `deeprac claims` where claims were judged, again."
                )
        return tables
