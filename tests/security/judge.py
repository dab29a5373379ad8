"""Reads what the scanners and the server said.

  must-find TOOL REPORT          fails unless the counterpart's holes are in the report
  still URL HEADER               fails unless the credential still opens the page
  findings EXPLAINED OUTPUT TOOL...  writes OUTPUT/findings.txt and fails on a finding that is not explained
"""

import csv
import http.client
import json
import pathlib
import re
import sys
from urllib.parse import urlsplit

HOLES = {"sqlmap": {"q"}, "wapiti": {"xss", "sql", "ssrf"}}


def of_sqlmap(report):
    """(kind, what) of each parameter that sqlmap holds for injectable. It writes no report where it found nothing."""
    if not report.exists():
        return
    with report.open(newline="") as lines:
        for row in csv.DictReader(lines):
            if row.get("Technique(s)"):
                path = urlsplit(row["Target URL"]).path
                yield "injection", f"{row['Place']} {path} ({row['Parameter']}) {row['Technique(s)']} {row.get('Note(s)', '')}".strip()


def of_wapiti(report):
    """(module, what) of whatever wapiti calls a vulnerability or an anomaly."""
    told = json.loads(report.read_text())
    for part in ("vulnerabilities", "anomalies"):
        for kind, found in told[part].items():
            for one in found:
                where = f"{one['method']} {one['path']} ({one['parameter'] or ''})"
                yield one.get("module") or kind, f"{where} {kind}: {' '.join(one['info'].split())}"


def of_server(metrics_before, metrics_after):
    """How often each status was answered between the two, and where the server failed."""
    line = re.compile(r'lastmile_http_requests_total\{(?P<labels>.*)\} (?P<count>\d+)')
    def read(path):
        return {m["labels"]: int(m["count"]) for m in line.finditer(path.read_text())}
    before = read(metrics_before)
    statuses, failed = {}, []
    for labels, count in read(metrics_after).items():
        count -= before.get(labels, 0)
        known = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        status = known["status"]
        if count:
            statuses[status] = statuses.get(status, 0) + count
        if count and status >= "500":
            failed.append(("failure", f"{known['method']} {known['route']} answered {status} ({count} times)"))
    return statuses, failed


def explanations(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            parts = [part.strip() for part in line.split(" | ")]
            if len(parts) != 4 or not all(parts):
                sys.exit(f"{path.name}:{number}: tool | kind | pattern | reason")
            yield parts


def must_find(tool, report):
    if tool == "sqlmap":
        found = {q for q in HOLES[tool] for _, what in of_sqlmap(report) if f"({q})" in what}
    else:
        found = {kind for kind, _ in of_wapiti(report)}
    missed = HOLES[tool] - found
    if missed:
        sys.exit(f"tests/security: {tool} did not find the counterpart's holes: {', '.join(sorted(missed))}")


def still(url, header):
    parts = urlsplit(url)
    name, value = header.split(": ", 1)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=60)
    connection.request("GET", parts.path, headers={"Host": parts.netloc, name: value})
    status = connection.getresponse().status
    if status != 200:
        sys.exit(f"tests/security: {parts.path} answers {status} after the scan: the credential was lost on the way, and the scan looked at less")


def of_scan(tool, output, told):
    """What a tool found; how much it looked at is told."""
    if tool == "headers":
        report = json.loads((output / "headers.json").read_text())
        told.append(f"headers: {report['asked']} answers looked at")
        return [tuple(one) for one in report["found"]]
    statuses, found = of_server(output / f"{tool}-before.metrics", output / f"{tool}-after.metrics")
    told.append(f"{tool}: {sum(statuses.values())} requests; " + ", ".join(f"{n} x {status}" for status, n in sorted(statuses.items())))
    if tool == "sqlmap":
        said = (output / "sqlmap.log").read_text(errors="replace")
        parameters = len(re.findall(r"testing for SQL injection on \w+ parameter", said))
        told.append(f"sqlmap: {len(re.findall(r'testing URL', said))} addresses, {parameters} parameters")
        return found + list(of_sqlmap(output / "sqlmap.csv"))
    for report in sorted(output.glob("wapiti-p*.json")):
        pages = json.loads(report.read_text())["infos"].get("crawled_pages_nbr")
        told.append(f"{report.stem}: {pages} addresses and forms")
        found += of_wapiti(report)
    return found


def findings(explained, output, tools):
    known = list(explanations(explained))
    used, open_ones, told = set(), [], []
    for tool in tools:
        found = of_scan(tool, output, told)
        for kind, what in dict.fromkeys(found):
            why = next((i for i, (t, k, pattern, _) in enumerate(known) if t == tool and k == kind and re.search(pattern, what)), None)
            if why is None:
                open_ones.append(f"{tool} {kind}: {what}")
            else:
                used.add(why)
                told.append(f"explained: {tool} {kind}: {what}\n    {known[why][3]}")
    for i, (tool, kind, pattern, _) in enumerate(known):
        if tool in tools and i not in used:
            told.append(f"explains nothing any more: {tool} | {kind} | {pattern}")
    told += [f"FINDING {one}" for one in open_ones]
    told.append(f"{len(open_ones)} findings that nobody explained")
    text = "\n".join(told) + "\n"
    (output / "findings.txt").write_text(text)
    sys.stdout.write(text)
    sys.exit(1 if open_ones else 0)


def main():
    what, *args = sys.argv[1:]
    if what == "must-find":
        must_find(args[0], pathlib.Path(args[1]))
    elif what == "still":
        still(*args)
    else:
        findings(pathlib.Path(args[0]), pathlib.Path(args[1]), args[2:])


if __name__ == "__main__":
    main()
