#!/bin/sh
# Makes the image from a binary that is built already, by the last stage of the Dockerfile; needs no network.
#
#   image.sh BINARY TAG                    BUILDER="docker buildx build" image.sh BINARY TAG
#
# The builder is buildah (Debian: apt-get install buildah), or any that knows --build-context.
set -eu

here="$(cd "$(dirname "$0")" && pwd)"
context="$(mktemp -d)"
trap 'rm -rf "$context"' EXIT
"$here/rootfs.sh" "$1" "$context/rootfs"
# Not every builder leaves out stages that it does not need, and the first one needs the network.
sed -n '/^FROM scratch AS image$/,$p' "$here/Dockerfile" >"$context/Dockerfile"
# shellcheck disable=SC2086 # several words
${BUILDER:-buildah build} --build-context build="$context" --file "$context/Dockerfile" --tag "$2" "$context"
