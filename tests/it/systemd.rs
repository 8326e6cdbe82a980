//! The unit of `deploy/systemd/` in the eyes of systemd-analyze, and its rotation of the audit by the real logrotate.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

use tokio::process::Command;

use crate::support::{Proxy, SANDBOX_USER_POOL, Scratch, audit_lines, ended, eventually, finish, replaced, repository};

fn delivered(name: &str) -> String {
    std::fs::read_to_string(repository().join("deploy/systemd").join(name)).unwrap()
}

/// With the binary under test; nothing else is changed.
fn unit(scratch: &Scratch) -> std::path::PathBuf {
    let text =
        replaced(&delivered("idp-proxy.service"), 1, "/usr/local/bin/idp-proxy", env!("CARGO_BIN_EXE_idp-proxy"));
    scratch.file("idp-proxy.service", text)
}

async fn analyze(arguments: &[&str], unit: &std::path::Path) -> (bool, String) {
    let output = finish(Command::new("systemd-analyze").args(arguments).arg(unit).env("SYSTEMD_PAGER", "")).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

#[tokio::test]
async fn systemd_finds_no_mistake_in_the_unit_and_little_that_it_exposes() {
    let scratch = Scratch::new();
    let unit = unit(&scratch);
    let (is_good, said) = analyze(&["verify"], &unit).await;
    // It speaks of other units of this machine, too.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("idp-proxy")).collect();
    assert!(is_good && ours.is_empty(), "{said}");
    // 1.2 with systemd 252; what is left is that it may use the network.
    let (is_good, said) = analyze(&["security", "--offline=true", "--threshold=15"], &unit).await;
    assert!(is_good, "{said}");
    // This would say so if it were otherwise.
    let text = replaced(&delivered("idp-proxy.service"), 1, "NoNewPrivileges=yes", "NoNewPrivilages=yes");
    let text = replaced(&text, 1, "CapabilityBoundingSet=\n", "");
    let wrong = scratch.file("wrong.service", text);
    assert!(analyze(&["verify"], &wrong).await.1.contains("NoNewPrivilages"));
    assert!(!analyze(&["security", "--offline=true", "--threshold=15"], &wrong).await.0);
}

#[test]
fn the_unit_gives_the_drain_its_time_and_agrees_with_its_neighbours() {
    let unit = delivered("idp-proxy.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    let defaults: toml::Table = idp_proxy::config::DEFAULTS.parse().unwrap();
    let default = |key: &str| defaults["server"][key].as_integer().unwrap() / 1000;
    let (delay, drain) = (default("drain_delay_ms"), default("drain_max_ms"));
    // Then the audit's last lines and the last spans. A delay of 5 s fits in without a change, as the unit says.
    assert!(value("TimeoutStopSec=").parse::<i64>().unwrap() > delay.max(5) + drain + 5);
    let said = format!("drain_delay_ms ({delay} s), drain_max_ms ({drain} s)");
    assert!(unit.contains(&said), "the unit does not say what its time is made of: {said}");
    let connections = defaults["server"]["connections_max"].as_integer().unwrap();
    assert!(value("LimitNOFILE=").parse::<i64>().unwrap() > 2 * connections);
    assert_eq!(value("RestartPreventExitStatus="), "64");
    assert!(delivered("idp-proxy.sysusers").contains(&format!("\nu {} - ", value("User="))));
    let rotation = delivered("idp-proxy.logrotate");
    assert!(rotation.contains(&format!("\n/var/log/{}/audit.jsonl {{", value("LogsDirectory="))));
}

#[tokio::test]
async fn logrotate_moves_the_audit_and_no_line_is_lost() {
    let scratch = Scratch::new();
    let log = scratch.join("log");
    std::fs::create_dir(&log).unwrap();
    std::fs::set_permissions(&log, Permissions::from_mode(0o700)).unwrap();
    let audit = log.join("audit.jsonl");
    let arguments = ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "off"];
    let proxy = Proxy::start(&arguments, &[("IDP_PROXY__AUDIT__SINK", audit.to_str().unwrap())]).await;
    let mut client = proxy.cognito().await;
    let mut call = async |id: &str| {
        let list = idp_proxy::proto::cognito::v1::ListIdentityProvidersRequest {
            user_pool_id: SANDBOX_USER_POOL.to_owned(),
            ..Default::default()
        };
        let mut request = tonic::Request::new(list);
        request.metadata_mut().insert("x-request-id", id.parse().unwrap());
        client.list_identity_providers(request).await.unwrap();
    };
    call("before").await;
    ended(&audit, "before").await;

    let rotation = replaced(&delivered("idp-proxy.logrotate"), 2, "/var/log/idp-proxy", log.to_str().unwrap());
    let kill = "/bin/systemctl kill --signal=HUP --kill-whom=main idp-proxy.service";
    let rotation = replaced(&rotation, 1, kill, &format!("kill -HUP {}", proxy.pid()));
    // The tests' user, whoever that is, has the file.
    let rotation = replaced(&rotation, 1, "    su idp-proxy idp-proxy\n", "");
    let rotation = scratch.file("rotation", rotation);
    std::fs::set_permissions(&rotation, Permissions::from_mode(0o644)).unwrap();
    let path = format!("{}:/usr/sbin:/sbin", std::env::var_os("PATH").unwrap().display());
    let mut logrotate = Command::new("logrotate");
    logrotate.args(["--force", "--state"]).arg(scratch.join("state")).arg(&rotation).env("PATH", path);
    let rotated = finish(&mut logrotate).await;
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));

    // There is a new file before anything is written, since the proxy was told.
    eventually("the new file", async || audit.exists().then_some(())).await;
    call("after").await;
    ended(&audit, "after").await;
    let mut ids = Vec::new();
    for file in std::fs::read_dir(&log).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        ids.push(
            audit_lines(&text).iter().map(|line| line["request_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        );
    }
    ids.sort();
    assert_eq!(ids, [["after"], ["before"]], "one file has been moved, and each has its line");
}
