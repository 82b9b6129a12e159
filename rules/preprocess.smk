# Foreground intensities of the whole cohort, as nnU-Net measures them.
rule fingerprint:
    input:
        config=ancient("<results>/config.json"),
        cases="<results>/cohort/cases.csv",
    output:
        "<results>/preprocessed/dataset_fingerprint.json",
    log:
        "<logs>/fingerprint.log",
    benchmark:
        "<benchmarks>/fingerprint.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=240,
    params:
        intensity=CONFIG["cohort"]["intensity"],
    shell:
        "python -m deeprac fingerprint --config {input.config} 2>&1 | tee {log}"


# One preprocessed dataset per matrix, shared by all methods. The slices are not
# declared: an interrupted job keeps the finished cases. cases.json is written last.
rule preprocess:
    input:
        config=ancient("<results>/config.json"),
        cases="<results>/cohort/cases.csv",
        fingerprint="<results>/preprocessed/dataset_fingerprint.json",
    output:
        "<results>/preprocessed/{matrix}/cases.json",
    log:
        "<logs>/preprocess/{matrix}.log",
    benchmark:
        "<benchmarks>/preprocess/{matrix}.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=480,
    params:
        settings=matrix_settings,
    shell:
        "python -m deeprac preprocess --config {input.config} --matrix {wildcards.matrix}"
        " 2>&1 | tee {log}"
