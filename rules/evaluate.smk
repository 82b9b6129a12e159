# Predictions of one fold against the labels: one row per case and label.
rule evaluate:
    input:
        cohort=current_cohort,
        splits="<results>/splits_final.json",
        predictions="<results>/{experiment}/seed{seed}/fold_{fold}/predictions",
        transforms="<results>/{experiment}/seed{seed}/fold_{fold}/transforms.csv",
    output:
        "<results>/{experiment}/seed{seed}/fold_{fold}/metrics.csv",
    log:
        "<logs>/evaluate/{experiment}/seed{seed}/fold_{fold}.log",
    benchmark:
        "<benchmarks>/evaluate/{experiment}/seed{seed}/fold_{fold}.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=CONFIG_FILE,
    shell:
        "python -m deeprac evaluate --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q}"
        " --fold {wildcards.fold:q} > {log:q} 2>&1"


# What the front end of one fold did, against the truth or the pose that the labels give.
rule diagnose:
    input:
        cohort=current_cohort,
        case_poses="<results>/case_poses.csv",
        metrics="<results>/{experiment}/seed{seed}/fold_{fold}/metrics.csv",
        transforms="<results>/{experiment}/seed{seed}/fold_{fold}/transforms.csv",
    output:
        "<results>/{experiment}/seed{seed}/fold_{fold}/diagnostics.csv",
    log:
        "<logs>/diagnose/{experiment}/seed{seed}/fold_{fold}.log",
    benchmark:
        "<benchmarks>/diagnose/{experiment}/seed{seed}/fold_{fold}.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=CONFIG_FILE,
    shell:
        "python -m deeprac diagnose --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q}"
        " --fold {wildcards.fold:q} > {log:q} 2>&1"
