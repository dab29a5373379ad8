#!/bin/sh
# Writes a copy of this folder with your own names in it.
#
#   nginx/render.sh --base-domain isp.acme.net --upstream 10.0.0.5:8080 --out /etc/nginx/lastmile
#
# Plain sh and sed, so that it runs in the nginx images as well.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
base_domain='' upstream=127.0.0.1:8080 out=''
tls_dir=/etc/lastmile/tls acme_dir=/var/lib/lastmile/acme run_dir=/run/lastmile-nginx
http_port=80 https_port=443 user=www-data ipv6=yes access_log=/dev/stdout error_log=stderr

usage() {
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    cat <<TEXT
Options (with their defaults):
  --base-domain NAME    the domain that portals live under (required)
  --out DIR             where the copy goes (required); nginx -c DIR/nginx.conf
  --upstream HOST:PORT  the program ($upstream); give it again for each further instance
  --tls-dir DIR         DIR/NAME/fullchain.pem and privkey.pem ($tls_dir)
  --acme-dir DIR        web root of http-01 challenges ($acme_dir)
  --run-dir DIR         pid and temporary files ($run_dir)
  --user NAME           user of the workers ($user); empty when nginx does not start as root
  --http-port N, --https-port N
  --no-ipv6             no [::] listeners
  --access-log FILE, --error-log FILE
TEXT
}

upstreams=''
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --no-ipv6) ipv6=no; shift; continue ;;
    esac
    [ $# -ge 2 ] || { echo "render.sh: $1 needs a value" >&2; exit 2; }
    case $1 in
        --base-domain) base_domain=$2 ;;
        --upstream) upstreams="$upstreams $2" ;;
        --out) out=$2 ;;
        --tls-dir) tls_dir=$2 ;;
        --acme-dir) acme_dir=$2 ;;
        --run-dir) run_dir=$2 ;;
        --user) user=$2 ;;
        --http-port) http_port=$2 ;;
        --https-port) https_port=$2 ;;
        --access-log) access_log=$2 ;;
        --error-log) error_log=$2 ;;
        *) echo "render.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
if [ -z "$base_domain" ] || [ -z "$out" ]; then
    usage >&2
    exit 2
fi
case $base_domain in
    *[!a-z0-9.-]* | .* | *. | -*) echo "render.sh: $base_domain is not a lower-case domain name" >&2; exit 2 ;;
esac

servers=''
for each in ${upstreams:-$upstream}; do
    servers="$servers    server $each max_fails=2 fail_timeout=5s;\\
"
done
servers=${servers%??}

mkdir -p "$out/conf.d" "$out/snippets" "$run_dir"
out=$(CDPATH='' cd -- "$out" && pwd)
cd "$here"
for file in nginx.conf conf.d/*.conf snippets/*.conf; do
    sed \
        -e "s|isp\\.example\\.com|$base_domain|g" \
        -e "s|^    server 127\\.0\\.0\\.1:8080 .*|$servers|" \
        -e "s|/etc/lastmile/tls|$tls_dir|g" \
        -e "s|/var/lib/lastmile/acme|$acme_dir|g" \
        -e "s|/etc/nginx/lastmile|$out|g" \
        -e "s|/run/lastmile-nginx|$run_dir|g" \
        -e "s|listen 80\\([; ]\\)|listen $http_port\\1|; s|listen \\[::\\]:80\\([; ]\\)|listen [::]:$http_port\\1|" \
        -e "s|listen 443 |listen $https_port |; s|listen \\[::\\]:443 |listen [::]:$https_port |" \
        -e "s|^access_log /dev/stdout |access_log $access_log |; s|^error_log stderr |error_log $error_log |" \
        "$file" >"$out/$file"
    if [ "$ipv6" = no ]; then
        sed '/listen \[::\]/d' "$out/$file" >"$out/$file.v4" && mv "$out/$file.v4" "$out/$file"
    fi
done
if [ -n "$user" ]; then
    sed "s|^user www-data;|user $user;|" "$out/nginx.conf" >"$out/nginx.conf.new"
else
    sed '/^user /d' "$out/nginx.conf" >"$out/nginx.conf.new"
fi
mv "$out/nginx.conf.new" "$out/nginx.conf"
