#!/usr/bin/env bash
# Build the serving image, a training image per model type, and Airflow's with the DAG in it, with
# docker, podman or buildah.
#   scripts/build_images.sh
#   scripts/build_images.sh --tag 0.1.1 --push --prefix "$ACCOUNT.dkr.ecr.$REGION.amazonaws.com/trainshed" serving
#   scripts/build_images.sh --variant cuda training-ner
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    cat <<'USAGE'
Usage: scripts/build_images.sh [OPTION]... [IMAGE]... [-- ARGUMENT]...

Builds each IMAGE, or all of them, as PREFIX-IMAGE:TAG. Its last lines on standard output are the
names of the images that it built. ARGUMENTs go to every build as they are.

  --list             print what IMAGE can be, and end
  --dry-run          print the names and build nothing
  --prefix PREFIX    what the images' names begin with (trainshed)
  --tag TAG          their tag (Trainshed's version, and -cuda after it where the variant is)
  --variant VARIANT  cpu or cuda: what the training images train on (cpu)
  --base IMAGE       the image to build on (the Dockerfiles' own); pin it by its digest
  --platform P       what they run on (linux/amd64, as ECS has it)
  --push             push each image once all are built
  --help             print this, and end

BUILDER in the environment is docker, podman or buildah; if it isn't set, the first one that works.
USAGE
}
fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}
works() { "$1" version &>/dev/null; } # docker's also asks its daemon
# Names of images have hyphens where a model type has underscores.
images() {
    local requirements
    echo airflow
    echo serving
    for requirements in model_types/*/requirements.txt; do
        requirements=${requirements#model_types/}
        echo "training-${requirements%/requirements.txt}" | tr _ -
    done
}
model_type_of() {
    local folder
    for folder in model_types/*/; do
        folder=$(basename "$folder")
        if [[ "training-${folder//_/-}" == "$1" ]]; then echo "$folder"; fi
    done
}
name_of() {
    local default
    default=$(sed -n 's/^version *= *//p' setup.cfg)
    if [[ $variant != cpu && $1 == training-* ]]; then default+=-$variant; fi
    echo "$prefix-$1:${tag:-$default}"
}

prefix=trainshed tag="" variant=cpu base="" platform=linux/amd64 dry="" push="" wanted=()
while (($#)); do
    case $1 in
        --prefix | --tag | --variant | --base | --platform)
            [[ ${2:-} ]] || fail "$1 needs a value."
            printf -v "${1#--}" %s "$2"
            shift 2
            ;;
        --dry-run) dry=yes && shift ;;
        --push) push=yes && shift ;;
        --list) images && exit ;;
        --help | -h) usage && exit ;;
        --) shift && break ;;
        -*) fail "there is no option $1. See scripts/build_images.sh --help." ;;
        *) wanted+=("$1") && shift ;;
    esac
done
# What is left are the builder's own arguments.

[[ $variant == cpu || $variant == cuda ]] || fail "the variant is cpu or cuda, not $variant."
mapfile -t all < <(images)
((${#wanted[@]})) || wanted=("${all[@]}")
for image in "${wanted[@]}"; do
    [[ " ${all[*]} " == *" $image "* ]] || fail "there is no image $image. There are: ${all[*]}."
done
if [[ $dry ]]; then
    for image in "${wanted[@]}"; do name_of "$image"; done
    exit
fi

if [[ ${BUILDER:-} ]]; then
    [[ $BUILDER =~ ^(docker|podman|buildah)$ ]] ||
        fail "BUILDER is docker, podman or buildah, not $BUILDER."
    command -v "$BUILDER" >/dev/null || fail "$BUILDER is not installed."
    works "$BUILDER" || fail "$BUILDER does not work; '$BUILDER version' says why."
else
    for candidate in docker podman buildah; do
        works "$candidate" && BUILDER=$candidate && break
    done
    [[ ${BUILDER:-} ]] || fail "none of docker, podman and buildah is installed and works."
fi

common=(--platform "$platform")
[[ -z $base ]] || common+=(--build-arg "BASE_IMAGE=$base")
if revision=$(git rev-parse HEAD 2>/dev/null); then
    common+=(--label "org.opencontainers.image.revision=$revision")
fi
# The other format has no health checks.
[[ $BUILDER == docker ]] || common+=(--format docker)

built=()
for image in "${wanted[@]}"; do
    name=$(name_of "$image")
    arguments=("${common[@]}" --tag "$name" --label "org.opencontainers.image.version=${name##*:}")
    case $image in
        airflow) arguments+=(--file airflow/Dockerfile) ;;
        serving) arguments+=(--file serving_image/Dockerfile) ;;
        *)
            arguments+=(
                --file training_image/Dockerfile
                --build-arg "MODEL_TYPE=$(model_type_of "$image")"
                --build-arg "VARIANT=$variant"
            )
            ;;
    esac
    echo "Building $name with $BUILDER …" >&2
    "$BUILDER" build "${arguments[@]}" "$@" . >&2 || fail "$name could not be built."
    built+=("$name")
done
if [[ $push ]]; then
    for name in "${built[@]}"; do
        "$BUILDER" push "$name" >&2 || fail "$name could not be pushed."
    done
fi
printf '%s\n' "${built[@]}"
