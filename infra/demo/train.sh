#!/usr/bin/env bash
# Trains the demo's nets and detector again and computes its reference statistics, as infra/demo/models/MODEL_CARD.md says.
# Everything goes to out/demo-train; nothing under infra/demo/ changes. Interrupted, it goes on where it stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

data=${FIDELIS_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
train_images=$data/train-images-idx3-ubyte.gz
test_images=$data/t10k-images-idx3-ubyte.gz
out=out/demo-train
bin=${CARGO_TARGET_DIR:-target}/release
mkdir -p "$out"

# One thread each: the bits depend on the number of threads, and the main net takes one core for itself. Killed, a training
# loses the steps since its last state: a few minutes.
train=("$bin"/fidelis-worker train --data "$train_images" --threads 1 --checkpoint 25600)
"${train[@]}" --recipe infra/demo/recipes/net.toml --outdir $out/net --snapshot 16000 &
main_net=$!
trap 'kill $main_net 2>/dev/null || true' EXIT

if [[ ! -e $out/fashion-cnn.safetensors ]]; then
  "$bin"/fidelis-worker train detector --data "$train_images" --test "$test_images" --epochs 4 --threads 1 \
    --out $out/fashion-cnn.safetensors
fi
"${train[@]}" --recipe infra/demo/recipes/gnet.toml --outdir $out/gnet --snapshot 3200
for part in train test; do
  images=${part}_images
  "$bin"/fidelis-worker features --images "${!images}" --detector fashion-cnn \
    --weights $out/fashion-cnn.safetensors --out $out/features-$part.safetensors
  "$bin"/fidelis ref --features $out/features-$part.safetensors --dest $out/fashion-$part.npz
done
wait $main_net
trap - EXIT
echo "trained: $out/net/network-snapshot-0000512-0.100.safetensors $out/gnet/network-snapshot-0000032-0.100.safetensors"
echo "detector: $out/fashion-cnn.safetensors"
echo "statistics: $out/fashion-train.npz $out/fashion-test.npz"
