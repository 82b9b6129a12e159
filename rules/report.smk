# One offline page with everything: identity, tables, figures, cases, failures, cost.
rule report_page:
    input:
        rules.tables.output,
        rules.figures.output,
        summary=["<results>/summary/cases.csv", "<results>/summary/cohort.csv"],
        judged=page_claims,
        runs=every_run("run.json"),
        volumes=browsed_volumes,
    output:
        shown("<results>/report.html", "report", page="everything, with a case browser"),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("report_page"),
        runtime=30,
    params:
        **TABLE_PARAMS,
        **{key: CONFIG[key] for key in ("figures", "report")},
    shell:
        "python -m deeprac report --config {params.config:q} > {log:q} 2>&1"
