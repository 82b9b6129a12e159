# The held-out cases of one fold turned, zoomed, shifted or, of phantoms, scanned again,
# one change at a time. As predict, it takes the whole machine; it segments every case
# once for each change.
rule stress_fold:
    input:
        **TRAINED,
        cohort=current_cohort,
    output:
        "<results>/<run>/stress.csv",
    log:
        "<logs>/stress/<run>.log",
    benchmark:
        "<benchmarks>/stress/<run>.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: TIMED_CORES
    resources:
        **timed(memory_mb("stress_fold"), 1440),
    params:
        config=configuration,
        stress=section("stress", "experiments"),
        mirroring=CONFIG["inference"]["mirroring"],
    shell:
        "python -m deeprac stress --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q}"
        " --fold {wildcards.fold:q} 2>&1 | tee {log:q}"


# One tidy table of all runs under stress.
rule summarise_stress:
    input:
        splits="<results>/splits_final.json",
        stress=stressed_runs,
    output:
        "<results>/summary/stress.csv",
    log:
        "<logs>/summarise_stress.log",
    benchmark:
        "<benchmarks>/summarise_stress.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("summarise_stress"),
        runtime=30,
    params:
        config=configuration,
    shell:
        "python -m deeprac summarise --what stress --config {params.config:q} > {log:q} 2>&1"


# Dice under stress, for the experiments in stress.experiments.
rule stress:
    input:
        "<results>/summary/stress.csv",
        "<results>/figures/stress_curves.svg",
