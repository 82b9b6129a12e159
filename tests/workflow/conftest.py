"""Results of one run of the whole workflow, shared by the session."""

from pathlib import Path

import pytest

from support.checkout import snakemake, working_folder


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory) -> Path:
    """Working folder in which config/smoke.yaml was run to the end."""
    folder = working_folder(tmp_path_factory.mktemp("smoke"))
    result = snakemake(folder, "--cores", "2", "--configfile", "config/smoke.yaml")
    assert result.returncode == 0, result.stdout[-5000:]
    return folder
