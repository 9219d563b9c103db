# libtorch out of PyPI's wheels, pinned by checksum: shared by the scripts that need one of some version.
# shellcheck shell=bash

# What a build links and includes, and what those libraries load in turn.
wheel_files=(
  torch/lib/lib{c10,shm,torch,torch_cpu}.so torch/lib/libgomp.so.1
  nvidia/cu13/lib/lib{cudart,cupti}.so.13
)
wheel_patterns=("${wheel_files[@]}" 'torch/include/*')

# provide_libtorch VERSION REQUIREMENTS TARGET [ADVICE]: leaves libtorch VERSION in TARGET/torch, from the wheels that
# REQUIREMENTS pins. Does nothing when all is there; interrupted at any point, it starts over. ADVICE is what else helps
# where there is no way to fetch it. To be called once: it sets traps.
provide_libtorch() {
  version=$1 requirements=$2 target=$3 advice=${4:-}
  is_complete && return
  [[ $(uname -sm) == "Linux x86_64" ]] || die "no libtorch is pinned for \`$(uname -sm)\`$advice"
  mkdir -p "$(dirname "$target")"
  exec 9>"$target.lock"
  if ! flock --nonblock 9; then
    say "waiting for another set-up of libtorch"
    flock 9
    is_complete && return
  fi
  # Whoever holds the lock is alone here: what lies in the staging folder was left by a set-up that died.
  staging=$PWD/$target.partial
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
}

# The stamp says which wheels and which of their files are unpacked.
stamp() {
  grep -o 'sha256:[0-9a-f]*' "$requirements"
  printf '%s\n' "${wheel_patterns[@]}"
}

is_complete() {
  local file
  [[ -f $target/stamp && $(<"$target/stamp") == "$(stamp)" ]] || return 1
  for file in "${wheel_files[@]}" torch/build-version torch/include/torch/script.h; do
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
    find_python || die "no python3 with pip: install python3-pip$advice"
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
    die "check the network and run this again$advice"
  fi
}

unpack_wheels() {
  "$python" infra/setup/unpack.py "$staging/wheels" "$staging/libtorch" "${wheel_patterns[@]}" ||
    die "the wheels could not be unpacked (see above); free 1.2 GB of disk if it is full, then run this again"
  echo "$version" >"$staging/libtorch/torch/build-version"
  stamp >"$staging/libtorch/stamp"
}
