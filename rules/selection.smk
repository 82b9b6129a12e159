# What the selected experiments have to show: runs under stress, figures, and volumes.
# No rules here.
def stressed_runs(_):
    """stress.csv of every selected run that is put under stress."""
    experiments = CONFIG["stress"]["experiments"]
    if not experiments:
        raise WorkflowError(
            "stress.experiments is empty: name the experiments that are to be put "
            "under stress."
        )
    return every_run("stress.csv", experiments)


def stress_summary(_):
    """The table from which the stress curves are drawn; none without stress."""
    return f"{RESULTS}/summary/stress.csv" if CONFIG["stress"]["experiments"] else []


def released_summaries():
    """The summaries that the release has."""
    listed = read_manifest(Path(RELEASE))["files"]
    names = [unpacked_name(name) for name in listed]
    return [name for name in names if Path(name).parent.name == "summary"]


def protocol_costs(_):
    """What a step of the paper's protocol costs; a release may lack it."""
    name = "summary/protocol.json"
    return [] if RELEASED and name not in released_summaries() else f"{RESULTS}/{name}"


def page_claims(_):
    """What the page judges claims by beside its tables: costs where they are counted."""
    costs = protocol_costs(_)
    counted = RELEASED or not costs or Path(costs).is_file()
    return [path for path in (stress_summary(_), costs if counted else []) if path]


def browsed_volumes(_):
    """What the report page's case browser shows; a release holds no volumes."""
    if RELEASED:
        return []
    return [*current_cohort(_), *every_run("predictions")]


# The tidy tables of all runs, from which tables are written and claims judged; and,
# where runs may be missing, which are.
SUMMARY = {
    name: f"{RESULTS}/summary/{name}.csv"
    for name in ("cases", "runs", *["missing"] * SETTINGS.report.allow_missing)
}

# Which trainings learned: what comparisons and claims may rest on.
GATES = {"records": every_run("run.json"), "curves": every_run("training.csv")}

# What tables and figures write beside the numbers: names, and the paper's rows.
TABLE_SETTINGS = {
    "labels": {name: METHODS[name]["label"] for name in CONFIG["run"]["experiments"]},
    "published": {
        name: EXPERIMENTS[name]["published"] for name in CONFIG["run"]["experiments"]
    },
    "folds": CONFIG["splits"]["folds"],
    "notes": CONFIG["report"]["notes"],
}

# What tables are written from beside them.
TABLE_PARAMS = {
    "config": configuration,
    "settings": TABLE_SETTINGS,
    "statistics": CONFIG["statistics"],
}


def shown(path, caption, **label):
    """An output that Snakemake's own report shows, under its kind and title."""
    (kind,) = label
    return report(
        path,
        caption=f"../workflow/report/{caption}.rst",
        category={"table": "Tables", "figure": "Figures", "page": "Report page"}[kind],
        labels=label,
    )


# The figures of this configuration, of what of it was run, by file name.
FIGURES = selected_figures(narrowed(SETTINGS, MISSING) if RUNS else SETTINGS)


def figure_inputs(_):
    """What the selected figures read, by what they need."""
    files = {
        "summary": SUMMARY | GATES,
        "diagnostics": {"diagnostics": f"{RESULTS}/summary/diagnostics.csv"},
        "stress": {"stress": f"{RESULTS}/summary/stress.csv"},
        "curves": {"curves": every_run("training.csv")},
        "volumes": {
            "cohort": current_cohort(_),
            "transforms": every_run("transforms.csv"),
            "predictions": every_run("predictions"),
        },
    }
    needs = set().union(*(figure.needs for figure in FIGURES.values()))
    return {
        name: paths
        for need, inputs in files.items()
        if need in needs
        for name, paths in inputs.items()
    }
