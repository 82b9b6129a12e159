# What the selected experiments have to show: runs under stress, and figures. No rules
# here.
def stressed_runs(_):
    """stress.csv of every selected run that is put under stress."""
    experiments = CONFIG["stress"]["experiments"]
    if not experiments:
        raise WorkflowError(
            "stress.experiments is empty: name the experiments that are to be put "
            "under stress."
        )
    return expand(
        f"{RESULTS}/{{experiment}}/seed{{seed}}/fold_{{fold}}/stress.csv",
        experiment=experiments,
        seed=CONFIG["run"]["seeds"],
        fold=CONFIG["run"]["folds"],
    )


def stress_summary(_):
    """The table from which the stress curves are drawn; none without stress."""
    return f"{RESULTS}/summary/stress.csv" if CONFIG["stress"]["experiments"] else []


def figure_titles():
    """The figures by file name, with their titles in the report."""
    experiments = CONFIG["run"]["experiments"]
    titles = {
        "dice_by_method": "Dice per case by method",
        "time_vs_dice": "Training time against Dice",
        "memory": "Memory",
        "training_curves": "Training curves",
    }
    if has_learning_curve(experiments):
        titles["learning_curve"] = "Dice against the number of training patients"
    if any(METHODS[name]["normaliser"] != "none" for name in experiments):
        titles["stn_slices"] = "What the STN does to slices"
        titles["stn_mean_image"] = "Mean image before and after the STN"
    if CONFIG["stress"]["experiments"]:
        titles["stress_curves"] = "Dice under rotation, zoom and shift"
    titles |= front_end_figures([METHODS[name] for name in experiments])
    for matrix in CONFIG["matrices"]:
        if any(EXPERIMENTS[name]["matrix"] == matrix for name in experiments):
            titles[f"overlays_{matrix}"] = f"Best, median and worst case, {matrix}"
    return titles


def front_end_figures(methods):
    """The figures of front ends, where some selected method has what they show."""
    normalisers = {method["normaliser"] for method in methods} - {"none"}
    crops = {method["crop"] for method in methods} - {"none"}
    wanted = {
        "stn_recovery": ("Size, pose and position against the reference", normalisers),
        "stn_spread": ("Spread of single slices", normalisers - {"oracle"}),
        "stn_bounds": ("Bounds, fallbacks and gradients", normalisers | crops),
        "crop_coverage": ("Kidney and tumour inside the crop", crops),
        "dice_by_size": ("Dice against the patient's size", True),
    }
    return {name: title for name, (title, drawn) in wanted.items() if drawn}


def has_learning_curve(experiments):
    """Whether a method trains on different numbers of patients at one matrix."""
    keys = ("matrix", "method", "training_patients")
    points = {tuple(EXPERIMENTS[name][key] for key in keys) for name in experiments}
    return len(points) > len({point[:2] for point in points})


FIGURE_TITLES = figure_titles()


def figure_caption(figure):
    """Caption of a figure; the overlays of all matrices share one."""
    name = "overlays" if figure.startswith("overlays_") else figure
    return f"../workflow/report/{name}.rst"
