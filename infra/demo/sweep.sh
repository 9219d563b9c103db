#!/usr/bin/env bash
# A sweep of the demo's pair: trains two guiding nets with two EMA lengths each, and finds which of them guides best, and how
# strongly. Everything goes to out/sweep, and is found again by the next call.
# usage: sweep.sh [N]      progress on stderr; the last line on stdout is JSON
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

images=${1:-600}
if ! [[ $images =~ ^[1-9][0-9]+$ ]]; then
  echo "sweep: N is \`$images\`: make it a number of images from 10 on, such as N=600" >&2
  exit 2
fi
bin=${CARGO_TARGET_DIR:-target}/release
data=${FIDELIS_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}/train-images-idx3-ubyte.gz
gnets=out/sweep/gnets

# One thread: the bits depend on the number of threads.
if [[ ! -e $gnets/network-snapshot-0000032-0.150.safetensors ]]; then
  echo "sweep: training the guiding nets, 250 steps" >&2
  "$bin"/fidelis-worker train --recipe infra/demo/recipes/gnet.toml --set 'ema=[0.05,0.15]' --data "$data" \
    --snapshot 16000 --checkpoint 8000 --threads 1 --outdir $gnets >&2
fi
"$bin"/fidelis sweep infra/demo/sweep.toml --seeds "0-$((images - 1))" --local out/sweep/store --dest out/sweep
