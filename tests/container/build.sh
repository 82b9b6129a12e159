#!/usr/bin/env bash
# Builds the image that segments, without a registry: a Debian base by debootstrap, wheels
# by pip outside the build. Needs root, podman, runc and debootstrap.
# Usage: tests/container/build.sh TAG CACHE [PYTHON]
#   TAG     name of the image
#   CACHE   folder for base and wheels, used again by the next build
#   PYTHON  whose pip makes the wheels, of the minor version of Debian's python3
# Ends with 77 where the machine lets no container run.
set -euo pipefail
tag=$1 cache=$2 python=${3:-python3}
cd "$(dirname "$0")/../.."
mkdir -p "$cache/wheels"

suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
if [[ ! -f $cache/base.tar ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    "$suite" "$folder/base" > "$cache/debootstrap.log"
  # The packages' own files are not needed to make a container of it.
  rm -rf "$folder/base/var/cache/apt/archives" "$folder/base/var/lib/apt/lists"
  tar -C "$folder/base" -cf "$cache/base.tmp" .
  mv "$cache/base.tmp" "$cache/base.tar"
fi
base=localhost/deeprac-base
podman import --quiet --change "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
  "$cache/base.tar" "$base"

podman --runtime runc run --rm --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 \
  "$base" true || exit 77

"$python" -m pip wheel --quiet --wheel-dir "$cache/wheels" --find-links "$cache/wheels" \
  --requirement envs/segment.in --constraint envs/requirements.lock

# Containers in containers: runc, and limits that the outer one allows. One layer per
# stage: to write several of some GB each takes longer than all the rest.
podman --runtime runc build --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 \
  --layers=false --network host --volume "$cache/wheels:/wheels:ro" \
  --build-arg "BASE=$base" \
  --build-arg "PIP_ARGS=--no-index --find-links /wheels" \
  --build-arg "REVISION=$(git rev-parse HEAD 2> /dev/null || true)" \
  --build-arg "VERSION=$("$python" -c 'import runpy; print(runpy.run_path("src/deeprac/__init__.py")["__version__"])')" \
  --file envs/Containerfile.segment --tag "$tag" .
