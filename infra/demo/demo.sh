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
exec "${CARGO_TARGET_DIR:-target}"/release/fidelis local demo/unguided.toml demo/guided.toml \
  --seeds "0-$((images - 1))" --out out/demo
