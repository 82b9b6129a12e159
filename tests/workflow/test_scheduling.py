"""What Snakemake itself does while a training runs for days."""

import pytest

from support.checkout import ROOT, snakemake, working_folder

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("limit", ["", "99/1s"])
def test_the_scheduler_looks_at_jobs_when_one_ends(tmp_path, limit):
    """Once for each of two jobs; more often with one's own limit, which is kept."""
    folder = working_folder(tmp_path)
    snakefile = folder / "Snakefile"
    snakefile.write_text(
        f'include: "{ROOT}/Snakefile"\n\n'
        'rule long:\n    output: "{name}.txt"\n'
        '    shell: "sleep 4; touch {output}"\n'
    )
    arguments = ("one.txt", "two.txt", "--verbose", "--configfile", "config/smoke.yaml")
    if limit:
        arguments += ("--max-jobs-per-timespan", limit)
    result = snakemake(folder, "--cores", "1", *arguments, snakefile=snakefile)
    assert result.returncode == 0, result.stdout
    looks = result.stdout.count("Ready jobs:")
    assert looks > 4 if limit else looks == 2
