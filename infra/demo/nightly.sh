#!/usr/bin/env bash
# Nights on the demo's pair: ten of unchanged code, and one of each of seven mistakes. See docs/nightly.md.
# usage: nightly.sh [N]      N images a block; progress on stderr, a table and a last line of JSON on stdout
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

images=${1:-200}
if ! [[ $images =~ ^[1-9][0-9]*$ && $images -ge 200 ]]; then
  echo "nightly: N is \`$images\`: make it a number of images from 200 on, such as N=200" >&2
  exit 2
fi
exec python3 infra/demo/nightly.py "$images"
