#!/usr/bin/env bash
# Writes requirements.lock and deeprac.yaml from a venv made of requirements.in.
# Usage: envs/lock.sh PYTHON, the python of that venv (`make lock` does it all).
set -euo pipefail
python=$1
cd "$(dirname "$0")"

packages=$("$python" -m pip freeze --all --exclude-editable \
    --exclude pip --exclude wheel --exclude deeprac | grep -v '^#' | sed 's/+cpu$//')

cat > requirements.lock <<HEAD
# Exact versions of requirements.in and of all it needs, made by envs/lock.sh with
# $("$python" --version) on Linux. Later Pythons are allowed but were not tried.
# \`make venv\` installs it; envs/deeprac.yaml and envs/Containerfile agree with it.
#
# The CUDA libraries of torch are not listed: pip adds those that the index's torch wheel
# asks for (PyPI's: CUDA). For a machine without GPU the smaller CPU wheels are enough:
# make venv PIP_ARGS="--extra-index-url URL" with the address of the CPU wheels
#
# To regenerate: change requirements.in, then \`make lock\`.
$packages
HEAD

cat > deeprac.yaml <<HEAD
# For \`snakemake --sdm conda\`: the versions of requirements.lock. Made by envs/lock.sh.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python =$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  - pip
  - pip:
$(sed 's/^/      - /' <<< "$packages")
HEAD
