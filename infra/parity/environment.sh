# shellcheck shell=bash
# The environment that holds the peers, for the scripts beside it: `target`, made once, with the wheels that
# requirements.txt pins (5 GB, 2.3 GB to fetch). Needs Python 3.11 or later.

# shellcheck source=infra/setup/lib.sh
source infra/setup/lib.sh
say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }

requirements=infra/parity/requirements.txt
target=.deps/parity

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
