# The cases that the fold did not train on, on their native grid. It takes the whole
# machine, so that it never runs beside a timed training.
rule predict:
    input:
        **TRAINED,
    output:
        directory("<results>/<run>/predictions"),
        "<results>/<run>/transforms.csv",
        "<results>/<run>/inference.csv",
    log:
        "<logs>/predict/<run>.log",
    benchmark:
        "<benchmarks>/predict/<run>.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: TIMED_CORES
    resources:
        **timed(memory_mb("predict"), 240),
    params:
        config=configuration,
        mirroring=CONFIG["inference"]["mirroring"],
    shell:
        "python -m deeprac predict --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q}"
        " --fold {wildcards.fold:q} 2>&1 | tee {log:q}"
