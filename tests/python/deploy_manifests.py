"""Reads every YAML file under deploy/ and checks that they agree with each other, with the proxy's settings and the proto.

The meshes are not run: this finds mistakes in writing, not in Istio's or Linkerd's understanding of it.

    python deploy_manifests.py REPOSITORY
"""

import copy
import pathlib
import re
import sys
import tomllib

import yaml

root = pathlib.Path(sys.argv[1])
deploy = root / "deploy"
# Alert rules are promtool's to judge, the chart helm's.
paths = [path for path in sorted(deploy.rglob("*.yaml")) if not {"prometheus", "helm"} & set(path.parts)]
files = {str(path.relative_to(deploy)): list(yaml.safe_load_all(path.read_text())) for path in paths}
proxy = {name: tomllib.loads((deploy / name / "idp-proxy.toml").read_text()) for name in ("envoy", "istio", "linkerd", "mtls")}
defaults = tomllib.loads((root / "src/config/config.default.toml").read_text())


def find(value, key):
    """Every value of this key, however deep."""
    if isinstance(value, dict):
        yield from ([value[key]] if key in value else [])
        for inner in value.values():
            yield from find(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from find(inner, key)


def only(values):
    values = list(values)
    assert len(values) == 1, values
    return values[0]


def of_kind(file, kind):
    return only(document for document in files[file] if document["kind"] == kind)


def seconds(text):
    return float(text.removesuffix("s"))


# Kubernetes' form, and names that belong together.
for mesh in ("istio", "linkerd"):
    file, policies = f"{mesh}/workload.yaml", f"{mesh}/mesh.yaml"
    for document in files[file] + files[policies]:
        assert document["apiVersion"] and document["kind"], (mesh, document)
        assert document["metadata"]["namespace"] == "iam", (mesh, document["kind"])
        assert document["metadata"]["name"].startswith("idp-proxy"), (mesh, document["kind"])
    # What is applied beside the chart writes over nothing of the chart's.
    assert [document["kind"] for document in files[file]] == ["Service", "Deployment"], file
    assert not {"Service", "Deployment"} & {document["kind"] for document in files[policies]}, policies
    selectors = list(find(files[policies], "matchLabels"))
    assert selectors and all(selector == {"app": "idp-proxy"} for selector in selectors), file
    template = of_kind(file, "Deployment")["spec"]["template"]
    assert template["metadata"]["labels"]["app"] == "idp-proxy" and template["spec"]["serviceAccountName"] == "idp-proxy"
    port = only(of_kind(file, "Service")["spec"]["ports"])
    assert (port["name"], port["appProtocol"]) == ("grpc", "grpc"), "the mesh must know that it is HTTP"
    listen = proxy[mesh]["server"]["listen"]
    assert listen == f"0.0.0.0:{port['targetPort']}", listen

# The sidecar that is run by the other tests.
sidecar = only(files["envoy/sidecar.yaml"])
manager = only(find(sidecar, "filters"))[0]["typed_config"]
assert manager["forward_client_cert_details"] == "SANITIZE_SET" and manager["set_current_client_cert_details"] == {"uri": True}
assert not list(find(sidecar, "retry_policy")), "nothing is repeated"
assert sidecar["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
upstream = only(find(only(sidecar["static_resources"]["clusters"]), "endpoint"))["address"]["socket_address"]
assert f"{upstream['address']}:{upstream['port_value']}" == proxy["envoy"]["server"]["listen"]
assert only(find(sidecar, "thresholds"))[0]["max_requests"] == defaults["server"]["in_flight_max"]
limit = defaults["server"]["deadline_max_ms"] / 1000 + 1
timeouts = {route["route"]["timeout"] for route in only(find(sidecar, "routes"))} - {"0s"}
assert all(seconds(timeout) > limit for timeout in timeouts), "the proxy's answer wins"

# For REST clients: the sidecar and a transcoder, and nothing else is different.
rest = copy.deepcopy(only(files["envoy/transcoder.yaml"]))
for chain in find(rest, "filter_chains"):
    only(find(chain, "common_tls_context"))["alpn_protocols"].remove("http/1.1")
front = only(find(rest, "filters"))[0]["typed_config"]
front["codec_type"] = "HTTP2"
transcoder = front["http_filters"].pop(0)["typed_config"]
only(find(front, "json_format"))["path"] = "%REQ(:PATH)%"
routes = only(find(front, "routes"))
json = [route for route in routes if "headers" in route["match"]]
routes[:] = [route for route in routes if route not in json]
assert rest == sidecar, "transcoder.yaml has drifted from sidecar.yaml"
packages = [re.search(r"^package (\S+);", path.read_text(), re.M)[1] for path in root.glob("proto/idpproxy/*/v1/*service.proto")]
services = sorted(f"{package}.IdentityProviderService" for package in packages)
assert transcoder["services"] == services
assert [route["match"]["prefix"] for route in json] == [f"/{service}/" for service in services]
for route in json:
    asked = {header["name"]: only(header["string_match"].values()) for header in route["match"]["headers"]}
    assert asked == {":method": "POST", "content-type": {"regex": "application/json *(;.*)?"}}, asked

# Istio: the same header as the sidecar's, and writes are not repeated.
istio = "istio/mesh.yaml"
annotations = of_kind("istio/workload.yaml", "Deployment")["spec"]["template"]["metadata"]["annotations"]
headers = yaml.safe_load(annotations["proxy.istio.io/config"])["proxyHeaders"]
assert headers["forwardedClientCert"] == manager["forward_client_cert_details"]
assert headers["setCurrentClientCertDetails"]["uri"] is True
metadata = yaml.safe_load(annotations["proxy.istio.io/config"])["proxyMetadata"]
assert metadata == {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true"}, "the sidecar leaves before the calls do"
assert of_kind(istio, "PeerAuthentication")["spec"]["mtls"] == {"mode": "STRICT"}
authorization = of_kind(istio, "AuthorizationPolicy")["spec"]
assert authorization["action"] == "ALLOW" and only(find(authorization, "principals"))
assert all(not name.startswith("spiffe:") and "*" not in name for name in only(find(authorization, "principals")))
writes, rest = of_kind(istio, "VirtualService")["spec"]["http"]
assert writes["retries"] == {"attempts": 0} and "match" not in rest
assert "unavailable" not in rest["retries"]["retryOn"] and "cancelled" not in rest["retries"]["retryOn"]
assert {writes["timeout"], rest["timeout"]} == timeouts
pattern = only(find(writes, "regex"))


def writes_of(rpc):
    return re.match("Create|Update|Delete", rpc.rsplit("/", 1)[1])


rpcs = []
for source in root.glob("proto/idpproxy/*/v1/*service.proto"):
    text = source.read_text()
    package = re.search(r"^package (\S+);", text, re.M)[1]
    rpcs += [f"/{package}.IdentityProviderService/{rpc}" for rpc in re.findall(r"^\s*rpc (\w+)\(", text, re.M)]
assert len(rpcs) == 11, rpcs
assert all(bool(re.fullmatch(pattern, rpc)) == bool(writes_of(rpc)) for rpc in rpcs)

# Linkerd: an HTTP port with an identity, or nothing.
linkerd = "linkerd/mesh.yaml"
server = of_kind(linkerd, "Server")
assert (server["spec"]["proxyProtocol"], server["spec"]["accessPolicy"]) == ("gRPC", "deny")
names = [port["name"] for port in only(find(of_kind("linkerd/workload.yaml", "Deployment"), "ports"))]
assert server["spec"]["port"] in names, names
annotations = of_kind("linkerd/workload.yaml", "Deployment")["spec"]["template"]["metadata"]["annotations"]
assert not {"config.linkerd.io/opaque-ports", "config.linkerd.io/skip-inbound-ports"} & set(annotations)
authorization = of_kind(linkerd, "AuthorizationPolicy")["spec"]
assert authorization["targetRef"]["name"] == server["metadata"]["name"]
wanted = only(authorization["requiredAuthenticationRefs"])["name"]
assert of_kind(linkerd, "MeshTLSAuthentication")["metadata"]["name"] == wanted
assert all("*" not in name for name in only(find(files[linkerd], "identities")))

# Its routes: exactly the reads may be repeated, and nothing else says so.
routes = {document["metadata"]["name"]: document for document in files[linkerd] if document["kind"] == "GRPCRoute"}
reads, others = routes.pop("idp-proxy-reads"), routes.pop("idp-proxy-rest")
named = [match["method"] for match in only(reads["spec"]["rules"])["matches"]]
assert sorted(f"/{match['service']}/{match['method']}" for match in named) == sorted(rpc for rpc in rpcs if not writes_of(rpc))
assert "matches" not in only(others["spec"]["rules"]) and not routes
retries = [annotation for document in files[linkerd] + files["linkerd/workload.yaml"] for annotation in find(document, "annotations") if "retry" in str(annotation)]
assert retries == [reads["metadata"]["annotations"]], retries
for route in (reads, others):
    assert seconds(route["metadata"]["annotations"]["timeout.linkerd.io/request"]) > limit
    for target in route["spec"]["parentRefs"] + only(route["spec"]["rules"])["backendRefs"]:
        assert (target["name"], target["port"]) == ("idp-proxy", 50051)

# A replica that goes down is called until the mesh, or the callers' balancers, have noticed; Envoy beside it is told at once.
assert {name: settings["server"].get("drain_delay_ms") for name, settings in proxy.items()} == {
    "envoy": None,
    "istio": 5000,
    "linkerd": 5000,
    "mtls": 5000,
}

assert [proxy[name]["identity"]["mesh"]["header"] for name in ("envoy", "istio", "linkerd")] == [
    "x-forwarded-client-cert",
    "x-forwarded-client-cert",
    "l5d-client-id",
]
assert all("anonymous" not in settings.get("identity", {}) for settings in proxy.values())
print(f"deploy: {len(files)} manifests agree")
