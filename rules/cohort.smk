# Volumes and label maps are not declared: an interrupted job keeps the finished cases.
# cases.csv is written last.
rule cohort:
    input:
        source=cohort_source,
    output:
        "<results>/cohort/cases.csv",
    log:
        "<logs>/cohort.log",
    benchmark:
        "<benchmarks>/cohort.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: 4
    resources:
        mem_mb=6000,
        runtime=720,
    params:
        config=CONFIG_FILE,
        cohort=section("cohort", "fetch"),
    shell:
        "python -m deeprac cohort --config {params.config} --workers {threads} 2>&1 | tee {log}"
