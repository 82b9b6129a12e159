# Predictions of one fold against the labels: one row per case and label.
rule evaluate:
    input:
        cohort=current_cohort,
        splits="<results>/splits_final.json",
        predictions="<results>/<run>/predictions",
        transforms="<results>/<run>/transforms.csv",
    output:
        "<results>/<run>/metrics.csv",
    log:
        "<logs>/evaluate/<run>.log",
    benchmark:
        "<benchmarks>/evaluate/<run>.tsv"
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("evaluate"),
        runtime=60,
    params:
        config=configuration,
    shell:
        "python -m deeprac evaluate --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q}"
        " --fold {wildcards.fold:q} > {log:q} 2>&1"


# What the front end of one fold did, against the truth or the pose that the labels give.
rule diagnose:
    input:
        cohort=current_cohort,
        case_poses="<results>/case_poses.csv",
        metrics="<results>/<run>/metrics.csv",
        transforms="<results>/<run>/transforms.csv",
    output:
        "<results>/<run>/diagnostics.csv",
    log:
        "<logs>/diagnose/<run>.log",
    benchmark:
        "<benchmarks>/diagnose/<run>.tsv"
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("diagnose"),
        runtime=60,
    params:
        config=configuration,
    shell:
        "python -m deeprac diagnose --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q}"
        " --fold {wildcards.fold:q} > {log:q} 2>&1"
