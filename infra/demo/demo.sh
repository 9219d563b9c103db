#!/usr/bin/env bash
# The demo: the same N seeds without guidance and with autoguidance, through the whole fleet on this machine.
# usage: demo.sh [N]      progress on stderr; the last line on stdout is JSON
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

images=${1:-2000}
if ! [[ $images =~ ^[1-9][0-9]*$ ]]; then
  echo "demo: N is \`$images\`: make it a number of images, such as N=2000" >&2
  exit 2
fi
demo() {
  "${CARGO_TARGET_DIR:-target}"/release/fidelis local infra/demo/unguided.toml infra/demo/guided.toml \
    --seeds "0-$(($1 - 1))" --out out/demo
}

# A first picture, while the rest is made; the figures of so few say little.
first=200
if [[ $images -gt $first ]]; then
  echo "demo: $first images of each kind first, then $images" >&2
  demo "$first" >&2
fi
demo "$images"
