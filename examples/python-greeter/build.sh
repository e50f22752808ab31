#!/usr/bin/env bash
# Makes python-greeter.wasm, with Python 3.10 or newer.
set -euo pipefail
cd "$(dirname "$0")"
[ -x .venv/bin/componentize-py ] || { python3 -m venv .venv && .venv/bin/pip install --quiet -r requirements.txt; }
.venv/bin/componentize-py -d ../../wit -w plugin componentize greeter -p . -o python-greeter.wasm
