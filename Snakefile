# Doorway: makes `snakemake --cores 8 --resources gpu=1` work in the checkout's root.
# The workflow itself is workflow/Snakefile, which module imports use.
include: "workflow/Snakefile"


# An included file cannot set the default target of the file that includes it.
workflow.default_target = "all"
