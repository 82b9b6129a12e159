# nnU-Net plans of one experiment: the single source of truth of its runs.
rule plan:
    input:
        cohort=current_cohort,
        fingerprint="<results>/preprocessed/dataset_fingerprint.json",
    output:
        "<results>/{experiment}/seed{seed}/plans.json",
        "<results>/{experiment}/seed{seed}/dataset.json",
    log:
        "<logs>/plan/{experiment}/seed{seed}.log",
    benchmark:
        "<benchmarks>/plan/{experiment}/seed{seed}.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=CONFIG_FILE,
        settings=run_settings,
    shell:
        "python -m deeprac plan --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q} > {log:q} 2>&1"


# Resume checkpoints are not declared, since Snakemake deletes declared files before and
# after a failed job.
rule train_fold:
    input:
        plans="<results>/{experiment}/seed{seed}/plans.json",
        splits="<results>/splits_final.json",
        slices=slices,
        case_poses=case_poses_for_training,
    output:
        "<results>/{experiment}/seed{seed}/fold_{fold}/checkpoint_final.pth",
        "<results>/{experiment}/seed{seed}/fold_{fold}/run.json",
        "<results>/{experiment}/seed{seed}/fold_{fold}/training.csv",
    log:
        "<logs>/train/{experiment}/seed{seed}/fold_{fold}.log",
    benchmark:
        "<benchmarks>/train/{experiment}/seed{seed}/fold_{fold}.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: ALL_CORES
    resources:
        gpu=GPU,
        mem_mb=32000,
        runtime=training_minutes,
    params:
        config=CONFIG_FILE,
        settings=run_settings,
    shell:
        "python -m deeprac train --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q}"
        " --fold {wildcards.fold:q} 2>&1 | tee {log:q}"


# All trainings, nothing after them.
rule train:
    input:
        every_run("run.json"),
