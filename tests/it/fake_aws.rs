//! The embedded fake AWS is what it claims to be: judged by AWS's own client and service models, over its real wire.

use idp_proxy::proto::DESCRIPTOR_SET;
use tokio::net::TcpListener;

use crate::support::{FakeAws, SANDBOX_PORTAL, SANDBOX_USER_POOL, Scratch, idp_proxy, python, repository, tool};

/// The last line of a judge says how many checks passed: more than `least`, so that none can be skipped silently.
fn assert_passed(printed: &str, least: usize) {
    let verdict = printed.lines().last().unwrap_or_default();
    let count = verdict.split_once(" checks passed").and_then(|(count, _)| count.parse::<usize>().ok());
    assert!(count.is_some_and(|count| count >= least), "fewer than {least} checks, or no verdict: {verdict:?}");
}

async fn judge(script: &str, endpoint: &str) -> String {
    python([repository().join("tests/python").join(script).as_os_str(), endpoint.as_ref()]).await
}

#[tokio::test]
async fn boto3_finds_the_fake_to_be_aws() {
    let aws = FakeAws::start(&[]).await;
    assert_passed(&judge("fake_aws_by_boto3.py", &aws.endpoint).await, 400);
}

#[tokio::test]
async fn boto3_finds_aws_quotas_in_the_fake() {
    let pools = (1..=6).map(|number| format!("us-east-1_Quota{number}")).chain([SANDBOX_USER_POOL.to_owned()]);
    let pools: Vec<String> = pools.collect();
    let mut arguments = vec!["--quota", "real", "--portal", SANDBOX_PORTAL];
    arguments.extend(pools.iter().flat_map(|pool| ["--user-pool", pool.as_str()]));
    let aws = FakeAws::start(&arguments).await;
    assert_passed(&judge("fake_aws_quota_by_boto3.py", &aws.endpoint).await, 25);
}

#[tokio::test]
async fn the_proto_mirrors_awss_service_models() {
    let scratch = Scratch::new();
    let set = scratch.file("descriptors.binpb", DESCRIPTOR_SET);
    let models = ["cognito-idp", "workspaces-web"].map(|service| tool(&format!("models/{service}.json")));
    let script = repository().join("tests/python/proto_mirrors_model.py");
    let printed = python([&script, &set, &models[0], &models[1]]).await;
    assert_passed(&printed, 300);
}

#[tokio::test]
async fn malformed_arguments_end_it_with_64_before_a_port_is_bound() {
    for (arguments, named) in [
        (["--user-pool", "no-pool"], "no-pool"),
        (["--user-pool", ""], "user pool"),
        (["--portal", "arn:aws:s3:::bucket"], "arn:aws:s3:::bucket"),
        (["--quota", "half"], "half"),
        (["--listen", "localhost"], "localhost"),
        (["--listen", "127.0.0.1:70000"], "70000"),
    ] {
        let listen: &[&str] = if arguments[0] == "--listen" { &[] } else { &["--listen", "127.0.0.1:0"] };
        let output = idp_proxy(&[&["fake-aws"], &arguments[..], listen].concat(), &[]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {error}");
        assert!(error.contains(named), "{arguments:?}: {error}");
        assert!(!error.contains("listening"), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = idp_proxy(&["fake-aws", "--listen", &address], &[]).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&address), "{error}");
}
