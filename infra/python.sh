#!/bin/sh
# Makes the Python environment that the tests start their counterparts from: moto (an AWS Secrets Manager to talk to),
# aiosmtpd (a mail server to talk to) and schemathesis (checks the API against its OpenAPI document). Nothing of it is needed to run Lastmile.
#
# Safe to run as often as you like: it returns at once when what is there is what is pinned here.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root="${XDG_CACHE_HOME:-$HOME/.cache}/lastmile"
venv="$root/venv"
constraints="$here/python-constraints.txt"
wanted="moto[server]==5.2.5 schemathesis==4.32.5 aiosmtpd==1.4.6"

python="${PYTHON:-python3}"
if ! command -v "$python" >/dev/null 2>&1; then
    echo "infra/python.sh: $python is missing. Install Python 3.10 or later (Debian: apt-get install python3 python3-venv)." >&2
    exit 1
fi

# What is pinned and which interpreter it was made with: if either changes, the environment is made anew.
stamp="$wanted $(cksum <"$constraints") $("$python" -c 'import sys; print(sys.version)')"
current() {
    [ -x "$venv/bin/python" ] && [ -f "$venv/.lastmile" ] && [ "$(cat "$venv/.lastmile")" = "$stamp" ]
}

if current; then
    exit 0
fi

# Two runs at once must not build into one folder; whoever finds the lock waits for the other to finish.
mkdir -p "$root"
lock="$root/venv.lock"
waited=0
until mkdir "$lock" 2>/dev/null; do
    owner=$(cat "$lock/pid" 2>/dev/null || true)
    if [ -z "$owner" ] || ! kill -0 "$owner" 2>/dev/null; then
        # A lock without a living owner is left over from a run that was killed, or its owner has yet to sign it.
        waited=$((waited + 1))
        if [ "$waited" -ge 5 ]; then
            rm -rf "$lock"
            waited=0
        fi
    fi
    sleep 1
done
echo $$ >"$lock/pid"
trap 'rm -rf "$lock"' EXIT
trap 'exit 130' INT TERM

if current; then
    exit 0
fi

echo "infra/python.sh: making $venv (moto, schemathesis, aiosmtpd)" >&2
if ! "$python" -m venv --clear "$venv"; then
    echo "infra/python.sh: cannot make a virtual environment (Debian: apt-get install python3-venv)." >&2
    exit 1
fi
# shellcheck disable=SC2086 # the list is meant to be split
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$constraints" $wanted
printf '%s' "$stamp" >"$venv/.lastmile"
