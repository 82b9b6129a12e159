# What the rules share. No rules here.
import os
import shlex
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from snakemake.exceptions import IncompleteCheckpointException, WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod, SharedFSUsage

# The package beside the rules where they are a folder; rules that Snakemake reads from a
# git repository, as modules are deployed, use the installed one.
SRC = None
with suppress(TypeError):
    SRC = str(Path(workflow.current_basedir).parent / "src")
    sys.path.insert(0, SRC)
if SRC is None and find_spec("deeprac") is None:
    raise WorkflowError(
        "The package deeprac is not installed, and these rules come from a git "
        "repository, where it cannot be found. Install it beside Snakemake: "
        "pip install git+URL, with the repository and the tag of the module."
    )

from deeprac.cohort.source_files import conversion_mb, source_digest
from deeprac.config import Config
from deeprac.config_files import read_raw, refuse_twice, resolve, retyped
from deeprac.errors import DeepracError
from deeprac.estimate.jobs import THREADS, memory_mb, preprocess_mb
from deeprac.files import write_json
from deeprac.front_ends import LABARBERA, front_end_of, has_oracle
from deeprac.layout import Layout
from deeprac.lease import refuse_if_held
from deeprac.other_cases import other_cases_of
from deeprac.partial import missing_runs, narrowed, present_runs, sentence
from deeprac.pretraining import moved_intensities, pretraining_fingerprint, source_of
from deeprac.provenance import digest
from deeprac.release.configuration import RELEASES, released_config
from deeprac.release.manifest import read_manifest, unpacked_name
from deeprac.reporting.figures.catalogue import selected as selected_figures
from deeprac.records.run_key import RunKey
from deeprac.replacing import refuse_retraining
from deeprac.reporting.table_titles import TABLE_TITLES
from deeprac.schema import merge
from deeprac.settings.effective import effective, run_settings
from deeprac.shipped import shipped

# What these rules cannot do is refused before anything is planned.
if DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method:
    raise WorkflowError(
        "No rule has a container, so that `--sdm apptainer` would run jobs outside of "
        "one. Leave it out, or use `--sdm conda`."
    )
if (
    workflow.storage_settings.default_storage_provider is not None
    or SharedFSUsage.INPUT_OUTPUT not in workflow.storage_settings.shared_fs_usage
):
    raise WorkflowError(
        "Jobs work on one folder of results: a file system that all machines share is "
        "required. Storage plugins and Kubernetes are not supported; leave "
        "--default-storage-provider and --shared-fs-usage out."
    )

# Jobs call `python -m deeprac` with the code of this checkout, and with the interpreter
# that runs Snakemake unless conda or a container brings its own. Values are quoted, here
# and in all rules: a folder's name is no command.
# A job that is asked to end, by a cluster or ^C, waits for its command, which may have
# something to save, and what that says still reaches the log.
ENVIRONMENT = (
    "set -euo pipefail; trap : TERM INT USR1; "
    "tee() ( trap '' TERM INT USR1; command tee \"$@\" ); "
)
if SRC is not None:
    ENVIRONMENT += f"export PYTHONPATH={shlex.quote(SRC)}; "
if not workflow.deployment_settings.deployment_method:
    ENVIRONMENT += (
        f'export PATH={shlex.quote(os.path.dirname(sys.executable))}:"$PATH"; '
    )
shell.prefix(ENVIRONMENT)


def checked(config):
    """The configuration with all defaults, as the jobs read it and as settings; a wrong
    key stops Snakemake at once."""
    raw = {key: config[key] for key in config if key != "pathvars"}
    try:
        if not workflow.modifier.skip_configfile:  # an importing module's is not ours
            raw = merge(raw, retyped(workflow.config_settings.config))
            # Snakemake has kept the last value of a key that is there twice: what it
            # was given is read again. The last file is that of `configfile:`.
            read_raw([*workflow.overwrite_configfiles, *workflow.configfiles[-1:]])
            refuse_twice(workflow.config_settings.config_args)
        resolved = resolve(raw)
        if resolved["metrics"] == "released":
            resolved = released_config(resolved)
        return resolved, Config.from_resolved(resolved)
    except DeepracError as error:
        raise WorkflowError(f"Configuration: {error}") from None


CONFIG, SETTINGS = checked(config)
# workflow/report/workflow.rst reads it, and a release has a cohort of its own.
config["cohort"] = CONFIG["cohort"]

RELEASED = SETTINGS.has_released_metrics
RELEASE = f"{RELEASES}/{CONFIG['release']}"
RESULTS = Layout.of(SETTINGS).root.as_posix()
# Jobs read the configuration as it was when they were planned: a file in a folder named
# by its content, never changed, whatever another workflow does in the same folder.
# It is written when the workflow is read, so that modules have it too.
CONFIG_FILE = f"{RESULTS}/configs/{digest(CONFIG)[:16]}/config.json"
with suppress(OSError):  # a plan can be looked at where nothing can be written
    if not Path(CONFIG_FILE).exists():
        write_json(Path(CONFIG_FILE), CONFIG)
# Runs whose metrics are not there, where report.allow_missing lets them be missing: then
# what is made of all runs asks for the others alone, so that it trains nothing.
MISSING = missing_runs(SETTINGS, Layout.of(SETTINGS))
RUNS = present_runs(SETTINGS, MISSING)
EXPERIMENTS = {row["experiment"]: row for row in CONFIG["experiments"]}
METHODS = {name: CONFIG["methods"][EXPERIMENTS[name]["method"]] for name in EXPERIMENTS}


def configuration(_, output):
    """The configuration for a job. Asking for the output makes it a derived parameter,
    of which Snakemake keeps no record: another name is no reason to run again."""
    return CONFIG_FILE


def section(name, *without):
    """A section of the configuration, less the keys that change no result."""
    found = {key: CONFIG[name][key] for key in CONFIG[name] if key not in without}
    return effective(f"properties.{name}", found)


# Folders of ours, which are no part of the source even where they lie in it.
OWN = (SETTINGS.results, SETTINGS.cohort.private)


def source_state(_):
    """Changes with every file of the cohort's source: name, size or time of change."""
    return source_digest(SETTINGS.cohort, OWN)


def conversion_memory(_, threads):
    """By workers and the largest case."""
    return conversion_mb(SETTINGS.cohort, threads, OWN)


def current_cohort(_):
    """The cohort. Where its source has changed, all that was made from it waits until
    that was read, and stays if the cohort is the same."""
    version = f"{RESULTS}/cohort/version.sha256"
    if Path(version).exists():
        try:
            checkpoints.cohort_version.get()
        except IncompleteCheckpointException as unread:
            unread.targetfile = ancient(unread.targetfile)
            raise
    return [version, ancient(f"{RESULTS}/cohort/cases.csv")]
