# The tidy tables from which everything below is drawn, and what the cohort is.
rule summarise:
    input:
        metrics=every_run("metrics.csv"),
        runs=every_run("run.json"),
        inference=every_run("inference.csv"),
        cohort=current_cohort,
    output:
        **SUMMARY,
        cohort="<results>/summary/cohort.csv",
    log:
        "<logs>/summarise.log",
    benchmark:
        "<benchmarks>/summarise.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("summarise"),
        runtime=30,
    params:
        config=configuration,
        age_groups=CONFIG["statistics"]["age_groups"],
    shell:
        "python -m deeprac summarise --config {params.config:q} > {log:q} 2>&1"


# Beside the two tables above and not one of them: without a crop no table needs it.
rule diagnostics:
    input:
        every_run("diagnostics.csv"),
    output:
        "<results>/summary/diagnostics.csv",
    log:
        "<logs>/diagnostics.log",
    benchmark:
        "<benchmarks>/diagnostics.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("diagnostics"),
        runtime=30,
    params:
        config=configuration,
    shell:
        "python -m deeprac summarise --what diagnostics --config {params.config:q} > {log:q} 2>&1"


# What a step of the paper's protocol costs: counted here, so that claims need no torch.
rule protocol_cost:
    input:
        "config/config.yaml",
    output:
        "<results>/summary/protocol.json",
    log:
        "<logs>/protocol_cost.log",
    benchmark:
        "<benchmarks>/protocol_cost.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("protocol_cost"),
        runtime=30,
    shell:
        "python -m deeprac cost --config {input:q} --output {output:q} > {log:q} 2>&1"
