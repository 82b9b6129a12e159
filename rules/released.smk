# A release laid out as results: what the stages before would have computed. The manifest
# is written last, after all files were checked against it.
rule unpack_release:
    input:
        f"{RELEASE}/release.json",
    output:
        "<results>/release.json",
        [f"<results>/{name}" for name in released_summaries()],
        every_run("run.json"),
        every_run("training.csv"),
    log:
        "<logs>/unpack_release.log",
    benchmark:
        "<benchmarks>/unpack_release.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("unpack_release"),
        runtime=10,
    params:
        release=RELEASE,
        results=CONFIG["results"],
    shell:
        "python -m deeprac unpack {params.release:q} --to {params.results:q} > {log:q} 2>&1"
