# The claims of the ablation against their thresholds. It reads the tables of diagnostics
# and, where experiments are put under stress, of stress; what is not there is reported
# as not measured.
rule claims:
    input:
        **SUMMARY,
        diagnostics="<results>/summary/diagnostics.csv",
        stress=stress_summary,
        costs="<results>/summary/protocol.json",
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
        config=configuration,
        settings=TABLE_SETTINGS,
    shell:
        "python -m deeprac claims --config {params.config:q}"
        " --costs {input.costs:q} 2>&1 | tee {log:q}"
