# The paper's two tables beside ours, the ladder of methods, and all experiments.
rule tables:
    input:
        cases="<results>/summary/cases.csv",
        runs="<results>/summary/runs.csv",
    output:
        report(
            "<results>/tables/table1.csv",
            caption="../workflow/report/table1.rst",
            category="Tables",
            labels={"table": "1: pose and size"},
        ),
        report(
            "<results>/tables/table2.csv",
            caption="../workflow/report/table2.rst",
            category="Tables",
            labels={"table": "2: region of interest"},
        ),
        report(
            "<results>/tables/all.csv",
            caption="../workflow/report/all.rst",
            category="Tables",
            labels={"table": "all experiments"},
        ),
        report(
            "<results>/tables/ladder.csv",
            caption="../workflow/report/ladder.rst",
            category="Tables",
            labels={"table": "ladder of methods"},
        ),
        expand(
            "<results>/tables/{table}.{ending}",
            table=["table1", "table2", "all", "ladder"],
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
        "python -m deeprac tables --config {params.config} > {log} 2>&1"


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
        figures=CONFIG["figures"],
    shell:
        "python -m deeprac figures --config {params.config} > {log} 2>&1"
