# nnU-Net plans of one experiment: the single source of truth of its runs.
rule plan:
    input:
        cohort=current_cohort,
        fingerprint="<results>/preprocessed/dataset_fingerprint.json",
    output:
        "<results>/<model>/plans.json",
        "<results>/<model>/dataset.json",
    log:
        "<logs>/plan/<model>.log",
    benchmark:
        "<benchmarks>/plan/<model>.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("plan"),
        runtime=10,
    params:
        config=configuration,
        settings=settings_of_run,
    shell:
        "python -m deeprac plan --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q} > {log:q} 2>&1"


# Resume checkpoints are not declared, since Snakemake deletes declared files before and
# after a failed job.
rule train_fold:
    input:
        plans="<results>/<model>/plans.json",
        splits="<results>/splits_final.json",
        slices=slices,
        case_poses=case_poses_for_training,
        taken=taken_from_another,
    output:
        multiext("<results>/<run>/", "checkpoint_final.pth", "run.json", "training.csv"),
    log:
        "<logs>/train/<run>.log",
    benchmark:
        "<benchmarks>/train/<run>.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: TIMED_CORES
    resources:
        **timed(memory_mb("train_fold"), training_minutes),
    params:
        config=configuration,
        settings=settings_of_run,
    shell:
        "python -m deeprac train --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q}"
        " --fold {wildcards.fold:q} --workers {threads:q} 2>&1 | tee {log:q}"


# All trainings, nothing after them.
rule train:
    input:
        every_run("run.json"),
