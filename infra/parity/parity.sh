#!/usr/bin/env bash
# Compares fidelis with pytorch-fid and torch-fidelity on the same images and weights (parity.py says how), with
# torch-fidelity and prdc on the same features (metrics.py), with a plain PyTorch trainer on the same steps (training.py; with
# `speed` as the first argument only how fast both train, and how fast they train the 2D example: toy_speed.py), and with
# Pillow on a corpus of images in every format (images.py). They live in an environment of their own, .deps/parity
# (environment.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/parity/environment.sh
source infra/parity/environment.sh
images=${FIDELIS_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [[ ${1:-} == speed ]]; then
  "$target/bin/python" infra/parity/toy_speed.py --bin target/release --json "$work/toy.json" \
    --fixture tests/fixtures/toy/toy-train-first.safetensors
  "$target/bin/python" infra/parity/training.py --speed --images "$images" --bin target/release --work "$work" \
    --toy "$work/toy.json"
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
