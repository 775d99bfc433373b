#!/usr/bin/env bash
# Debian splits venv from its Python; as root we install it, else we say what is missing.
set -euo pipefail
python=$1 venv=$2
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "setup: apt-get install python3-venv"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
else
  echo "setup: $python has no venv module; install it (on Debian and Ubuntu: apt-get install python3-venv)" >&2
  exit 1
fi
rm -rf "$venv"
"$python" -m venv "$venv"
