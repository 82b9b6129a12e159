# All evaluated folds of an experiment in one file, for `deeprac segment`. Weights that
# were trained on patients need the licence of whoever answers for them, and so a call of
# the verb by hand: docs/bundles.md.
rule bundle:
    input:
        licence=phantom_licence,
        runs=bundled,
    output:
        "<results>/bundles/{experiment}.zip",
    log:
        "<logs>/bundle/{experiment}.log",
    benchmark:
        "<benchmarks>/bundle/{experiment}.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("bundle"),
        runtime=10,
    params:
        config=configuration,
        seed=CONFIG["run"]["seeds"][0],
    shell:
        "python -m deeprac bundle make --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {params.seed:q}"
        " --licence {input.licence:q} --to {output:q} > {log:q} 2>&1"
