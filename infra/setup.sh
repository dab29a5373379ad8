#!/usr/bin/env bash
# Installs what `make run` or `make test` needs and this machine lacks: Debian and Ubuntu through apt, macOS through
# Homebrew (not tried on a Mac). Says what it is going to install before it does; does nothing when nothing is missing.
#
#   infra/setup.sh run     PostgreSQL's programs, a C compiler, Node.js
#   infra/setup.sh test    the same; a browser, Python, nginx and a certificate authority (pebble) for the tests
#
# Rust is not installed: it belongs to the user, not to the machine.
set -euo pipefail

readonly OLDEST_POSTGRES=15
readonly OLDEST_NODE=20

say() { printf 'setup: %s\n' "$*"; }
give_up() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
mode="${1:-}"
case "$mode" in
run | test) [ $# -eq 1 ] || mode='' ;;
*) mode='' ;;
esac
[ -n "$mode" ] || give_up 'usage: infra/setup.sh run|test'

# --- what is there -----------------------------------------------------------------------------------------------------

# Whether a folder holds the programs of a PostgreSQL that is new enough.
is_postgres() {
    local program version
    for program in postgres initdb pg_ctl; do
        [ -x "$1/$program" ] || return 1
    done
    version="$("$1/postgres" --version 2>/dev/null)" || return 1
    [[ $version =~ \(PostgreSQL\)\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge "$OLDEST_POSTGRES" ]
}

# The places in which src/db/embedded/binaries.rs looks.
has_postgres() {
    local dir found
    if [ -n "${LASTMILE_PG_BIN:-}" ]; then
        is_postgres "$LASTMILE_PG_BIN" && return 0
        give_up "LASTMILE_PG_BIN is $LASTMILE_PG_BIN, which holds no PostgreSQL $OLDEST_POSTGRES or newer."
    fi
    if found="$(command -v initdb)" && is_postgres "$(dirname "$found")"; then
        return 0
    fi
    for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
        is_postgres "$dir" && return 0
    done
    return 1
}

has_browser() {
    local name
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        has "$name" && return 0
    done
    [ -x '/Applications/Chromium.app/Contents/MacOS/Chromium' ] ||
        [ -x '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome' ]
}

node_major() {
    local version
    version="$(node --version)"
    version="${version#v}"
    printf '%s' "${version%%.*}"
}

check_rust() {
    local wanted has_version
    wanted="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")"
    has cargo || give_up "Rust is missing. Install it from https://rustup.rs (version $wanted or newer), open a new shell, and run this again."
    has_version="$(cargo --version)"
    has_version="${has_version#cargo }"
    has_version="${has_version%% *}"
    if [ "$(printf '%s\n%s\n' "$wanted" "$has_version" | sort -V | head -n 1)" != "$wanted" ]; then
        give_up "Rust $has_version is older than $wanted. Run: rustup update stable"
    fi
}

check_node() {
    if has node && [ "$(node_major)" -lt "$OLDEST_NODE" ]; then
        give_up "Node.js $(node --version) is too old; $OLDEST_NODE or newer is needed." \
            'Get it from https://nodejs.org/en/download or, on Debian and Ubuntu, https://github.com/nodesource/distributions.'
    fi
}

# --- what is missing ---------------------------------------------------------------------------------------------------

# One word per missing thing; install_with_apt and install_with_brew know the packages.
list_missing() {
    # A server named from outside makes our own unnecessary, for running; the tests always use their own.
    if [ "$mode" = test ] || [ -z "${LASTMILE_DATABASE_URL:-}" ]; then
        has_postgres || missing+=(postgres)
    fi
    has cc || missing+=(compiler)
    has node || missing+=(node)
    has npm || missing+=(npm)
    if [ "$mode" = test ]; then
        has_browser || missing+=(browser)
        { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; } || missing+=(venv)
        has nginx || [ -x /usr/sbin/nginx ] || missing+=(nginx)
        has pebble || missing+=(pebble)
    fi
}

# --- Debian and Ubuntu -------------------------------------------------------------------------------------------------

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        give_up "This needs root and there is no sudo. As root, run: $*"
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

# The major version that apt would install; nothing when it has none.
apt_major() {
    apt-cache policy "$1" | sed -n 's/^  Candidate: \([0-9]*:\)\{0,1\}\([0-9]*\).*/\2/p'
}

needs_major() {
    local package="$1" oldest="$2" advice="$3" candidate
    candidate="$(apt_major "$package")"
    if [ "${candidate:-0}" -lt "$oldest" ]; then
        give_up "apt offers $package ${candidate:-in no version}; $oldest or newer is needed." "$advice"
    fi
}

# Debian's server package makes a cluster and starts it at boot. Nobody asked for that one: it is told not to, for as long
# as this installation lasts.
readonly CLUSTER_SETTINGS=/etc/postgresql-common/createcluster.conf
readonly CLUSTER_SETTINGS_KEPT="$CLUSTER_SETTINGS.before-lastmile"

restore_cluster_settings() {
    if [ -e "$CLUSTER_SETTINGS_KEPT" ]; then
        as_root mv -f "$CLUSTER_SETTINGS_KEPT" "$CLUSTER_SETTINGS"
    fi
}

apt_install_postgres() {
    apt_install postgresql-common
    restore_cluster_settings # of a run that was killed
    as_root cp -p "$CLUSTER_SETTINGS" "$CLUSTER_SETTINGS_KEPT"
    trap restore_cluster_settings EXIT
    printf '\ncreate_main_cluster = false\n' | as_root tee -a "$CLUSTER_SETTINGS" >/dev/null
    apt_install postgresql
    restore_cluster_settings
    trap - EXIT
}

# Debian's package starts a server on port 80, now and at every boot. The tests start their own.
apt_install_nginx() {
    local policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        apt_install nginx-light
    else
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
        apt_install nginx-light
        as_root rm -f "$policy"
        trap - EXIT
    fi
    if has systemctl; then
        as_root systemctl disable --quiet nginx || true
    fi
}

install_with_apt() {
    local thing packages=() postgres=no nginx=no npm=no
    say 'Reading the package lists (apt-get update).'
    as_root apt-get update -q
    for thing in "${missing[@]}"; do
        case "$thing" in
        postgres)
            needs_major postgresql "$OLDEST_POSTGRES" 'See https://www.postgresql.org/download/linux for newer packages.'
            postgres=yes
            ;;
        compiler) packages+=(build-essential) ;;
        node)
            needs_major nodejs "$OLDEST_NODE" 'Get it from https://nodejs.org/en/download or https://github.com/nodesource/distributions.'
            packages+=(nodejs)
            ;;
        npm) npm=yes ;;
        browser)
            # Ubuntu's package is an empty one that fetches a snap; the tests cannot drive that one's browser.
            [ -n "$(apt_major chromium)" ] ||
                give_up 'apt offers no chromium here. Install Chromium or Google Chrome by hand, then run this again.'
            packages+=(chromium)
            ;;
        venv) packages+=(python3-venv) ;;
        nginx) nginx=yes ;;
        pebble) packages+=(pebble) ;;
        esac
    done
    if [ "$postgres" = yes ]; then
        say 'Installing postgresql (its programs only: no cluster is made or started).'
        apt_install_postgres
    fi
    if [ "$nginx" = yes ]; then
        say 'Installing nginx-light (its program only: no server is started).'
        apt_install_nginx
    fi
    if [ ${#packages[@]} -gt 0 ]; then
        say "Installing ${packages[*]}."
        apt_install "${packages[@]}"
    fi
    # After Node.js: packages from elsewhere than Debian bring it along, and refuse Debian's beside them.
    if [ "$npm" = yes ] && ! has npm; then
        say 'Installing npm.'
        apt_install npm
    fi
}

# --- macOS -------------------------------------------------------------------------------------------------------------

install_with_brew() {
    local thing
    has brew || give_up "Homebrew is missing (https://brew.sh); it would install: ${missing[*]}"
    say 'macOS: this way has not been tried on a Mac; please report what goes wrong.'
    for thing in "${missing[@]}"; do
        case "$thing" in
        postgres) brew install postgresql@17 ;;
        compiler) give_up 'The C compiler is missing. Run: xcode-select --install' ;;
        node | npm) brew install node ;;
        browser) brew install --cask google-chrome ;;
        venv) brew install python ;;
        nginx | pebble) brew install "$thing" ;;
        esac
    done
}

# --- the whole ---------------------------------------------------------------------------------------------------------

check_rust
check_node
missing=()
list_missing
[ ${#missing[@]} -gt 0 ] || exit 0

say "Missing for \`make $mode\`: ${missing[*]}"
if has apt-get; then
    install_with_apt
elif [ "$(uname -s)" = Darwin ]; then
    install_with_brew
else
    give_up "Neither apt nor macOS: install these by hand (PostgreSQL $OLDEST_POSTGRES+, Node.js $OLDEST_NODE+): ${missing[*]}"
fi

check_node
missing=()
list_missing
[ ${#missing[@]} -eq 0 ] || give_up "Installed, and still not found: ${missing[*]}"
say 'Everything is there.'
