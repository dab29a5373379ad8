"""Asks every route of the registry that reads, signed in and not, at every door, and holds the headers of each answer against what a browser is to be told.

Writes what is missing to the file that is named: a list of [kind, what], as judge.py reads it.
"""

import json
import pathlib
import re
import subprocess
import sys

from tenants import NOBODY, At

EVERYWHERE = {
    "content-security-policy": re.compile(r"default-src|frame-ancestors 'none'"),
    "x-content-type-options": re.compile(r"^nosniff$"),
    "x-frame-options": re.compile(r"^DENY$"),
    "referrer-policy": re.compile(r"^(same-origin|strict-origin|no-referrer)$"),
    "cross-origin-opener-policy": re.compile(r"^same-origin$"),
    "permissions-policy": re.compile(r"camera=\(\)"),
}
# What a policy must say, and must not.
POLICY = ("default-src", "frame-ancestors 'none'", "object-src 'none'", "base-uri", "form-action")
LOOSE = {"'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'", "*", "http:", "https:", "data:"}


def filled(path):
    """The path with an id that nothing has in every place that takes one."""
    return re.sub(r"(:\w+|\*\w+|\{\w+\}|<[^>]*>)", NOBODY, path)


def wrong(answer, is_open):
    told = {name.lower(): value for name, value in answer.getheaders()}
    for name, pattern in EVERYWHERE.items():
        if not pattern.search(told.get(name, "")):
            yield f"{name}: {told.get(name, 'missing')}"
    policy = told.get("content-security-policy", "")
    for part in POLICY:
        # What nothing else is said of falls under default-src.
        if part not in policy and not (part == "object-src 'none'" and "default-src 'none'" in policy):
            yield f"content-security-policy without {part}: {policy}"
    for name, *values in (directive.split() for directive in policy.split(";") if directive.strip()):
        # Pictures come from map servers, and small ones and fonts stand in the page or the style sheet itself; neither runs.
        if name not in ("img-src", "font-src") and LOOSE.intersection(values):
            yield f"content-security-policy with {name} {' '.join(values)}"
    if not is_open and answer.status == 200 and "no-store" not in told.get("cache-control", ""):
        yield f"cache-control: {told.get('cache-control', 'missing')}"


def main():
    port, folder, program, report = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
    key, cookie = (folder / "key").read_text(), (folder / "cookie").read_text()
    routes = json.loads(subprocess.run([program, "routes"], cwd=folder, check=True, capture_output=True, text=True).stdout)
    portal = f"scanned.localhost:{port}"
    callers = {
        "nobody": At(port, "scanned.localhost"),
        "owner": At(port, "scanned.localhost", Cookie=cookie),
        "key": At(port, "scanned.localhost", Authorization=f"Bearer {key}"),
    }
    platform = At(port, "localhost")
    found, asked = [], 0
    for route in routes:
        # What streams has no end, and signing out by GET is not there.
        if route["method"] != "GET" or route["path"] in ("/ws", "/events"):
            continue
        is_open = isinstance(route["authority"], dict) and "anyone" in route["authority"] or route["authority"] == "loopback"
        at = {"nobody": platform} if route["surface"] == "platform" else callers
        for who, caller in at.items():
            answer, _ = caller.ask("GET", filled(route["path"]))
            asked += 1
            found += [("headers", f"GET {route['path']} ({who}) {answer.status} {what}") for what in wrong(answer, is_open)]
    # What is no route, no method of one, and no host.
    refused = [
        (callers["nobody"], "GET", "/no/such/page"),
        (callers["owner"], "DELETE", "/customers"),
        (callers["key"], "GET", "/api/v1/nothing"),
        (At(port, "nobody-here.localhost"), "GET", "/"),
        (platform, "GET", "/no/such/page"),
    ]
    for caller, method, path in refused:
        answer, _ = caller.ask(method, path)
        asked += 1
        found += [("headers", f"{method} {path} ({caller.host.replace(portal, 'portal')}) {answer.status} {what}") for what in wrong(answer, True)]
    report.write_text(json.dumps({"asked": asked, "found": found}, indent=1))


if __name__ == "__main__":
    main()
