# The paper's two tables beside ours, and what else there is to read from the summary.
rule tables:
    input:
        **SUMMARY,
        **GATES,
        diagnostics="<results>/summary/diagnostics.csv",
    output:
        [
            shown(f"<results>/tables/{name}.csv", f"tables/{name}", table=title)
            for name, title in TABLE_TITLES.items()
        ],
        expand("<results>/tables/{name}.{end}", name=TABLE_TITLES, end=["md", "tex"]),
    log:
        "<logs>/tables.log",
    benchmark:
        "<benchmarks>/tables.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("tables"),
        runtime=30,
    params:
        **TABLE_PARAMS,
    shell:
        "python -m deeprac tables --config {params.config:q} > {log:q} 2>&1"


# A figure, the same for print, and its data.
rule figures:
    input:
        unpack(figure_inputs),
    output:
        [
            shown(f"<results>/figures/{name}.svg", figure.name, figure=figure.title)
            for name, figure in FIGURES.items()
        ],
        expand("<results>/figures/{name}.{ending}", name=FIGURES, ending=["png", "csv"]),
    log:
        "<logs>/figures.log",
    benchmark:
        "<benchmarks>/figures.tsv"
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("figures"),
        runtime=60,
    params:
        config=configuration,
        labels=TABLE_SETTINGS,
        statistics=CONFIG["statistics"],
        figures=CONFIG["figures"],
    shell:
        "python -m deeprac figures --config {params.config:q} > {log:q} 2>&1"
