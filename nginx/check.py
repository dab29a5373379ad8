"""The checks behind check.sh: a real nginx in front of an upstream that echoes the request it saw."""

import http.server
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
BASE = "isp.test"
CUSTOM = "portal.fibernet.test"


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers with the request line and headers as they arrived; counts what arrives."""

    protocol_version = "HTTP/1.1"
    seen = []

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        Upstream.seen.append(self.path)
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "upgrade")
            self.end_headers()
            self.close_connection = True
            return
        if "/break-off" in self.path:
            self.close_connection = True
            return
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        reply = json.dumps({"method": self.command, "path": self.path, "headers": headers, "body_bytes": len(body), "pad": "x" * 4000})
        reply = reply.encode()
        self.send_response(200)
        is_css = self.path.endswith(".css")
        self.send_header("Content-Type", "text/css" if is_css else "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.send_header("X-Request-ID", "from-the-program")
        self.send_header("Strict-Transport-Security", "max-age=1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply)

    do_GET = do_POST = do_PUT = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate(folder, names):
    folder.mkdir(parents=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={names[0]}", "-addext", "subjectAltName=" + ",".join("DNS:" + name for name in names),
         "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True)
    (folder / "privkey.pem").chmod(0o644)  # read by workers of another user; it lives for seconds


class Front:
    """The running proxy, and ways to speak to it that a well-behaved client library would not allow."""

    def __init__(self, http_port, https_port, tls_dir):
        self.http_port, self.https_port, self.tls_dir = http_port, https_port, tls_dir

    def connect(self, sni):
        plain = socket.create_connection(("127.0.0.1", self.https_port if sni is not None else self.http_port), timeout=10)
        if sni is None:
            return plain
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(plain, server_hostname=sni or None)

    def raw(self, request, sni=f"acme.{BASE}", close_after_head=False):
        """Sends bytes, returns (status, headers, body); (None, {}, b'') when the connection is closed without an answer."""
        with self.connect(sni) as line:
            try:
                line.sendall(request)
            except OSError:
                pass
            data = b""
            while True:
                try:
                    part = line.recv(65536)
                except OSError:
                    break
                if not part:
                    break
                data += part
                if close_after_head and b"\r\n\r\n" in data:
                    break
        if not data:
            return None, {}, b""
        head, _, body = data.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {}
        for row in rest:
            name, _, value = row.partition(":")
            headers.setdefault(name.lower(), []).append(value.strip())
        return int(first.split()[1]), headers, body

    def get(self, path="/", host=f"acme.{BASE}", headers=(), sni=None, method="GET", body=b""):
        rows = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
        if body:
            rows.append(f"Content-Length: {len(body)}")
        return self.raw("\r\n".join(rows).encode() + b"\r\n\r\n" + body, sni=sni or host)


class Checks:
    def __init__(self):
        self.failed = 0
        self.passed = 0

    def that(self, what, good, found=""):
        if good:
            self.passed += 1
            print(f"ok    {what}")
        else:
            self.failed += 1
            print(f"FAIL  {what}: {found}")


def echoed(body):
    """The headers that reached the program, each name to all its values."""
    headers = {}
    for name, value in json.loads(body)["headers"]:
        headers.setdefault(name, []).append(value)
    return headers


def check_headers(front, check):
    status, answer, body = front.get(headers=[
        "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: evil.test",
        "X_Forwarded_For: 203.0.113.8", "Forwarded: for=203.0.113.9;host=evil.test", "X-Real-IP: 203.0.113.9", "True-Client-IP: 203.0.113.9",
        "X-Original-URL: /internal/x", "X-HTTP-Method-Override: DELETE", "Proxy: http://evil.test", "TE: trailers", "Keep-Alive: timeout=99",
        "Upgrade: h2c", "Proxy-Authorization: Basic eA==", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b",
        "X-Tenant-ID: acme", "Cookie: a=b"])
    got = echoed(body)
    check.that("an ordinary request passes", status == 200, status)
    check.that("X-Forwarded-For is overwritten", got.get("x-forwarded-for") == ["127.0.0.1"], got.get("x-forwarded-for"))
    check.that("X-Forwarded-Proto is overwritten", got.get("x-forwarded-proto") == ["https"], got.get("x-forwarded-proto"))
    check.that("X-Forwarded-Host is overwritten", got.get("x-forwarded-host") == [f"acme.{BASE}"], got.get("x-forwarded-host"))
    dropped = ["x_forwarded_for", "forwarded", "x-real-ip", "true-client-ip", "x-original-url", "x-http-method-override", "proxy", "te",
               "keep-alive", "upgrade", "proxy-authorization", "traceparent", "tracestate"]
    check.that("spoofed and hop-by-hop headers are dropped", not set(dropped) & set(got), set(dropped) & set(got))
    check.that("the tenant header and cookies pass", got.get("x-tenant-id") == ["acme"] and got.get("cookie") == ["a=b"], got)
    check.that("HSTS is the proxy's, once", answer.get("strict-transport-security") == ["max-age=63072000; includeSubDomains"], answer)
    got = echoed(front.get("/api/v1/me", host=f"api.{BASE}", headers=["Cookie: a=b"])[2])
    check.that("the API host takes no cookies", "cookie" not in got, got)
    got = echoed(front.raw(f"GET / HTTP/1.1\r\nHost: ACME.{BASE}:8443\r\nConnection: close\r\n\r\n".encode())[2])
    check.that("Host arrives in lower case without port", got.get("host") == [f"acme.{BASE}"], got.get("host"))
    status, answer, _ = front.raw(
        f"GET /ws HTTP/1.1\r\nHost: acme.{BASE}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode(), close_after_head=True)
    check.that("WebSocket upgrades", status == 101 and answer.get("upgrade") == ["websocket"], (status, answer))


def check_hosts(front, check):
    for host in (BASE, f"acme.{BASE}", f"api.{BASE}", CUSTOM):
        status, _, body = front.get(host=host)
        check.that(f"{host} is served", status == 200 and echoed(body)["host"] == [host], status)
    answer = front.get(host=CUSTOM)[1]
    check.that("a custom domain's HSTS leaves its subdomains alone", answer.get("strict-transport-security") == ["max-age=63072000"], answer)

    for name in ("stranger.test", "127.0.0.1.", "localhost", "..", "../isp.test"):
        try:
            found = front.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", sni=name)
        except (ssl.SSLError, ConnectionError, UnicodeError, ValueError) as refusal:
            found = refusal
        check.that(f"no handshake for {name!r}", not isinstance(found, tuple), found)
    try:
        found = front.raw(f"GET / HTTP/1.1\r\nHost: acme.{BASE}\r\n\r\n".encode(), sni="")
    except (ssl.SSLError, ConnectionError) as refusal:
        found = refusal
    check.that("no handshake without a name", not isinstance(found, tuple), found)

    late = "late.fibernet.test"
    certificate(front.tls_dir / late, [late])
    found = front.get(host=late)
    check.that("a certificate laid down later is served without a reload", found[0] == 200, found)

    found = front.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    check.that("an unknown Host on a good connection is closed unanswered", found[0] is None, found)
    found = front.get(host=CUSTOM, sni=f"acme.{BASE}")
    check.that("a custom Host on a portal's connection is 421", found[0] == 421, found)
    found = front.get(host=f"acme.{BASE}", sni=CUSTOM)
    check.that("a portal Host on a custom connection is 421", found[0] == 421, found)
    found = front.get(host=f"other.{BASE}", sni=f"acme.{BASE}")
    check.that("sibling portals may share a connection", found[0] == 200, found[0])
    two = f"GET / HTTP/1.1\r\nHost: acme.{BASE}\r\nHost: other.{BASE}\r\nConnection: close\r\n\r\n".encode()
    before = len(Upstream.seen)
    found = front.raw(two)
    check.that("two Host headers are 400", found[0] == 400 and len(Upstream.seen) == before, found)
    found = front.raw(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    check.that("no Host header is 400", found[0] == 400, found)
    long = "a" * 300 + f".{BASE}"
    found = front.raw(f"GET / HTTP/1.1\r\nHost: {long}\r\nConnection: close\r\n\r\n".encode())
    check.that("a Host of 300 characters does not break anything", found[0] in (200, 400, None), found)


def check_plain(front, check):
    ask = lambda host, path="/": front.raw(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode(), sni=None)
    status, answer, _ = ask(f"acme.{BASE}", "/a?b=c")
    check.that("http becomes https", status == 308 and answer.get("location") == [f"https://acme.{BASE}/a?b=c"], (status, answer))
    check.that("http to a custom domain becomes https", ask(CUSTOM)[0] == 308, ask(CUSTOM))
    check.that("http to an unknown name is closed unanswered", ask("stranger.test")[0] is None, ask("stranger.test"))
    check.that("http to an address is closed unanswered", ask("127.0.0.1")[0] is None, ask("127.0.0.1"))
    check.that("http without a Host is closed unanswered", front.raw(b"GET / HTTP/1.0\r\n\r\n", sni=None)[0] is None)
    check.that("http to the API is refused, not redirected", ask(f"api.{BASE}")[0] == 403, ask(f"api.{BASE}"))
    found = ask(CUSTOM, "/.well-known/acme-challenge/token")
    check.that("an ACME challenge is answered over http", found[0] == 200 and found[2] == b"token.thumbprint", found)
    status, answer, body = ask(CUSTOM, "/.well-known/acme-challenge/of-the-program")
    check.that("a challenge without a file is the program's", status == 200 and json.loads(body)["path"] == "/.well-known/acme-challenge/of-the-program"
               and "strict-transport-security" not in answer, (status, answer))
    check.that("nothing else of the program is served over http", ask(CUSTOM, "/.well-known/jwks.json")[0] == 308)
    found = ask(CUSTOM, "/.well-known/acme-challenge/../../../secret")
    check.that("nothing beside the challenges is", found[0] != 200, found)


def check_paths(front, check):
    for path in ("/internal", "/internal/tls-allowed?domain=a.b", "//internal/tls-allowed", "/%69nternal/tls-allowed", "/x/../internal/tls-allowed",
                 "/./internal/tls-allowed", "/internal%2Ftls-allowed", "/metrics", "/metrics/", "/%6detrics"):
        for host in (BASE, f"acme.{BASE}", f"api.{BASE}", CUSTOM):
            before = len(Upstream.seen)
            status = front.get(path, host=host)[0]
            check.that(f"{host}{path} is refused here", status == 404 and len(Upstream.seen) == before, status)
    for path in ("/internals", "/metricsx", "/livez"):
        check.that(f"{path} passes", front.get(path)[0] == 200)
    _, answer, _ = front.get("/static/app.css", headers=["Accept-Encoding: gzip"])
    check.that("static files are compressed", answer.get("content-encoding") == ["gzip"], answer)
    _, answer, _ = front.get("/customers", headers=["Accept-Encoding: gzip"])
    check.that("pages are not", "content-encoding" not in answer, answer)


def check_bodies(front, check):
    mega = 1024 * 1024
    for path, size, expected in (
        ("/customers", mega - 1000, 200), ("/customers", mega + 1, 413), ("/api/v1/customers", mega + 1, 413),
        ("/customers/import", 25 * mega, 200), ("/customers/import", 25 * mega + 1, 413), ("/api/v1/customers/imports", 20 * mega, 200),
        ("/customers/importer", 2 * mega, 413), ("/settings/branding/logo", 5 * mega, 200), ("/settings/branding/logo", 6 * mega, 413),
        ("/api/v1/branding/logo", 5 * mega, 200),
    ):
        status, answer, body = front.get(path, method="POST", body=b"x" * size)
        check.that(f"POST {path} of {size} bytes is {expected}", status == expected, (status, body[:200]))
        if status == 413 and path.startswith("/api"):
            problem = json.loads(body)
            check.that("and says so as a problem", answer.get("content-type") == ["application/problem+json"] and problem["status"] == 413
                       and problem["code"] == "too_large" and problem["request_id"], (answer, body))
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    request = f"POST /customers HTTP/1.1\r\nHost: acme.{BASE}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    found = front.raw(request + chunk * 20 + b"0\r\n\r\n")
    check.that("a chunked body over the limit is 413", found[0] == 413, found)
    smuggled = f"POST / HTTP/1.1\r\nHost: acme.{BASE}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: acme.{BASE}\r\n\r\n"
    found = front.raw(smuggled.encode())
    check.that("Content-Length beside Transfer-Encoding smuggles nothing", "/smuggled" not in Upstream.seen, found)


def check_failures(front, check):
    before = len(Upstream.seen)
    status, answer, body = front.get("/api/break-off", method="POST", body=b"{}")
    check.that("a POST that broke off is 502 and was sent once", status == 502 and len(Upstream.seen) == before + 1, (status, Upstream.seen[before:]))
    check.that("as a problem with Retry-After", json.loads(body)["code"] == "unavailable" and answer.get("retry-after") == ["2"], (answer, body))
    before = len(Upstream.seen)
    status = front.get("/break-off?once=1")[0]
    check.that("a GET that broke off is 502 in html", status == 502, status)


def check_h2(front, check):
    if "HTTP2" not in subprocess.run(["curl", "-V"], capture_output=True, text=True, check=False).stdout:
        print("skip  HTTP/2: no curl with HTTP/2 here")
        return
    run = lambda *extra: subprocess.run(
        ["curl", "-sk", "--http2", "--resolve", f"acme.{BASE}:{front.https_port}:127.0.0.1", "-w", "\n%{http_version} %{http_code}", *extra],
        capture_output=True, text=True, check=False).stdout
    out = run(f"https://acme.{BASE}:{front.https_port}/", "-H", "X-Forwarded-For: 203.0.113.9")
    check.that("HTTP/2 is spoken", out.endswith("\n2 200"), out[-200:])
    got = echoed(out.rpartition("\n")[0])
    check.that("and its headers are cleaned too", got.get("x-forwarded-for") == ["127.0.0.1"] and got.get("host") == [f"acme.{BASE}"], got)
    out = run(f"https://acme.{BASE}:{front.https_port}/internal/x")
    check.that("and /internal is refused", out.endswith("\n2 404"), out[-200:])


def check_rate(front, check):
    statuses = [front.get("/api/v1/auth/token", method="POST", body=b"{}")[0] for _ in range(40)]
    check.that("guessing is slowed down with 429", 429 in statuses and statuses[0] == 200, statuses)
    check.that("reading is not", front.get("/api/v1/me")[0] == 200)


def check_log(path, check):
    code = "S3cretCode" * 5
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    text = path.read_text()
    check.that("every log line is JSON", len(rows) > 50, len(rows))
    check.that("no query and no code is logged", "tls-allowed?" not in text and "b=c" not in text and code not in text and "referrer-secret" not in text)
    masked = [row for row in rows if row["path"] == "/reset/***"]
    check.that("a code in a path is masked", len(masked) == 1, [row["path"] for row in rows[-5:]])
    check.that("the program's request id is there", any(row["request_id"] == "from-the-program" for row in rows))
    uuid = "/customers/0190d6b2-7c1e-7d43-9f7e-0123456789ab"
    check.that("an id in a path is kept", any(row["path"] == uuid for row in rows))


def run_nginx(top, front, upstream_port):
    """Renders, tests and starts; returns the process."""
    conf = top / "conf"
    subprocess.run(
        [HERE / "render.sh", "--base-domain", BASE, "--upstream", f"127.0.0.1:{upstream_port}", "--out", conf, "--tls-dir", top / "tls",
         "--acme-dir", top / "acme", "--run-dir", top / "run", "--http-port", str(front.http_port), "--https-port", str(front.https_port),
         "--access-log", top / "access.log", "--error-log", top / "error.log",
         "--user", "www-data" if os.geteuid() == 0 else "", *([] if socket.has_ipv6 and has_ipv6() else ["--no-ipv6"])],
        check=True)
    command = ["nginx", "-p", str(top), "-c", str(conf / "nginx.conf")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    print(tested.stderr.strip())
    if tested.returncode != 0 or "[warn]" in tested.stderr:
        sys.exit("nginx -t is not content")
    process = subprocess.Popen([*command, "-g", "daemon off;"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            front.connect(None).close()
            return process
        except OSError:
            if process.poll() is not None:
                break
    process.kill()
    sys.exit("nginx did not start: " + (top / "error.log").read_text())


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


def lay_files(top):
    top.chmod(0o755)
    certificate(top / "tls" / BASE, [BASE, f"*.{BASE}"])
    certificate(top / "tls" / CUSTOM, [CUSTOM])
    challenge = top / "acme" / ".well-known" / "acme-challenge"
    challenge.mkdir(parents=True)
    (challenge / "token").write_text("token.thumbprint")
    (top / "secret").write_text("secret")


def walk(top, check):
    """Starts everything, sends everything, stops everything."""
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    upstream.daemon_threads = True
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    front = Front(free_port(), free_port(), top / "tls")
    process = run_nginx(top, front, upstream.server_address[1])
    try:
        check_headers(front, check)
        check_hosts(front, check)
        check_plain(front, check)
        check_paths(front, check)
        check_bodies(front, check)
        check_h2(front, check)
        front.get("/reset/" + "S3cretCode" * 5, headers=["Referer: https://a.test/?referrer-secret"])
        front.get("/customers/0190d6b2-7c1e-7d43-9f7e-0123456789ab?code=referrer-secret")
        check_rate(front, check)
        check_failures(front, check)
    finally:
        process.terminate()
        process.wait(timeout=40)
        upstream.shutdown()
    check_log(top / "access.log", check)
    errors = (top / "error.log").read_text()
    check.that("the error log has no request line", "request:" not in errors, errors[-500:])


def main():
    top = pathlib.Path(tempfile.mkdtemp(prefix="lastmile-nginx-"))
    check = Checks()
    try:
        lay_files(top)
        walk(top, check)
    finally:
        shutil.rmtree(top)
    print(f"{check.passed} passed, {check.failed} failed")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
