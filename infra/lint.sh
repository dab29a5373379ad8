#!/bin/sh
# Lints everything that describes a deployment: shell scripts, Dockerfile, compose file, systemd unit, Helm chart, monitoring rules.
# It fails on any finding. A tool that is not here is named and skipped; `infra/lint.sh --install` first puts the missing ones into a
# folder of its own (the Python packages of lint-requirements.txt, and promtool out of Debian's package without installing that).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$here")
cache="${XDG_CACHE_HOME:-$HOME/.cache}/lastmile"
venv="$cache/lint-venv"
PATH="$venv/bin:$cache/bin:$PATH"
cd "$root"

install_venv() {
    stamp="$(cksum <"$here/lint-requirements.txt") $(python3 -V)"
    if [ -f "$venv/.lastmile" ] && [ "$(cat "$venv/.lastmile")" = "$stamp" ]; then
        return
    fi
    echo "infra/lint.sh: making $venv" >&2
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --requirement "$here/lint-requirements.txt"
    printf '%s' "$stamp" >"$venv/.lastmile"
}

install_promtool() {
    if command -v promtool >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
        return
    fi
    echo "infra/lint.sh: taking promtool out of Debian's package prometheus" >&2
    work=$(mktemp -d)
    mkdir -p "$cache/bin"
    (cd "$work" && apt-get download prometheus >/dev/null 2>&1 && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool) ||
        echo "infra/lint.sh: it cannot be had here" >&2
    if [ -f "$work/usr/bin/promtool" ]; then
        mv "$work/usr/bin/promtool" "$cache/bin/promtool"
    fi
    rm -rf "$work"
}

case ${1:-} in
    --install) install_venv && install_promtool ;;
    '') ;;
    *) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

passed=0 failed=0 skipped=0

# check NAME TOOL COMMAND...: runs it when TOOL is here.
check() {
    name=$1 tool=$2
    shift 2
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "skip  $name: no $tool here"
        skipped=$((skipped + 1))
    elif "$@"; then
        echo "ok    $name"
        passed=$((passed + 1))
    else
        echo "FAIL  $name"
        failed=$((failed + 1))
    fi
}

shell_scripts() {
    git ls-files --cached --others --exclude-standard -- '*.sh' '.ci/run'
}

# The unit names a binary that a machine which only lints does not have.
verify_unit() {
    work=$(mktemp -d)
    sed 's|^ExecStart=.*|ExecStart=/bin/true|; s|^Documentation=.*||' infra/systemd/lastmile.service >"$work/lastmile.service"
    said=$(systemd-analyze verify "$work/lastmile.service" 2>&1) && code=0 || code=$?
    # What other units of this machine are told is not ours.
    said=$(printf '%s\n' "$said" | grep -F "lastmile.service" || true)
    rm -rf "$work"
    if [ "$code" -ne 0 ] || [ -n "$said" ]; then
        printf '%s\n' "$said"
        return 1
    fi
    systemd-analyze security --offline=yes --threshold=20 infra/systemd/lastmile.service >/dev/null
}

compose_engine() {
    BASE_DOMAIN=isp.example.com MAIL_FROM=no-reply@isp.example.com docker compose -f infra/compose.yaml config --quiet
}

# shellcheck disable=SC2046 # no name in the repository has a space
check "shell scripts" shellcheck shellcheck $(shell_scripts)
check "Dockerfile" hadolint hadolint infra/docker/Dockerfile
check "YAML" yamllint yamllint --strict --config-data '{extends: default, rules: {line-length: disable, document-start: disable, braces: {max-spaces-inside: 1}, comments: {min-spaces-from-content: 1}}}' \
    infra/compose.yaml infra/monitoring infra/helm/lastmile/Chart.yaml infra/helm/lastmile/values.yaml
check "JSON and TOML" python3 python3 infra/lint.py data
if command -v docker >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then
    check "compose file, by docker compose" docker compose_engine
else
    echo "skip  compose file, by docker compose: no compose plugin here"
    skipped=$((skipped + 1))
fi
check "compose file" "$venv/bin/python" "$venv/bin/python" infra/lint.py compose
check "systemd unit" systemd-analyze verify_unit
check "Helm chart" "$venv/bin/python" "$venv/bin/python" infra/lint.py helm
check "Prometheus rules" promtool promtool check rules --lint=all --lint-fatal infra/monitoring/rules.yaml
check "Prometheus scrape" promtool promtool check config --lint=all --lint-fatal infra/monitoring/prometheus.yaml
check "Prometheus rules, each firing and quiet" promtool promtool test rules infra/monitoring/rules_test.yaml
check "Grafana queries" promtool python3 infra/lint.py dashboard

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
