#!/usr/bin/env bash
# Holds the headers of every answer against what browsers are to be told, has sqlmap look for SQL injection in the API, and wapiti for
# holes in the pages, of a server of its own on a database of its own.
# Both scanners are tried first on counterpart.py, which has holes: a scanner that does not find those would prove nothing by finding none here.
#
#   tests/security/run.sh [headers] [sqlmap] [wapiti]     all when none is named
#
# It takes about twenty minutes and is no part of `make test`. What is found and not in explained.txt makes it fail, and so does any answer of 500 or more.
#
#   CARGO_TARGET_DIR         where cargo built the program (debug/lastmile) [target]
#   SECURITY_OUTPUT          the folder for what the scanners said [target/security]
#   SECURITY_CRAWL           seconds that wapiti may look for pages, each time [120]
#   SECURITY_ATTACK          seconds that each module of wapiti may attack, each time [60]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
program=$target/debug/lastmile
output=${SECURITY_OUTPUT:-$target/security}
crawl=${SECURITY_CRAWL:-120}
attack=${SECURITY_ATTACK:-60}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lastmile
venv=$cache/security-venv

tools=("$@")
[ ${#tools[@]} -gt 0 ] || tools=(headers sqlmap wapiti)
for tool in "${tools[@]}"; do
    case $tool in
        headers | sqlmap | wapiti) ;;
        *) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
if [ ! -x "$program" ]; then
    echo "tests/security/run.sh: $program is missing: run cargo build" >&2
    exit 1
fi

install_tools() {
    local stamp
    stamp="$(cksum <"$here/requirements.txt") $(python3 -V)"
    if [ -f "$venv/.lastmile" ] && [ "$(cat "$venv/.lastmile")" = "$stamp" ]; then
        return
    fi
    echo "tests/security/run.sh: making $venv (sqlmap, wapiti)" >&2
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    printf '%s' "$stamp" >"$venv/.lastmile"
}

folder='' children=()
clean_up() {
    local child
    for child in "${children[@]}"; do
        kill "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    done
    if [ -n "$folder" ]; then
        "$program" postgres --dir "$folder/postgres" --stop >/dev/null 2>&1 || true
        rm -rf "$folder"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for SECONDS CHILD COMMAND...: until the command succeeds; at once an error when the child has ended.
wait_for() {
    local left=$(($1 * 5)) child=$2
    shift 2
    until "$@"; do
        left=$((left - 1))
        if [ "$left" -le 0 ] || ! kill -0 "$child" 2>/dev/null; then
            echo "tests/security/run.sh: not there: $*" >&2
            return 1
        fi
        sleep 0.2
    done
}

start_server() {
    port=$(free_port) metrics=$(free_port)
    LASTMILE_DATABASE_URL=$("$program" postgres --dir "$folder/postgres" --database security)
    export LASTMILE_DATABASE_URL
    export LASTMILE_LISTEN=127.0.0.1:$port LASTMILE_METRICS_LISTEN=127.0.0.1:$metrics
    export LASTMILE_BASE_DOMAIN=localhost LASTMILE_PUBLIC_URL_SCHEME=http LASTMILE_PUBLIC_PORT=$port LASTMILE_ENVIRONMENT=test
    export LASTMILE_SECRETS__KIND=file LASTMILE_SECRETS__PATH=$folder/secrets LASTMILE_MAIL__FOLDER=$folder/mail
    # A scanner asks as fast as it can, from one address.
    export LASTMILE_LIMITS__ADDRESS_PER_SECOND=100000 LASTMILE_LIMITS__CREDENTIAL_PER_SECOND=100000 LASTMILE_LIMITS__TENANT_PER_SECOND=100000
    export LASTMILE_LIMITS__SIGNUPS_PER_HOUR=1000000 LASTMILE_LIMITS__PASSWORD_LINKS_PER_HOUR=1000000
    : >"$output/server.log"
    (cd "$folder" && exec "$program" serve) >"$output/server.log" 2>&1 &
    children+=($!)
    wait_for 60 $! grep -q '"message":"ready"' "$output/server.log" || { cat "$output/server.log" >&2; exit 1; }
}

start_counterpart() {
    holes=$(free_port)
    : >"$output/counterpart.log"
    "$venv/bin/python" "$here/counterpart.py" "$holes" >"$output/counterpart.log" 2>&1 &
    children+=($!)
    wait_for 20 $! grep -q ready "$output/counterpart.log"
}

# Every name below localhost is this machine, for the scanners too (names/sitecustomize.py).
scanner() {
    local name=$1
    shift
    PYTHONPATH=$here/names HOME=$folder/home nice -n 19 "$venv/bin/$name" "$@" </dev/null
}

# run_sqlmap NAME URLS OPTION...: each URL of the file, each of its parameters.
run_sqlmap() {
    local name=$1 urls=$2
    shift 2
    scanner sqlmap -m "$urls" --batch --disable-coloring --level 2 --risk 1 --technique BEU --threads 4 --skip-waf --ignore-code 400,403,404,422 \
        --output-dir "$folder/$name" --results-file "$output/$name.csv" "$@" >"$output/$name.log" 2>&1 ||
        { echo "tests/security/run.sh: sqlmap ended with an error: $output/$name.log" >&2; exit 1; }
}

# run_wapiti NAME URL OPTION...: what is found below the URL.
run_wapiti() {
    local name=$1 url=$2
    shift 2
    scanner wapiti -u "$url" --flush-session --store-session "$folder/$name" --store-config "$folder/wapiti" --no-bugreport \
        -m xss,permanentxss,sql,file,redirect,crlf,ssrf,exec,csp,http_headers,cookieflags,csrf \
        --endpoint "http://127.0.0.1:$holes/" --max-scan-time "$crawl" --max-attack-time "$attack" --tasks 4 -t 20 --max-parameters 30 --max-files-per-dir 12 --skip _csrf \
        -v 1 -f json -o "$output/$name.json" "$@" >"$output/$name.log" 2>&1 ||
        { echo "tests/security/run.sh: wapiti ended with an error: $output/$name.log" >&2; exit 1; }
}

asked_for() {
    local tool
    for tool in "${tools[@]}"; do
        [ "$tool" = "$1" ] && return
    done
    return 1
}

judge() {
    "$venv/bin/python" "$here/judge.py" "$@"
}

# The server's own count of what it answered.
counted() {
    "$venv/bin/python" -c 'import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())' \
        "http://127.0.0.1:$metrics/metrics" >"$output/$1.metrics"
}

export PYTHONDONTWRITEBYTECODE=1
mkdir -p "$output" "$cache"
rm -f "$output"/*.{log,csv,json,metrics,txt}
folder=$(mktemp -d)
mkdir "$folder/home"
install_tools
start_counterpart
start_server
"$venv/bin/python" "$here/tenants.py" "$port" "$folder" "$program" | tee "$output/targets.txt" >&2
portal=scanned
key=$(cat "$folder/key")
cookie=$(cat "$folder/cookie")
at="http://$portal.localhost:$port"

if asked_for headers; then
    echo "headers: every route" >&2
    "$venv/bin/python" "$here/headers.py" "$port" "$folder" "$program" "$output/headers.json"
fi

if asked_for sqlmap; then
    echo "sqlmap: the counterpart" >&2
    echo "http://holes.localhost:$holes/search?q=a" >"$folder/holes.txt"
    run_sqlmap sqlmap-counterpart "$folder/holes.txt"
    judge must-find sqlmap "$output/sqlmap-counterpart.csv"
    echo "sqlmap: the API" >&2
    counted sqlmap-before
    run_sqlmap sqlmap "$folder/targets" --dbms PostgreSQL --headers "Authorization: Bearer $key"
    counted sqlmap-after
    judge still "$at/api/v1/me" "Authorization: Bearer $key"
fi

if asked_for wapiti; then
    echo "wapiti: the counterpart" >&2
    run_wapiti wapiti-counterpart "http://holes.localhost:$holes/"
    judge must-find wapiti "$output/wapiti-counterpart.json"
    echo "wapiti: the platform's pages" >&2
    counted wapiti-before
    run_wapiti wapiti-platform "http://localhost:$port/" -s "http://localhost:$port/signup" -s "http://localhost:$port/find?q=a" \
        -s "http://localhost:$port/console/sign-in" -s "http://localhost:$port/console/join?code=a" \
        -C "$(cat "$folder/visitor-platform")" -H "Origin: http://localhost:$port" -x "http://localhost:$port/static/*"
    echo "wapiti: a portal, signed out" >&2
    run_wapiti wapiti-public "$at/sign-in" --scope domain -s "$at/forgot" -s "$at/my/sign-in" -s "$at/my/forgot" -s "$at/reset?code=a" -s "$at/landing?code=a" \
        -C "$(cat "$folder/visitor-portal")" -H "Origin: $at" -x "$at/static/*"
    echo "wapiti: a portal, signed in" >&2
    # Whoever ends the session ends the scan.
    run_wapiti wapiti-portal "$at/" --scope domain -C "$cookie" -H "Origin: $at" -d 3 \
        -s "$at/search?q=a" -s "$at/customers?q=a&status=active" -s "$at/tickets?q=a" -s "$at/audit?q=a" \
        -x "$at/static/*" -x "$at/sign-out" -x "$at/account/sessions/*" -x "$at/account/password"
    counted wapiti-after
    judge still "$at/account" "Cookie: $cookie"
fi

judge findings "$here/explained.txt" "$output" "${tools[@]}"
