#!/usr/bin/env bash
# Makes js-greeter.wasm, with Node.js 20 or newer.
set -euo pipefail
cd "$(dirname "$0")"
npm install --no-audit --no-fund --no-package-lock --silent
npm run --silent build
