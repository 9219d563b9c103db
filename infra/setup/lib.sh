# Shared by the set-up scripts: words for people, and Debian packages when something is missing.
# shellcheck shell=bash

say() { printf 'setup: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# Runs a command as root: directly, or through sudo (which may ask only where somebody can answer).
as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  elif [[ -t 0 ]]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# apt_install PACKAGE…: 0 when apt says that all are installed; otherwise prints why not and returns 1.
# A package whose service cannot start (a container, policy-rc.d) may count as failed here although
# its files are there, so callers look for what they need again instead of trusting this alone.
apt_install() {
  if ! command -v apt-get >/dev/null; then
    say "cannot install \`$*\`: no apt-get, so this is not Debian"
    return 1
  fi
  if [[ $(id -u) -ne 0 ]] && ! command -v sudo >/dev/null; then
    say "cannot install \`$*\`: not root, and there is no sudo"
    return 1
  fi
  say "installing \`$*\` with apt-get"
  local log status=0
  log=$(mktemp)
  # An unreachable third-party source fails the update but need not matter to the install.
  as_root apt-get update -qq >"$log" 2>&1 || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@" >>"$log" 2>&1 || status=1
  if [[ $status -ne 0 ]]; then
    say "apt-get could not install \`$*\`; its last words:"
    tail -n 5 "$log" | sed 's/^/  /' >&2
  fi
  rm -f "$log"
  return "$status"
}
