# Checks, inspects and converts every case: the first rule of all, and the gate before the
# others. With errors there is no cases.csv, and <results>/cohort/check/report.html says
# why. It, volumes and label maps are not declared: a job that was interrupted or failed
# keeps them.
rule cohort:
    output:
        "<results>/cohort/cases.csv",
    log:
        "<logs>/cohort.log",
    benchmark:
        "<benchmarks>/cohort.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: THREADS
    resources:
        mem_mb=conversion_memory,
        runtime=720,
    params:
        config=configuration,
        cohort=section("cohort", "fetch"),
        source=source_state,
    shell:
        "python -m deeprac cohort --config {params.config:q} --workers {threads:q}"
        " 2>&1 | tee {log:q}"


# Changes when the cohort does, and not when files were only read again. All other rules
# depend on it (current_cohort): it outlives a cohort that was read in vain, and what it
# remembers of the source has that repeated until it succeeds.
checkpoint cohort_version:
    input:
        "<results>/cohort/cases.csv",
    output:
        "<results>/cohort/version.sha256",
    log:
        "<logs>/cohort_version.log",
    benchmark:
        "<benchmarks>/cohort_version.tsv"
    localrule: True
    conda:
        "../envs/deeprac.yaml"
    resources:
        mem_mb=memory_mb("cohort_version"),
        runtime=10,
    params:
        source=source_state,
    shell:
        "python -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read())"
        ".hexdigest())' < {input:q} > {output:q} 2> {log:q}"
