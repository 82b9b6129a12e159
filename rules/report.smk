# One offline page with everything: identity, tables, figures, cases, failures, cost.
rule report_page:
    input:
        rules.tables.output,
        rules.figures.output,
        cases="<results>/summary/cases.csv",
        cohort="<results>/summary/cohort.csv",
        runs=every_run("run.json"),
        volumes=browsed_volumes,
    output:
        report(
            "<results>/report.html",
            caption="../workflow/report/report.rst",
            category="Report page",
            labels={"page": "everything, with a case browser"},
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
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
        statistics=CONFIG["statistics"],
        figures=CONFIG["figures"],
        report=CONFIG["report"],
    shell:
        "python -m deeprac report --config {params.config:q} > {log:q} 2>&1"
