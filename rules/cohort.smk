# The configuration as used, with all defaults. Other rules take it as ancient and list
# the keys they depend on as params, so that a change of one key reruns what it concerns.
rule config:
    output:
        "<results>/config.json",
    log:
        "<logs>/config.log",
    benchmark:
        "<benchmarks>/config.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        settings=json.dumps(CONFIG),
    shell:
        "python -m deeprac config --json {params.settings:q} --output {output} > {log} 2>&1"


# Volumes and label maps are not declared: an interrupted job keeps the finished cases.
# cases.csv is written last.
rule cohort:
    input:
        config=ancient("<results>/config.json"),
        source=cohort_source,
    output:
        "<results>/cohort/cases.csv",
    log:
        "<logs>/cohort.log",
    benchmark:
        "<benchmarks>/cohort.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=720,
    params:
        cohort=CONFIG["cohort"],
    shell:
        "python -m deeprac cohort --config {input.config} 2>&1 | tee {log}"
