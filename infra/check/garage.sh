#!/usr/bin/env bash
# The store's contract against Garage, a second S3 server of another house, over TCP with signatures: with a key that may
# read and write one bucket and no more, and with one that may only read it.
# Installs Garage into .deps/garage where there is none (about 6 minutes); GARAGE names a binary to use instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=2.5.0
garage="${GARAGE:-.deps/garage/bin/garage}"

if [[ ! -x $garage ]]; then
  if [[ -n ${GARAGE:-} ]]; then
    echo "garage: GARAGE names \`$GARAGE\`, which is no program: correct it or unset it" >&2
    exit 1
  fi
  mkdir -p .deps
  CARGO_TARGET_DIR=.deps/garage-target cargo install garage --version "$version" --no-default-features \
    --features sqlite,bundled-libs --root .deps/garage
fi

folder="$(mktemp -d)"
server=
stop() {
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$folder"
}
trap stop EXIT

random_hex() { head -c "$1" /dev/urandom | od -An -vtx1 | tr -d ' \n'; }

# Below those that the system gives to outgoing connections.
first_port="$(shuf -i 20000-32000 -n 1)"
s3_port=$((first_port + 1))
cat >"$folder/garage.toml" <<EOF
metadata_dir = "$folder/meta"
data_dir = "$folder/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$first_port"
rpc_public_addr = "127.0.0.1:$first_port"
rpc_secret = "$(random_hex 32)"
[s3_api]
s3_region = "us-east-1"
api_bind_addr = "127.0.0.1:$s3_port"
EOF
chmod 600 "$folder/garage.toml"

ask() { "$garage" --config "$folder/garage.toml" "$@"; }

ask server >"$folder/log" 2>&1 &
server=$!
for _ in $(seq 100); do
  if ask status >/dev/null 2>&1; then
    break
  fi
  if ! kill -0 "$server" 2>/dev/null; then
    echo "garage: it ended at once, its last words: $(tail -n 1 "$folder/log")" >&2
    exit 1
  fi
  sleep 0.2
done

key="GK$(random_hex 12)"
secret="$(random_hex 32)"
reader_key="GK$(random_hex 12)"
reader_secret="$(random_hex 32)"
{
  ask layout assign --zone here --capacity 1G "$(ask node id --quiet | cut -d@ -f1)"
  ask layout apply --version 1
  ask key import --yes -n fidelis "$key" "$secret"
  ask key import --yes -n reader "$reader_key" "$reader_secret"
  ask bucket create fidelis-tests
  ask bucket allow --read --write fidelis-tests --key fidelis
  ask bucket allow --read fidelis-tests --key reader
} >"$folder/setup" 2>&1 || {
  tail -n 5 "$folder/setup" >&2
  exit 1
}

FIDELIS_TEST_S3="http://127.0.0.1:$s3_port" FIDELIS_TEST_S3_BUCKET=fidelis-tests AWS_REGION=us-east-1 \
  AWS_ACCESS_KEY_ID="$key" AWS_SECRET_ACCESS_KEY="$secret" \
  FIDELIS_TEST_S3_READER_KEY="$reader_key" FIDELIS_TEST_S3_READER_SECRET="$reader_secret" \
  cargo nextest run --release --workspace --no-capture -E 'binary(store) & test(/^contract::/)'
