#!/usr/bin/env bash
# Trains the demo's nets and detector again and computes its reference statistics, as infra/demo/models/MODEL_CARD.md says.
# Everything goes to out/demo-train; nothing under infra/demo/ changes. Interrupted, it goes on where it stopped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

data=${FIDELIS_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
train=$data/train-images-idx3-ubyte.gz
test=$data/t10k-images-idx3-ubyte.gz
out=out/demo-train
bin=${CARGO_TARGET_DIR:-target}/release
mkdir -p "$out"

# One thread each: the bits depend on the number of threads, and the main net takes one core for itself.
"$bin"/fidelis-worker train net infra/demo/recipes/net.toml --data "$train" --out $out/net --threads 1 &
main_net=$!
trap 'kill $main_net 2>/dev/null || true' EXIT

if [[ ! -e $out/fashion-cnn.safetensors ]]; then
  "$bin"/fidelis-worker train detector --data "$train" --test "$test" --epochs 4 --threads 1 \
    --out $out/fashion-cnn.safetensors
fi
"$bin"/fidelis-worker train net infra/demo/recipes/gnet.toml --data "$train" --out $out/gnet --threads 1
for part in train test; do
  "$bin"/fidelis-worker features --images "${!part}" --detector fashion-cnn \
    --weights $out/fashion-cnn.safetensors --out $out/features-$part.safetensors
  "$bin"/fidelis ref --features $out/features-$part.safetensors --dest $out/fashion-$part.npz
done
wait $main_net
trap - EXIT
echo "trained: $out/net/net.safetensors $out/gnet/net.safetensors $out/fashion-cnn.safetensors"
echo "statistics: $out/fashion-train.npz $out/fashion-test.npz"
