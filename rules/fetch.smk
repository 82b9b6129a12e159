# The only rule that uses the network, and only when it is asked for by name: no other
# rule needs it. It declares no files, since Snakemake would delete them before a rerun.
rule fetch:
    log:
        "<logs>/fetch.log",
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("fetch"),
        runtime=2880,
    params:
        config=configuration,
    shell:
        "python -m deeprac cohort fetch {params.config:q} 2>&1 | tee {log:q}"
