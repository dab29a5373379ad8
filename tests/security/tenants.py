"""Makes what the scanners look at: two providers, one with a demo in it, an API key and a signed-in browser of its owner.

Writes into the folder: `key`, `cookie` (signed in), `visitor-portal` and `visitor-platform` (not signed in), and `targets`, the addresses for sqlmap.
"""

import http.client
import json
import pathlib
import re
import subprocess
import sys
import urllib.parse

PASSWORD = "lively otter paints 42 fences"

# The id of nothing.
NOBODY = "01890000-0000-7000-8000-000000000000"

# Operations with a query, each with values that it answers. A star marks a place in the path; {customer} is a customer's id, {cursor} the next page's.
QUERIES = [
    "/customers?q=a&status=active&sort=name&limit=5&total=true",
    "/customers?limit=1&cursor={cursor}",
    "/customers?area_id={area}&located=true",
    "/customers/counts?q=a&area_id={area}&located=true",
    "/customers/coordinates?bbox=-180,-90,180,90&q=a&status=active",
    "/customers/{customer}*",
    "/areas?q=a&is_active=true&sort=code&limit=5",
    "/tickets?q=a&status=open&priority=high&category=no_connection&assigned_to=none&sort=due&limit=5",
    "/tickets?customer_id={customer}&overdue=true",
    "/audit-events?q=a&action=created&object_type=customer&from=2020-01-01&to=2040-01-01&limit=5",
    "/payments?method=cash&is_void=false&from=2020-01-01&to=2040-01-01&limit=5&total=true",
    "/payments?customer_id={customer}",
    "/contacts?q=a&tag=a&channel=sms&sort=-created&limit=5",
    "/staff?search=a&is_active=true&limit=5",
    "/subscriptions?q=a&limit=5",
    "/installations?q=a&limit=5",
    "/routers?q=a&limit=5",
    "/suppressions?q=a&limit=5",
    "/templates?q=a&channel=sms&limit=5",
    "/messages?q=a&status=sent&channel=sms&limit=5",
    "/deliveries?channel=sms&address=a&limit=5",
    "/inbound-messages?channel=sms&address=a&limit=5",
]


class At:
    """Requests to a host of the server under test."""

    def __init__(self, port, host, **headers):
        self.port = port
        self.host = f"{host}:{port}"
        self.headers = headers

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {"Host": self.host, **self.headers, **(headers or {})})
        answer = connection.getresponse()
        return answer, answer.read().decode(errors="replace")

    def json(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        answer, said = self.ask(method, path, text, {"Content-Type": "application/json"})
        if not 200 <= answer.status < 300:
            sys.exit(f"tests/security: {method} {path} answered {answer.status}: {said[:500]}")
        return json.loads(said)


def sign_up(port, slug):
    owner = {"name": "Olive Owner", "email": f"owner@{slug}.example", "password": PASSWORD}
    At(port, "localhost").json("POST", "/api/platform/v1/signups", {"company_name": f"Company {slug}", "slug": slug, "owner": owner})
    return owner["email"]


def api_key(port, slug, email):
    at = At(port, f"{slug}.localhost")
    token = at.json("POST", "/api/v1/auth/token", {"email": email, "password": PASSWORD})["access_token"]
    owner = At(port, f"{slug}.localhost", Authorization=f"Bearer {token}")
    # A token lasts ten minutes, a scan longer.
    # It reads alone: what it opens is asked tens of thousands of times.
    rights = [right for group in owner.json("GET", "/api/v1/permissions")["items"] for right in group.get("permissions", [group])]
    scopes = sorted({right["scope"] for right in rights if right["scope"].endswith((".read", ".export"))})
    return owner.json("POST", "/api/v1/api-keys", {"name": "Scanner", "scopes": scopes})["key"]


def cookies_of(answer):
    return dict(line.split(";")[0].split("=", 1) for line in answer.headers.get_all("set-cookie") or [])


def signed_in(port, slug, email):
    at = At(port, f"{slug}.localhost", Origin=f"http://{slug}.localhost:{port}")
    answer, page = at.ask("GET", "/sign-in")
    cookies = cookies_of(answer)
    token = re.search(r'name="_csrf" value="([^"]+)"', page).group(1)
    form = urllib.parse.urlencode({"_csrf": token, "email": email, "password": PASSWORD})
    told = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "; ".join(f"{n}={v}" for n, v in cookies.items())}
    answer, page = at.ask("POST", "/sign-in", form, told)
    if answer.status != 303:
        sys.exit(f"tests/security: signing in answered {answer.status}")
    cookies.update(cookies_of(answer))
    return "; ".join(f"{name}={value}" for name, value in cookies.items() if value)


def visitor(port, host):
    """The cookie of a browser that is not signed in. Forms are bound to it, and without it each page would come with another."""
    answer, _ = At(port, host).ask("GET", "/sign-in" if host != "localhost" else "/signup")
    return "; ".join(f"{name}={value}" for name, value in cookies_of(answer).items())


def value_of(schema, schemas):
    """A value that a parameter takes, as far as the document says."""
    while "$ref" in schema or "allOf" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema["allOf"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return value_of(schema.get("items", {}), schemas)
    known = {"uuid": NOBODY, "date": "2026-01-31", "date-time": "2026-01-31T00:00:00Z"}
    if schema.get("format") in known:
        return known[schema["format"]]
    return {"boolean": "true", "integer": "5", "number": "5"}.get(schema.get("type"), "a")


def everything_else(api, base, document, taken, places):
    """Each operation of the document that reads, has a query and is not spoken of above, with a query that it answers.

    What the document leaves open the refusal tells ("This must be one of ..."). A parameter that is refused all the same is named and left out.
    """
    schemas = document.get("components", {}).get("schemas", {})
    for path, operations in sorted(document["paths"].items()):
        parameters = [one for one in operations.get("get", {}).get("parameters", []) if one["in"] == "query" and one["name"] != "cursor"]
        if not parameters or "{" in path or base + path in taken:
            continue
        query = {one["name"]: value_of(one["schema"], schemas) for one in parameters}
        query |= {name: places[place] for name, place in {"customer_id": "customer", "area_id": "area"}.items() if name in query}
        query |= {"bbox": "-180,-90,180,90"} if "bbox" in query else {}
        nobodys = [name for name, value in query.items() if value == NOBODY]
        for _ in range(8):
            url = f"{base}{path}?{urllib.parse.urlencode(query)}"
            answer, said = api.ask("GET", url)
            if answer.status == 404 and nobodys:
                query.pop(nobodys.pop())
                continue
            if answer.status != 422:
                break
            for wrong in json.loads(said).get("errors", []):
                name = wrong["field"].split("[")[0]
                choices = re.search(r"(?:is one of|must be one of|Sort by) ([\w-]+)|id, or (none)\.", wrong["detail"])
                choice = choices and (choices.group(1) or choices.group(2))
                if choice and query.get(name) != choice:
                    query[name] = choice
                elif query.pop(name, None) is not None:
                    print(f"left out: {name} of {path}: {wrong['detail']}", flush=True)
        if answer.status == 200 and query:
            yield url
        else:
            print(f"left out: {path}: {answer.status}", flush=True)


def targets(port, slug, key):
    api = At(port, f"{slug}.localhost", Authorization=f"Bearer {key}")
    page = api.json("GET", "/api/v1/customers?limit=1")
    places = {
        "cursor": urllib.parse.quote(page["next_cursor"], safe=""),
        "customer": page["items"][0]["id"],
        "area": api.json("GET", "/api/v1/areas?limit=1")["items"][0]["id"],
    }
    paths = ["/api/v1" + query.format(**places) for query in QUERIES]
    refused = []
    for path in paths:
        answer, said = api.ask("GET", path.replace("*", ""))
        if answer.status != 200:
            refused.append(f"tests/security: {path} answered {answer.status}: {said[:500]}")
    if refused:
        sys.exit("\n".join(refused))
    document = api.json("GET", "/api/openapi.json")
    base = urllib.parse.urlsplit(document["servers"][0]["url"]).path.rstrip("/") if document.get("servers") else ""
    paths += everything_else(api, base, document, {path.split("?")[0] for path in paths}, places)
    return [f"http://{slug}.localhost:{port}{path}" for path in paths]


def main():
    port, folder, program = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    email = sign_up(port, "scanned")
    sign_up(port, "neighbour")
    subprocess.run([program, "demo", "--tenant", "scanned", "--customers", "60"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    key = api_key(port, "scanned", email)
    cookie = signed_in(port, "scanned", email)
    (folder / "key").write_text(key)
    (folder / "cookie").write_text(cookie)
    (folder / "visitor-portal").write_text(visitor(port, "scanned.localhost"))
    (folder / "visitor-platform").write_text(visitor(port, "localhost"))
    (folder / "targets").write_text("".join(f"{url}\n" for url in targets(port, "scanned", key)))


if __name__ == "__main__":
    main()
