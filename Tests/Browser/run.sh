#!/bin/sh
# Drives the built web studio in a real browser; installs what that needs where it can, and says so where it cannot.
set -eu
cd "$(dirname "$0")/../.."

studio=${1:?usage: run.sh STUDIO ATELIER [options of studio.py]}
tool=${2:?usage: run.sh STUDIO ATELIER [options of studio.py]}
shift 2

skip() {
  echo "SKIPPED: the web studio was not driven in a browser: $*"
  exit 0
}

have_browser() {
  command -v chromium > /dev/null 2>&1 || command -v chromium-browser > /dev/null 2>&1 \
    || command -v google-chrome > /dev/null 2>&1
}

if ! have_browser; then
  command -v apt-get > /dev/null 2>&1 || skip "there is no Chromium"
  [ "$(id -u)" = 0 ] || skip "there is no Chromium; as root, run: apt-get install -y chromium"
  echo "installing chromium"
  { env DEBIAN_FRONTEND=noninteractive apt-get install -y chromium > /dev/null 2>&1 \
    || { apt-get update > /dev/null 2>&1 \
      && env DEBIAN_FRONTEND=noninteractive apt-get install -y chromium > /dev/null 2>&1; }; } \
    || skip "Chromium could not be installed"
fi
python=.build/browser/bin/python
if ! "$python" -c 'import axe_core_python, playwright' > /dev/null 2>&1; then
  echo "installing Playwright and axe-core"
  python3 -m venv .build/browser > /dev/null 2>&1 || skip "python3 makes no virtual environment"
  .build/browser/bin/pip install -q 'playwright==1.*' 'axe-core-python==0.1.*' > /dev/null 2>&1 \
    || skip "Playwright could not be installed"
fi
exec "$python" Tests/Browser/studio.py "$studio" "$tool" "$@"
