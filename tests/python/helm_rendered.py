"""Judges what helm has rendered: Kubernetes' own schemas, what must hold whatever the values are, and what belongs together.

    python helm_rendered.py REPOSITORY DIRECTORY < RENDERED

Writes the configuration and the policies to DIRECTORY, as the pod would have them, for the program itself to judge.
"""

import pathlib
import re
import sys
import tomllib
import urllib.parse

import kubernetes_validate
import yaml

repository, directory = map(pathlib.Path, sys.argv[1:])
defaults = tomllib.loads((repository / "src/config/config.default.toml").read_text())
documents = [document for document in yaml.safe_load_all(sys.stdin) if document]
# The oldest that the chart names, and the newest that there is a schema of.
VERSIONS = ("1.30", "1.37")
# What is not Kubernetes' own has no schema here: every field that the chart writes, from their documentation.
FOREIGN = {
    ("cert-manager.io/v1", "Certificate"): {
        "secretName", "issuerRef", "dnsNames", "usages", "duration", "renewBefore", "privateKey",
    },
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {"selector", "endpoints"},
}


def only(values):
    values = list(values)
    assert len(values) == 1, values
    return values[0]


def of_kind(kind, name=None):
    found = [one for one in documents if one["kind"] == kind and name in (None, one["metadata"]["name"])]
    return only(found)


def has(kind):
    return any(one["kind"] == kind for one in documents)


def within(part, whole):
    return all(whole.get(key) == value for key, value in part.items())


for document in documents:
    kind = (document["apiVersion"], document["kind"])
    if kind in FOREIGN:
        assert set(document["spec"]) <= FOREIGN[kind], document["spec"]
        continue
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)
names = [(one["kind"], one["metadata"]["name"]) for one in documents]
assert len(names) == len(set(names)), names
assert all(one["metadata"]["namespace"] == "iam" for one in documents)

# The pod: nothing that the proxy does not need, whatever the values are.
deployment = of_kind("Deployment")
template = deployment["spec"]["template"]
pod = template["spec"]
assert pod["automountServiceAccountToken"] is False
assert pod["securityContext"] == {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
containers = pod["containers"] + pod.get("initContainers", [])
for container in containers:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }, container["name"]
    assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]
assert all(set(volume) <= {"name", "configMap", "secret", "csi", "emptyDir"} for volume in pod["volumes"])
proxy = only(pod["containers"])
mounts = {mount["mountPath"]: mount for mount in proxy["volumeMounts"]}
assert all(mount["readOnly"] for mount in mounts.values())
mounted = {mount["name"] for container in containers for mount in container["volumeMounts"]}
assert mounted == {volume["name"] for volume in pod["volumes"]}
environment = {one["name"]: one.get("value") for one in proxy["env"]}
assert environment["AWS_EC2_METADATA_DISABLED"] == "true", "the node's role is nobody's business"
assert not any("SECRET" in name or "ACCESS_KEY" in name for name in environment)

# The configuration that the pod starts with.
config_map = of_kind("ConfigMap", deployment["metadata"]["name"])
text = config_map["data"]["idp-proxy.toml"]
config = tomllib.loads(text)
assert proxy["args"] == ["serve", "--config", "/etc/idp-proxy/config/idp-proxy.toml"]
for path in [config["policy"]["directory"], *config["server"].get("tls", {}).values(), config["audit"].get("fingerprint_key_file")]:
    assert path is None or any(path == mount or path.startswith(mount + "/") for mount in mounts), path
for issuer in config["identity"].get("jwt", []):
    assert "jwks_url" in issuer or str(pathlib.Path(issuer["jwks_file"]).parent) in mounts, issuer
assert config["audit"]["sink"] == "stdout"

# Probes: gRPC, but the kubelet speaks no TLS there, and Linkerd does not let them in without an identity (linkerd2's issue 9595).
header = config["identity"].get("mesh", {}).get("header")
ports = {port["name"]: port["containerPort"] for port in proxy["ports"]}
assert config["server"]["listen"] == f"0.0.0.0:{ports['grpc']}"
assert config["server"]["admin_listen"] == (f"0.0.0.0:{ports['admin']}" if "admin" in ports else "off")
for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
    if "tls" in config["server"] or header == "l5d-client-id":
        assert proxy[probe]["httpGet"]["port"] == "admin" and "admin" in ports
    else:
        assert proxy[probe]["grpc"] == {"port": ports["grpc"]}
assert proxy["livenessProbe"].get("httpGet", {}).get("path") != "/readyz", "a pod that drains is not to be killed"

# Time to end: not called any more, calls in flight, the audit's last lines and the last spans, and a second at least.
delay, drain = (config["server"].get(key, defaults["server"][key]) / 1000 for key in ("drain_delay_ms", "drain_max_ms"))
hook = proxy.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
assert pod["terminationGracePeriodSeconds"] >= hook + delay + drain + 5 + 1, "a write is killed in the middle"
# What tests/it/chaos/restart.rs shows it with: without it a rolling update fails calls.
rolled = re.search(r'"IDP_PROXY__SERVER__DRAIN_DELAY_MS", "(\d+)"', (repository / "tests/it/chaos/restart.rs").read_text())
assert delay * 1000 >= int(rolled[1]), "callers that have not noticed are refused"

# Selectors find the pods, and only them.
labels = template["metadata"]["labels"]
selectors = [deployment["spec"]["selector"]["matchLabels"]]
selectors += [one["spec"]["selector"] for one in documents if one["kind"] == "Service"]
selectors += [one["spec"]["podSelector"]["matchLabels"] for one in documents if one["kind"] == "NetworkPolicy"]
selectors += [one["spec"]["selector"]["matchLabels"] for one in documents if one["kind"] == "PodDisruptionBudget"]
selectors += [one["labelSelector"]["matchLabels"] for one in pod["topologySpreadConstraints"]]
assert all(selector and within(selector, labels) for selector in selectors), selectors
assert "checksum/config" in template["metadata"]["annotations"]
for service in (one for one in documents if one["kind"] == "Service"):
    assert only(service["spec"]["ports"])["targetPort"] in ports
if has("HorizontalPodAutoscaler"):
    assert "replicas" not in deployment["spec"], "two would decide"
    assert of_kind("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
if has("ServiceMonitor"):
    monitor = of_kind("ServiceMonitor")["spec"]
    metrics = of_kind("Service", deployment["metadata"]["name"] + "-metrics")
    assert within(monitor["selector"]["matchLabels"], metrics["metadata"]["labels"])
    assert only(monitor["endpoints"])["port"] == only(metrics["spec"]["ports"])["name"]
if has("ServiceAccount"):
    account = of_kind("ServiceAccount")
    assert account["metadata"]["name"] == pod["serviceAccountName"] and account["automountServiceAccountToken"] is False
if has("Certificate"):
    secrets = [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume]
    assert of_kind("Certificate")["spec"]["secretName"] in secrets
    service = of_kind("Service", deployment["metadata"]["name"])["metadata"]["name"]
    assert f"{service}.iam.svc" in of_kind("Certificate")["spec"]["dnsNames"]

# The network: whom the values name, and never the node's metadata service.
if has("NetworkPolicy"):
    network = of_kind("NetworkPolicy")["spec"]
    assert network["policyTypes"] == ["Ingress", "Egress"]
    for rule in network["ingress"]:
        assert rule["from"] and all(port["port"] in ("grpc", "admin", 4143) for port in rule["ports"]), rule
    for rule in network["egress"]:
        for peer in rule["to"]:
            block = peer.get("ipBlock", {})
            assert block.get("cidr") != "0.0.0.0/0" or "169.254.0.0/16" in block["except"], "the metadata service is in reach"
    # Spans have a way exactly where they are wanted, and not to everyone.
    otlp = urllib.parse.urlsplit(config.get("telemetry", {}).get("otlp_endpoint", ""))
    ways = [rule for rule in network["egress"] for port in rule.get("ports", []) if port["port"] not in (53, 80, 443)]
    assert [only(rule["ports"]) for rule in ways] == [{"protocol": "TCP", "port": otlp.port}] * bool(otlp.netloc), ways
    assert all(rule["to"] and all(rule["to"]) for rule in ways), ways

# A mesh: what deploy/*/workload.yaml tells the sidecar and deploy/*/idp-proxy.toml the proxy is here, too.
mesh = {"x-forwarded-client-cert": "istio", "l5d-client-id": "linkerd"}.get(header)
if mesh:
    delivered = list(yaml.safe_load_all((repository / f"deploy/{mesh}/workload.yaml").read_text()))
    beside = yaml.safe_load_all((repository / f"deploy/{mesh}/mesh.yaml").read_text())
    assert not {(one["kind"], one["metadata"]["name"]) for one in beside} & set(names), "applied, it would be written over the chart's"
    patch = only(one for one in delivered if one["kind"] == "Deployment")["spec"]["template"]
    assert within(patch["metadata"]["labels"], labels)
    for name, value in patch["metadata"]["annotations"].items():
        ours, theirs = yaml.safe_load(template["metadata"]["annotations"][name]), yaml.safe_load(value)
        assert within(theirs, ours) if isinstance(theirs, dict) else ours == theirs, name
    for wanted in (one for part in patch["spec"].get("containers", []) for one in part["env"]):
        assert wanted in proxy["env"], wanted
    assert pod["serviceAccountName"] == patch["spec"]["serviceAccountName"]
    own = tomllib.loads((repository / f"deploy/{mesh}/idp-proxy.toml").read_text())
    assert config["identity"]["mesh"] == own["identity"]["mesh"] and config["server"]["listen"] == own["server"]["listen"]
    assert only(one for one in delivered if one["kind"] == "Service")["metadata"]["name"] == deployment["metadata"]["name"]

directory.joinpath("idp-proxy.toml").write_text(text)
policies = directory / "policies"
policies.mkdir()
source = only(volume["configMap"]["name"] for volume in pod["volumes"] if volume["name"] == "policies")
for document in documents:
    if document["kind"] == "ConfigMap" and document["metadata"]["name"] == source:
        for name, policy in document["data"].items():
            policies.joinpath(name).write_text(policy)
print("rendered:", " ".join(sorted(kind for kind, _ in names)))
