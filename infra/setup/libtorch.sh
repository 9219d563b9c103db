#!/usr/bin/env bash
# libtorch 2.13.0 for CPU in .deps/libtorch, from the wheels pinned in libtorch-requirements.txt.
# A LIBTORCH set in the environment is used instead (that is how a CUDA libtorch is chosen), or refused
# when it holds something else. Does nothing when all is there; interrupted at any point, it starts over.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/setup/lib.sh
source infra/setup/lib.sh

version=2.13.0
requirements=infra/setup/libtorch-requirements.txt
target=.deps/libtorch
# What the build links and includes, and what those libraries load in turn.
files=(
  torch/lib/lib{c10,shm,torch,torch_cpu}.so torch/lib/libgomp.so.1
  nvidia/cu13/lib/lib{cudart,cupti}.so.13
)
patterns=("${files[@]}" 'torch/include/*')

# Prints the version that a torch folder holds: a libtorch archive says it in one file, a wheel in another.
version_of() {
  if [[ -f $1/build-version ]]; then
    sed -n '1s/[+[:space:]].*//; 1p' "$1/build-version"
  elif [[ -f $1/version.py ]]; then
    sed -n "s/^__version__ *= *['\"]\([^+'\"]*\).*/\1/p" "$1/version.py"
  fi
}

check_given() {
  local held
  held=$(version_of "$LIBTORCH")
  [[ $LIBTORCH == /* ]] || die "LIBTORCH is \`$LIBTORCH\`: make it an absolute path, or unset it"
  [[ -f $LIBTORCH/lib/libtorch_cpu.so && -d $LIBTORCH/include/torch ]] ||
    die "LIBTORCH is \`$LIBTORCH\`, which has no lib/libtorch_cpu.so or no include/torch; correct it or unset it"
  [[ $held == "$version" ]] ||
    die "LIBTORCH is \`$LIBTORCH\`, which holds version \`${held:-unknown}\`; point it at $version or unset it"
}

# The stamp says which wheels and which of their files are unpacked.
stamp() {
  grep -o 'sha256:[0-9a-f]*' "$requirements"
  printf '%s\n' "${patterns[@]}"
}

is_complete() {
  local file
  [[ -f $target/stamp && $(<"$target/stamp") == "$(stamp)" ]] || return 1
  for file in "${files[@]}" torch/build-version torch/include/torch/script.h; do
    [[ -s $target/$file ]] || return 1
  done
}

# Sets `python` to a python3 that has pip.
find_python() {
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      return
    fi
  done
  return 1
}

fetch_wheels() {
  local platform=() tag
  if ! find_python; then
    apt_install python3 python3-pip || true
    find_python || die "no python3 with pip: install python3-pip, or set LIBTORCH to a libtorch $version"
  fi
  for tag in manylinux_2_28 manylinux_2_25 manylinux_2_17 manylinux2014; do
    platform+=(--platform "${tag}_x86_64")
  done
  say "fetching libtorch $version (0.5 GB)"
  # Any Python may ask for the wheels of 3.11: their C++ libraries are the same.
  if ! TMPDIR=$staging "$python" -m pip download --quiet --progress-bar off --disable-pip-version-check \
    --no-cache-dir --no-deps --require-hashes --requirement "$requirements" --dest "$staging/wheels" \
    --only-binary=:all: --implementation cp --python-version 3.11 "${platform[@]}" >"$staging/pip.log" 2>&1; then
    grep -v '^WARNING: Retrying' "$staging/pip.log" | tail -n 8 | sed 's/^/  /' >&2 || true
    say "pip could not fetch libtorch $version (its words are above)"
    die "check the network and run this again, or set LIBTORCH to a libtorch $version"
  fi
}

unpack_wheels() {
  "$python" infra/setup/unpack.py "$staging/wheels" "$staging/libtorch" "${patterns[@]}" ||
    die "the wheels could not be unpacked (see above); free 1.2 GB of disk if it is full, then run this again"
  echo "$version" >"$staging/libtorch/torch/build-version"
  stamp >"$staging/libtorch/stamp"
}

if [[ -n ${LIBTORCH:-} ]]; then
  check_given
  exit
fi
if is_complete; then
  exit
fi
[[ $(uname -sm) == "Linux x86_64" ]] ||
  die "no libtorch is pinned for \`$(uname -sm)\`; set LIBTORCH to a libtorch $version for it"

mkdir -p .deps
exec 9>.deps/libtorch.lock
if ! flock --nonblock 9; then
  say "waiting for another set-up of libtorch"
  flock 9
  is_complete && exit
fi
# Whoever holds the lock is alone here: what lies in the staging folder was left by a set-up that died.
staging=$PWD/.deps/libtorch.partial
trap 'rm -rf "$staging"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
rm -rf "$staging"
mkdir "$staging"
fetch_wheels
unpack_wheels
# Two renames: at no moment is there half a folder under the final name.
if [[ -e $target ]]; then
  mv "$target" "$staging/old"
fi
mv "$staging/libtorch" "$target"
say "libtorch $version is in $target"
