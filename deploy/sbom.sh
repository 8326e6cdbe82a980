#!/usr/bin/env bash
# Writes the software bill of materials of the binary (CycloneDX 1.5, JSON): what is linked into it ("required") and what
# only built it ("excluded"), with licences and the hashes of Cargo.lock. The same sources give the same bytes.
#
#   deploy/sbom.sh                                      writes target/sbom/idp-proxy.cdx.json
#   deploy/sbom.sh FILE [TARGET]                        for another target than x86_64-unknown-linux-gnu
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
out="${1:-$root/target/sbom/idp-proxy.cdx.json}"
target="${2:-x86_64-unknown-linux-gnu}"
version=0.5.9
tool="$root/target/tools/cargo-cyclonedx-$version"

# The first time: built from its own lock file, without optimisation, as it runs for a second. About 100 s of CPU time.
mkdir -p "$root/target/tools" "$(dirname "$out")"
exec 9>"$root/target/tools/.sbom-lock"
flock 9
if [ ! -x "$tool/bin/cargo-cyclonedx" ]; then
  echo "sbom: building cargo-cyclonedx $version" >&2
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --version "=$version" --root "$tool" \
    --target-dir "$tool/build" cargo-cyclonedx
  rm -rf "$tool/build"
fi

# The tool writes beside the manifest only, and refuses no Cargo.lock that is out of date; cargo does.
cargo metadata --locked --format-version 1 --manifest-path "$root/Cargo.toml" >/dev/null
made=".sbom-of-this-call"
trap 'rm -f "$root/$made.json"' EXIT
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}" PATH="$tool/bin:$PATH" cargo cyclonedx --quiet --format json --spec-version 1.5 \
  --manifest-path "$root/Cargo.toml" --target "$target" --override-filename "$made"
# Without the directory that it was made in.
sed "s|path+file://$root#|#|g" "$root/$made.json" >"$out"
echo "sbom: $(grep -c '"purl": "pkg:cargo/' "$out") components in $out" >&2
