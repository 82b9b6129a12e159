# What runs are called, what they depend on, need and leave. No rules here.
MODEL = "{experiment}/seed{seed}"
RUN = f"{MODEL}/fold_{{fold}}"

# Timed rules take the whole machine, so that they do not share it with each other; with
# several GPUs each takes its part. Under a cluster profile there is no such number:
# set-threads says it there.
ON_GPU = CONFIG["training"]["device"] == "cuda"
GPUS = getattr(workflow.global_resources.get("gpu"), "value", None) if ON_GPU else None
TIMED_CORES = max(1, (workflow.resource_settings.cores or 8) // (GPUS or 1))


def timed(mem_mb, runtime):
    """Resources of rules that train or predict: they wait for a GPU where the
    configuration asks for one. What was ended for want of memory gets twice as much
    from then on; what does not fit into a partition's limit of time goes on in
    another job."""

    def memory(wildcards, attempt):
        return mem_mb * min(attempt, 2)

    def minutes(wildcards):
        needed = runtime(wildcards) if callable(runtime) else runtime
        return min(needed, CONFIG["training"]["time_limit_minutes"] or needed)

    return {"gpu": int(ON_GPU), "mem_mb": memory, "runtime": minutes}


def matrix_settings(wildcards):
    """What preprocessing depends on."""
    cohort = CONFIG["cohort"]
    matrix = SETTINGS.matrices[wildcards.matrix]
    of_volumes = {"dimensions": 3} if matrix.dimensions == 3 else {}
    return of_volumes | {
        "size": matrix.size,
        "air": cohort["air"],
        "intensity": cohort["intensity"],
    }


def slices(wildcards):
    """The preprocessed slices that an experiment trains on."""
    matrix = EXPERIMENTS[wildcards.experiment]["matrix"]
    return f"{RESULTS}/preprocessed/{matrix}/cases.json"


def settings_of_run(wildcards):
    """What the result of a run depends on: a change here trains it anew."""
    return run_settings(SETTINGS, SETTINGS.experiment(wildcards.experiment))


def parts(method):
    """What the front end of a method is made of."""
    return method["normaliser"], method["crop"]


def training_minutes(wildcards):
    """Two days for the paper's budget of 250,000 steps, in proportion for others."""
    training = SETTINGS.training_of(SETTINGS.experiment(wildcards.experiment))
    method = METHODS[wildcards.experiment]
    labarbera = parts(method).count(LABARBERA)
    epochs = training.epochs + labarbera * CONFIG["labarbera"]["epochs"]
    steps = epochs * training.iterations_per_epoch
    return max(60, round(2880 * steps / 250_000))


def every_run(name, experiments=CONFIG["run"]["experiments"]):
    """One file of every selected run; of partial results, of those that are there."""
    layout = Layout(Path(RESULTS))
    return [
        (run.folder(layout) / name).as_posix()
        for run in RUNS
        if run.experiment in experiments
    ]


def refuse_harm():
    """Stop before any job, and before outputs are deleted, where another process, such
    as what a killed workflow left behind, still trains one of the runs; where finished
    runs of other settings would be trained over; and where partial results are asked
    for, but none are there or a training would start."""
    layout = Layout.of(SETTINGS)
    try:
        for run in RUNS:
            lease = layout.checkpoints(*run.parts).with_suffix(".lease")
            refuse_if_held(lease, str(run))
        refuse_retraining(SETTINGS, planned_trainings())
        narrowed(SETTINGS, MISSING)
    except DeepracError as error:
        raise WorkflowError(str(error)) from None
    if SETTINGS.report.allow_missing and (trained := [*planned_trainings()]):
        raise WorkflowError(
            "report.allow_missing makes tables of the runs that are finished and "
            f"trains none, but {len(trained)} would be trained, such as {trained[0]}. "
            "Leave the key out to train."
        )
    if MISSING:
        logger.warning(sentence(SETTINGS, MISSING))


def write_configuration():
    """The copy of the configuration for people; and the jobs' where a plan was made
    while nothing could be written."""
    try:
        if not Path(CONFIG_FILE).exists():
            write_json(Path(CONFIG_FILE), CONFIG)
        write_json(Path(RESULTS, "config.json"), CONFIG)
    except OSError as error:
        raise WorkflowError(
            f"The results cannot be written ({error}): free space there, make the "
            "folder writable, or name another one with `results`. Nothing was started."
        ) from None


def warn_of_space():
    """Say before the first job where the disk will not suffice. Networks are counted
    with PyTorch, which Snakemake's own environment need not have."""
    if not any(planned_trainings()):
        return
    if find_spec("torch") is None:
        said = "Whether the disk will suffice is not known here: PyTorch is not in "
        print(f"{said}Snakemake's own environment. Jobs see for themselves.")
        return
    gpus = GPUS or 1
    shell(
        "{sys.executable:q} -m deeprac estimate {CONFIG_FILE:q} --gpus {gpus:q}"
        " --only-warn || true"
    )


def schedule_when_jobs_end():
    """Let the scheduler rest while jobs run. Snakemake's default limit, 100 new jobs a
    second, wakes it every second, once more for each job that has ended (snakemake's
    pull request 3744): after some hundred trainings that is all the time of a core."""
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def planned_trainings():
    """The runs that this call of Snakemake will train."""
    for job in workflow.dag.needrun_jobs():
        if job.rule.name == "train_fold":
            named = job.wildcards_dict
            seed, fold = int(named["seed"]), int(named["fold"])
            yield RunKey(CONFIG["cohort"]["name"], named["experiment"], seed, fold)


def case_poses_for_training(wildcards):
    """Where patients and their labels lie, for front ends that are trained with it."""
    supervised = front_end_of(*parts(METHODS[wildcards.experiment])).is_supervised
    return f"{RESULTS}/case_poses.csv" if supervised else []


def taken_from_another(wildcards):
    """The weights that a training starts from, and the slices that it draws from, of
    another cohort's results: where these are made anew, so is what took them."""
    named = wildcards.experiment, int(wildcards.seed), int(wildcards.fold)
    run = RunKey(CONFIG["cohort"]["name"], *named)
    try:
        found = [source_of(SETTINGS, run), other_cases_of(SETTINGS, run)]
    except DeepracError as error:
        raise WorkflowError(str(error)) from None
    return [path.as_posix() for part in found if part for path in part.files]


def moved_fingerprint(_):
    """The fingerprint whose intensities take the place of the cohort's own."""
    path = pretraining_fingerprint(SETTINGS)
    try:
        moved_intensities(SETTINGS)
    except DeepracError as error:
        raise WorkflowError(str(error)) from None
    return path.as_posix() if path else []


def known_case_poses(wildcards):
    """The same at inference, which is an input of oracles alone."""
    oracle = has_oracle(*parts(METHODS[wildcards.experiment]))
    return f"{RESULTS}/case_poses.csv" if oracle else []


# What segmenting with a trained run needs.
TRAINED = {
    "plans": "<results>/<model>/plans.json",
    "splits": "<results>/splits_final.json",
    "weights": "<results>/<run>/checkpoint_final.pth",
    "case_poses": known_case_poses,
}


def phantom_licence(_):
    """The licence of weights that were trained on phantoms."""
    if CONFIG["cohort"]["format"] != "phantom":
        raise WorkflowError(
            "Weights that were trained on patients need a licence of their own: call "
            "`deeprac bundle make --licence FILE` (docs/bundles.md)."
        )
    return str(shipped("resources/licences/phantom_weights.txt"))


def bundled(wildcards):
    """What the runs left that are bundled: all folds of the first seed."""
    run = CONFIG["run"]
    names = ("checkpoint_final.pth", "run.json", "inference.csv", "predictions")
    return expand(
        f"{RESULTS}/{RUN}/{{name}}",
        experiment=wildcards.experiment,
        seed=run["seeds"][0],
        fold=run["folds"],
        name=(*names, "metrics.csv"),
    )
