# Patient-level folds in nnU-Net's format, written once and read by every experiment.
rule splits:
    input:
        cohort=current_cohort,
        given=CONFIG["splits"]["file"] or [],
    output:
        "<results>/splits_final.json",
    log:
        "<logs>/splits.log",
    benchmark:
        "<benchmarks>/splits.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("splits"),
        runtime=10,
    params:
        config=configuration,
        splits=section("splits"),
    shell:
        "python -m deeprac splits --config {params.config:q} > {log:q} 2>&1"
