# The cases that the fold did not train on, on their native grid. It takes the whole
# machine, so that it never runs beside a timed training.
rule predict:
    input:
        plans="<results>/{experiment}/seed{seed}/plans.json",
        splits="<results>/splits_final.json",
        case_poses=known_case_poses,
        weights="<results>/{experiment}/seed{seed}/fold_{fold}/checkpoint_final.pth",
    output:
        directory("<results>/{experiment}/seed{seed}/fold_{fold}/predictions"),
        "<results>/{experiment}/seed{seed}/fold_{fold}/transforms.csv",
    log:
        "<logs>/predict/{experiment}/seed{seed}/fold_{fold}.log",
    benchmark:
        "<benchmarks>/predict/{experiment}/seed{seed}/fold_{fold}.tsv"
    conda:
        "../envs/deeprac.yaml"
    threads: ALL_CORES
    resources:
        gpu=GPU,
        mem_mb=16000,
        runtime=240,
    params:
        config=CONFIG_FILE,
        mirroring=CONFIG["inference"]["mirroring"],
    shell:
        "python -m deeprac predict --config {params.config:q}"
        " --experiment {wildcards.experiment:q} --seed {wildcards.seed:q}"
        " --fold {wildcards.fold:q} 2>&1 | tee {log:q}"
