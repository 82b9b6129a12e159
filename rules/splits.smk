# Patient-level folds in nnU-Net's format, written once and read by every experiment.
rule splits:
    input:
        config=ancient("<results>/config.json"),
        cases="<results>/cohort/cases.csv",
    output:
        "<results>/splits_final.json",
    log:
        "<logs>/splits.log",
    benchmark:
        "<benchmarks>/splits.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        splits=CONFIG["splits"],
    shell:
        "python -m deeprac splits --config {input.config} > {log} 2>&1"
