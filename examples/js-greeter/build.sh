#!/usr/bin/env bash
# Makes js-greeter.wasm, with Node.js 20 or newer.
set -euo pipefail
cd "$(dirname "$0")"
[ -x node_modules/.bin/componentize-js ] || npm install --no-audit --no-fund --silent
npm run --silent build
