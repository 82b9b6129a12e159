# The claims of the ablation against their targets. It reads the tables of diagnostics
# and, where experiments are put under stress, of stress; what is not there is reported
# as not measured.
rule findings:
    input:
        cases="<results>/summary/cases.csv",
        runs="<results>/summary/runs.csv",
        diagnostics="<results>/summary/diagnostics.csv",
        stress=stress_summary,
        costs="<results>/summary/protocol.json",
    output:
        report(
            "<results>/tables/findings.csv",
            caption="../workflow/report/tables/findings.rst",
            category="Tables",
            labels={"table": "findings"},
        ),
        "<results>/tables/findings.md",
    log:
        "<logs>/findings.log",
    benchmark:
        "<benchmarks>/findings.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        config=CONFIG_FILE,
        settings=TABLE_SETTINGS,
    shell:
        "python -m deeprac findings --config {params.config:q}"
        " --costs {input.costs:q} 2>&1 | tee {log:q}"
