#!/bin/sh
# Proves the proxy's rules with a real nginx: renders the configuration with throw-away certificates, runs `nginx -t`, starts it on
# free ports before an upstream that echoes what reached it, and sends it what it must pass on and what it must refuse.
set -eu
for tool in nginx openssl python3; do
    command -v "$tool" >/dev/null || { echo "nginx/check.sh: needs $tool (Debian: nginx-light openssl python3)" >&2; exit 2; }
done
exec python3 "$(dirname -- "$0")/check.py" "$@"
