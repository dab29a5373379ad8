"""The parts of lint.sh that need more than a command line: data files, the compose file, the Helm chart, the dashboard."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

INFRA = pathlib.Path(__file__).resolve().parent
ROOT = INFRA.parent


def data():
    """Files that only machines read parse."""
    try:
        import tomllib
    except ImportError:  # Python 3.10
        tomllib = None
    for path in (*sorted(INFRA.glob("monitoring/grafana-*.json")), INFRA / "helm/lastmile/values.schema.json"):
        json.loads(path.read_text())
    if tomllib:
        tomllib.loads((ROOT / "deny.toml").read_text())
    return []


def compose():
    """The compose specification knows every key, and what the file refers to exists."""
    import compose_spec
    import yaml

    text = (INFRA / "compose.yaml").read_text()
    document = yaml.safe_load(text)
    wrong = []
    try:
        # As JSON, in which the merge keys are already resolved.
        compose_spec.PyCompose.from_json(json.dumps(document)).validate()
    except Exception as error:  # whatever the library says is the finding
        wrong.append(str(error))
    services = document["services"]
    for name, service in services.items():
        if not re.search(r":[0-9]+(\.[0-9]+)*[^:]*$", service["image"]):
            wrong.append(f"{name}: image {service['image']} has no pinned version")
        for secret in service.get("secrets", []):
            if secret not in document["secrets"]:
                wrong.append(f"{name}: no secret {secret}")
        for network in service.get("networks", []):
            if network not in document["networks"]:
                wrong.append(f"{name}: no network {network}")
        for needed in service.get("depends_on", []):
            if needed not in services:
                wrong.append(f"{name}: no service {needed}")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                # Certificates are laid down by who deploys.
                if source != "./tls" and not (INFRA / source).exists():
                    wrong.append(f"{name}: {source} is missing")
            elif source not in document["volumes"]:
                wrong.append(f"{name}: no volume {source}")
        for key, value in service.get("environment", {}).items():
            if re.search(r"(PASSWORD|TOKEN|DATABASE__URL|MAIL__URL)$", key):
                wrong.append(f"{name}: {key} stands in the file; use {key}_FILE")
    return wrong


HELM_CASES = {
    "as it comes": {},
    "vault": {"secrets": {"kind": "vault", "vault": {"address": "https://vault.example.net:8200"}}},
    "everything switched on": {
        "publicPort": 8443,
        "image": {"digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "registry"}],
        "secrets": {"aws": {"region": "eu-central-1", "endpoint": "http://aws.local"}},
        "otlp": {"endpoint": "http://otel:4317"},
        "extraSettings": {"LASTMILE_DATABASE__WAIT_MS": "9000"},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/lastmile"}},
        "service": {"annotations": {"a": "b"}},
        "ingress": {"customDomains": [{"host": "portal.fibernet.example", "secretName": "portal-fibernet-tls"}]},
        "autoscaling": {"enabled": True},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "podAnnotations": {"a": "b"},
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    },
    "everything switched off": {
        "ingress": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
    },
}

HELM_REFUSED = {
    "a key file in each pod": {"secrets": {"kind": "file"}},
    "vault without address": {"secrets": {"kind": "vault"}},
    "a setting nobody knows": {"basedomain": "isp.example.com"},
    "half a digest": {"image": {"digest": "sha256:12"}},
    "an address where a network belongs": {"trustedProxies": ["10.0.0.1"]},
    "a setting of another program": {"extraSettings": {"PATH": "/tmp"}},
}

# Kinds of operators that a cluster may not have; their schemas are not Kubernetes' own.
FOREIGN_KINDS = {"ServiceMonitor"}


def pod_findings(where, pod):
    """What no schema asks for, and we do."""
    security = pod.get("securityContext", {})
    if not security.get("runAsNonRoot") or security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{where}: the pod may run as root or without seccomp"
    if pod.get("automountServiceAccountToken") is not False:
        yield f"{where}: the pod gets a token of the cluster"
    mounted = {volume["name"] for volume in pod["volumes"]}
    for container in pod["containers"]:
        own = container["securityContext"]
        if own["allowPrivilegeEscalation"] or not own["readOnlyRootFilesystem"] or own["capabilities"]["drop"] != ["ALL"]:
            yield f"{where}: container {container['name']} has more rights than it needs"
        if "memory" not in container["resources"]["limits"]:
            yield f"{where}: container {container['name']} has no memory limit"
        for mount in container["volumeMounts"]:
            if mount["name"] not in mounted:
                yield f"{where}: no volume {mount['name']}"


def chart_findings(case, manifests):
    import kubernetes_validate
    import yaml

    documents = []
    for path, text in manifests.items():
        if path.endswith("NOTES.txt"):
            continue
        documents += [(f"{case}: {path}", document) for document in yaml.safe_load_all(text) if document]
    for where, document in documents:
        if document["kind"] not in FOREIGN_KINDS:
            try:
                kubernetes_validate.validate(document, "1.30", strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                # The whole object is in the rest of the text.
                yield f"{where}: {getattr(error, 'message', str(error).splitlines()[0])}"
        template = document.get("spec", {}).get("template")
        if template:
            yield from pod_findings(where, template["spec"])
    named = {(document["kind"], document["metadata"]["name"]) for _, document in documents}
    if len(named) != len(documents):
        yield f"{case}: two objects of one kind share a name"
    selected = [document for _, document in documents if document["kind"] == "Service"]
    pods = [document["spec"]["template"]["metadata"]["labels"] for _, document in documents if document["kind"] == "Deployment"]
    for service in selected:
        if not any(service["spec"]["selector"].items() <= labels.items() for labels in pods):
            yield f"{case}: service {service['metadata']['name']} selects no pod"


def helm():
    """Rendered by Helm's own engine with several sets of values; every object is valid for Kubernetes 1.30."""
    import helm_python

    chart_dir = str(INFRA / "helm/lastmile")
    report = helm_python.lint(chart_dir)
    wrong = [str(error) for error in report["errors"]]
    wrong += [str(said) for said in report["messages"] if said["severity"] > 1]
    with helm_python.Chart.load(chart_dir) as chart:
        for case, values in HELM_CASES.items():
            chart.validate_schema(chart.merge_values(values))
            wrong += chart_findings(case, chart.render(values, name="lm", namespace="prod"))
        for case, values in HELM_REFUSED.items():
            try:
                chart.validate_schema(chart.merge_values(values))
                wrong.append(f"{case} is not refused")
            except helm_python.HelmError:
                pass
    return wrong


def dashboard():
    """Every query of the dashboards is PromQL. That the program has these metrics is a test of its own."""
    boards = [json.loads(path.read_text()) for path in sorted(INFRA.glob("monitoring/grafana-*.json"))]
    queries = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    wrong = []
    rules = [{"record": f"dashboard:query:{n}", "expr": query.replace("$__rate_interval", "5m").replace("$job", "lastmile")}
             for n, query in enumerate(queries)]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        done = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        wrong.append(done.stdout + done.stderr)
    return wrong


if __name__ == "__main__":
    found = {"data": data, "compose": compose, "helm": helm, "dashboard": dashboard}[sys.argv[1]]()
    for line in found:
        print(f"      {line}")
    sys.exit(1 if found else 0)
