//! What is delivered under `deploy/` besides the sidecar that the other tests run: it can be read, and agrees with itself.

use crate::support::{Authority, Scratch, idp_proxy, python, repository};

#[tokio::test]
async fn the_proxys_own_settings_for_each_mesh_are_accepted() {
    let (scratch, authority) = (Scratch::new(), Authority::new("clients"));
    let server = authority.server();
    scratch.file("server.pem", &server.certificate);
    scratch.file("server.key", &server.private_key);
    scratch.file("clients-ca.pem", authority.pem());
    let policies = repository().join("examples/policies");
    for mesh in ["envoy", "istio", "linkerd", "mtls"] {
        let delivered = repository().join("deploy").join(mesh).join("idp-proxy.toml");
        let text = std::fs::read_to_string(delivered).unwrap();
        assert!(text.contains("\"/etc/idp-proxy/policies\""), "{mesh}: nobody is allowed anything by default");
        let text = text.replace("/etc/idp-proxy/policies", policies.to_str().unwrap());
        let config = scratch.file("idp-proxy.toml", text.replace("/etc/idp-proxy/tls", scratch.to_str().unwrap()));
        let output = idp_proxy(&["check", "--config", config.to_str().unwrap()], &[]).await;
        assert!(output.status.success(), "{mesh}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn the_manifests_can_be_read_and_agree_with_the_sidecar_and_the_proto() {
    let script = repository().join("tests/python/deploy_manifests.py");
    let printed = python([script.as_path(), repository()]).await;
    assert!(printed.contains("deploy: 6 manifests agree"), "{printed}");
}
