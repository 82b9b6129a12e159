# The paper's two tables beside ours, and what else there is to read from the summary.
rule tables:
    input:
        cases="<results>/summary/cases.csv",
        runs="<results>/summary/runs.csv",
    output:
        [
            report(
                f"<results>/tables/{table}.csv",
                caption=f"../workflow/report/tables/{table}.rst",
                category="Tables",
                labels={"table": title},
            )
            for table, title in TABLE_TITLES.items()
        ],
        expand(
            "<results>/tables/{table}.{ending}",
            table=TABLE_TITLES,
            ending=["md", "tex"],
        ),
    log:
        "<logs>/tables.log",
    benchmark:
        "<benchmarks>/tables.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        config=CONFIG_FILE,
        settings=TABLE_SETTINGS,
        statistics=CONFIG["statistics"],
    shell:
        "python -m deeprac tables --config {params.config:q} > {log:q} 2>&1"


# A figure, the same for print, and its data.
rule figures:
    input:
        unpack(figure_inputs),
    output:
        [
            report(
                f"<results>/figures/{name}.svg",
                caption=f"../workflow/report/{figure.name}.rst",
                category="Figures",
                labels={"figure": figure.title},
            )
            for name, figure in FIGURES.items()
        ],
        expand("<results>/figures/{name}.{ending}", name=FIGURES, ending=["png", "csv"]),
    log:
        "<logs>/figures.log",
    benchmark:
        "<benchmarks>/figures.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=60,
    params:
        config=CONFIG_FILE,
        labels=TABLE_SETTINGS,
        statistics=CONFIG["statistics"],
        figures=CONFIG["figures"],
    shell:
        "python -m deeprac figures --config {params.config:q} > {log:q} 2>&1"
