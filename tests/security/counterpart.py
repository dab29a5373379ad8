"""What the scanners are tried on before they look at Lastmile, and where a server calls that can be made to call.

It has a hole of each kind: SQL put together from a parameter, a parameter written into a page, and an address that is fetched.
Everything that it is asked below /ssrf/ is told at /get_ssrf.php, in the words that wapiti asks for.
"""

import datetime
import json
import sqlite3
import sys
import urllib.request
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PEOPLE = ["Ada", "Abel", "Grace", "Barbara", "Edsger"]
PAGE = """<!doctype html><title>Holes</title>
<a href="/search?q=a">search</a> <a href="/hello?name=you">hello</a> <a href="/fetch?url=http://localhost/">fetch</a>"""

calls = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))


def found(q):
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE person (name text)")
    base.executemany("INSERT INTO person VALUES (?)", [(name,) for name in PEOPLE])
    return [row[0] for row in base.execute(f"SELECT name FROM person WHERE name LIKE '%{q}%'")]


def fetched(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read(1000).decode(errors="replace")
    except (OSError, ValueError):
        return ""


class Holes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        status, kind, body = 200, "text/html; charset=utf-8", PAGE
        if parts.path == "/search":
            try:
                body = "".join(f"<li>{name}</li>" for name in found(asked.get("q", "")))
            except sqlite3.Error as error:
                status, body = 500, f"sqlite3.OperationalError: {error}"
        elif parts.path == "/hello":
            body = f"<p>Hello {asked.get('name', '')}</p>"
        elif parts.path == "/fetch":
            kind, body = "text/plain", fetched(asked.get("url", ""))
        elif parts.path.startswith("/ssrf/"):
            self.remember(parts.path.split("/"))
            kind, body = "text/plain", "heard"
        elif parts.path == "/get_ssrf.php":
            kind, body = "application/json", json.dumps(calls.get(asked.get("session_id", ""), {}))
        self.answer(status, kind, body.encode())

    do_POST = do_GET

    def remember(self, parts):
        if len(parts) < 5:
            return
        session, request, parameter = parts[2:5]
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        call = {"url": self.path, "date": now, "ip": self.client_address[0], "method": self.command, "size": 0}
        calls[session][request][parameter].append(call)

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Holes)
    print("ready", flush=True)
    server.serve_forever()
