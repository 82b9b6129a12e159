# Foreground intensities, spacings and sizes of the whole cohort, as nnU-Net measures
# them. A planned matrix takes its patch from here, in every rule alike.
rule fingerprint:
    input:
        cohort=current_cohort,
        moved=moved_fingerprint,
    output:
        "<results>/preprocessed/dataset_fingerprint.json",
    log:
        "<logs>/fingerprint.log",
    benchmark:
        "<benchmarks>/fingerprint.tsv"
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("fingerprint"),
        runtime=240,
    params:
        config=configuration,
        intensity=CONFIG["cohort"]["intensity"],
    shell:
        "python -m deeprac fingerprint --config {params.config:q} 2>&1 | tee {log:q}"


# Where size, pose and labels of every case lie: for losses, oracles and diagnostics.
rule case_poses:
    input:
        cohort=current_cohort,
        fingerprint="<results>/preprocessed/dataset_fingerprint.json",
    output:
        "<results>/case_poses.csv",
    log:
        "<logs>/case_poses.log",
    benchmark:
        "<benchmarks>/case_poses.tsv"
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("case_poses"),
        runtime=240,
    params:
        config=configuration,
        air=CONFIG["cohort"]["air"],
        radius=CONFIG["localiser"]["canonical_radius"],
        max_log_scale=CONFIG["localiser"]["max_log_scale"],
    shell:
        "python -m deeprac case-poses --config {params.config:q} 2>&1 | tee {log:q}"


# One preprocessed dataset per matrix, shared by all methods. The slices are not
# declared: an interrupted job keeps the finished cases. cases.json is written last.
rule preprocess:
    input:
        cohort=current_cohort,
        fingerprint="<results>/preprocessed/dataset_fingerprint.json",
    output:
        "<results>/preprocessed/{matrix}/cases.json",
    log:
        "<logs>/preprocess/{matrix}.log",
    benchmark:
        "<benchmarks>/preprocess/{matrix}.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: THREADS
    resources:
        mem_mb=lambda wildcards, threads: preprocess_mb(threads),
        runtime=480,
    params:
        config=configuration,
        settings=matrix_settings,
    shell:
        "python -m deeprac preprocess --config {params.config:q} --matrix {wildcards.matrix:q}"
        " --workers {threads:q} 2>&1 | tee {log:q}"
