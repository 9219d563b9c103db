#!/usr/bin/env bash
# What the autoguidance paper claims, in small, on Fashion-MNIST: trains the nets, chooses EMA lengths and guidance for each
# way to guide, and scores each on seeds that nothing was chosen by. See docs/reproduction.md. Everything goes to
# out/reproduction (the main net to out/demo-train), and is found again by the next call.
# usage: reproduction.sh [N]      N images in each of three blocks; progress on stderr, a table and a last line of JSON on stdout
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

images=${1:-1000}
if ! [[ $images =~ ^[1-9][0-9]*$ && $images -ge 200 ]]; then
  echo "reproduction: N is \`$images\`: make it a number of images from 200 on, such as N=1000" >&2
  exit 2
fi
exec python3 infra/demo/reproduction.py "$images"
