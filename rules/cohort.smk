# Checks, inspects and converts every case: the first rule of all, and the gate before the
# others. With errors there is no cases.csv, and <results>/cohort/check/report.html says
# why. It, volumes and label maps are not declared: a job that was interrupted or failed
# keeps them.
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
        "python -m deeprac cohort --config {params.config:q} --workers {threads:q}"
        " 2>&1 | tee {log:q}"
