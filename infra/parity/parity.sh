#!/usr/bin/env bash
# Compares fidelis with pytorch-fid and torch-fidelity on the same images and weights (parity.py says how), with
# torch-fidelity and prdc on the same features (metrics.py), with a plain PyTorch trainer on the same steps (training.py; with
# `speed` as the first argument only how fast both train), and with Pillow on a corpus of images in every format
# (images.py). They live in an environment of their own, .deps/parity (5 GB, 2.3 GB to fetch), which is made once; needs
# Python 3.11 or later.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/setup/lib.sh
source infra/setup/lib.sh
say() { printf 'parity: %s\n' "$*" >&2; }

requirements=infra/parity/requirements.txt
target=.deps/parity
images=${FIDELIS_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}

# Sets `python` to a Python 3.11 to 3.13 that can make environments with pip.
find_python() {
  for python in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
      2>/dev/null; then
      return
    fi
  done
  return 1
}

# The stamp says which wheels are installed.
is_complete() {
  [[ -x $target/bin/python && -f $target/stamp && $(<"$target/stamp") == "$(<"$requirements")" ]]
}

# An environment cannot be moved once made, so the stamp, written last, is what says that it is whole.
make_environment() {
  if ! find_python; then
    apt_install python3 python3-venv || true
    find_python || die "no Python 3.11 to 3.13 with venv and pip: install python3-venv"
  fi
  rm -rf "$target"
  "$python" -m venv "$target" || die "cannot make an environment in \`$target\` (see above)"
  say "fetching pytorch-fid, torch-fidelity, prdc and torch into $target (2.3 GB)"
  "$target/bin/python" -m pip install --quiet --progress-bar off --disable-pip-version-check --no-deps \
    --require-hashes --only-binary=:all: --requirement "$requirements" ||
    die "pip could not install the peers (its words are above): check the network and the disk, run this again"
  cp "$requirements" "$target/stamp"
}

[[ $(uname -sm) == "Linux x86_64" ]] || die "the peers are pinned for x86-64 Linux, not for \`$(uname -sm)\`"
[[ -x target/release/fidelis && -x target/release/fidelis-worker ]] || die "nothing is built: run \`make build\`"
mkdir -p .deps
exec 9>.deps/parity.lock
if ! flock --nonblock 9; then
  say "waiting for another run of this script"
  flock 9
fi
is_complete || make_environment
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [[ ${1:-} == speed ]]; then
  "$target/bin/python" infra/parity/training.py --speed --images "$images" --bin target/release --work "$work"
  exit
fi
"$target/bin/python" infra/parity/training.py --bin target/release --work "$work"
TQDM_DISABLE=1 "$target/bin/python" -W ignore::DeprecationWarning \
  infra/parity/parity.py --images "$images" --bin target/release --work "$work"
"$target/bin/python" infra/parity/metrics.py --bin target/release --work "$work"
# The images last: the corpus of JPEGs wants cjpeg.
command -v cjpeg >/dev/null || apt_install libjpeg-turbo-progs || true
command -v cjpeg >/dev/null || die "no cjpeg: install libjpeg-turbo-progs"
"$target/bin/python" infra/parity/images.py --pixels target/release/examples/pixels --work "$work"
