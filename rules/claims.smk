# What is claimed (report.claims), judged by the tables of the cohort. It reads those of
# diagnostics and, where experiments are put under stress, of stress; a claim about what
# is not there is not decidable.
rule claims:
    input:
        **SUMMARY,
        **GATES,
        diagnostics="<results>/summary/diagnostics.csv",
        stress=stress_summary,
        costs=protocol_costs,
    output:
        shown("<results>/tables/claims.csv", "tables/claims", table="claims"),
        "<results>/tables/claims.md",
    log:
        "<logs>/claims.log",
    benchmark:
        "<benchmarks>/claims.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("claims"),
        runtime=30,
    params:
        **TABLE_PARAMS,
        claims=CONFIG["report"]["claims"],
    shell:
        "python -m deeprac claims --config {params.config:q} 2>&1 | tee {log:q}"
