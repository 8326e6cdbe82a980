//! Policies as operators meet them: refused at the start, checked, explained, reloaded, and named in every denial.

mod commands;
mod matrix;

use std::path::{Path, PathBuf};

use idp_proxy::domain::Action;
use serde_json::Value;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::{
    rpcs::{self, Rpc},
    support::{
        ANYONE, Answer, Proxy, Scratch, ScriptedAws, assert_refused, eventually, idp_proxy, info, printed_outcome,
    },
};

/// Everyone may read.
const READS: &str = "@id(\"reads\") permit (principal, action in IdpProxy::Action::\"read\", resource);";
/// Everyone may do everything.
const ALL: &str = "@id(\"all\") permit (principal, action, resource);";

/// A directory with these policies.
fn directory(scratch: &Scratch, files: &[(&str, &str)]) -> PathBuf {
    let directory = scratch.join("policies");
    std::fs::create_dir(&directory).unwrap();
    for (name, text) in files {
        std::fs::write(directory.join(name), text).unwrap();
    }
    directory
}

/// A proxy for everyone with the policies of a directory, and an AWS behind it.
async fn judged(directory: &Path) -> (ScriptedAws, Proxy) {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let policies = ("IDP_PROXY__POLICY__DIRECTORY", directory.to_str().unwrap());
    let proxy = Proxy::against(&aws.endpoint, &[policies, ("IDP_PROXY__AWS__ATTEMPTS_MAX", "1")]).await;
    (aws, proxy)
}

/// Calls an RPC with its valid request and AWS's success.
async fn call(aws: &ScriptedAws, channel: &Channel, action: Action) -> Result<Vec<u8>, Status> {
    let rpc = Rpc::of(action);
    aws.now(rpc.answer());
    rpc.call(channel.clone()).await
}

#[tokio::test]
async fn a_denial_names_its_policies_and_tells_a_forbid_from_no_permit() {
    let scratch = Scratch::new();
    let more = "@id(\"no-deletes\") forbid (principal, action in [IdpProxy::Action::\"cognito:DeleteIdentityProvider\", \
        IdpProxy::Action::\"workspacesweb:DeleteIdentityProvider\"], resource);\n\
        @id(\"frozen\") forbid (principal, action in IdpProxy::Action::\"write\", resource) \
        when { context.detail_keys.isEmpty() };";
    let directory = directory(&scratch, &[("reads.cedar", READS), ("no.cedar", more)]);
    let (aws, proxy) = judged(&directory).await;
    let channel = proxy.channel().await;
    for rpc in rpcs::all() {
        let outcome = call(&aws, &channel, rpc.action).await;
        if !rpc.action.is_write() {
            outcome.unwrap_or_else(|status| panic!("{}: {status:?}", rpc.action));
            continue;
        }
        let denied = assert_refused(outcome, Code::PermissionDenied, "POLICY_DENIED");
        assert!(aws.seen().is_empty(), "{}: a denied call reached AWS", rpc.action);
        let metadata = info(&denied).metadata;
        let is_delete = [Action::CognitoDelete, Action::WebDelete].contains(&rpc.action);
        let named = metadata.get("policies").map(String::as_str);
        assert_eq!(named, is_delete.then_some("frozen,no-deletes"), "{}", rpc.action);
        assert_eq!(metadata["origin"], "proxy", "{}", rpc.action);
        let words = if is_delete { "forbidden by frozen, no-deletes" } else { "no policy permits it" };
        assert!(denied.message().contains(words), "{}: {}", rpc.action, denied.message());
        assert_eq!(denied.metadata().get("grpc-retry-pushback-ms").unwrap(), "-1", "{}", rpc.action);
        let id = denied.get_details_request_info().unwrap().request_id;
        // The log explains it in the same words.
        let fault = |line: &Value| (line["request_id"] == *id).then(|| line["fault"].as_str().unwrap().to_owned());
        assert!(proxy.log_line(fault).await.contains(words), "{}", rpc.action);
    }
}

#[tokio::test]
async fn a_changed_directory_takes_effect_without_a_restart() {
    let scratch = Scratch::new();
    let directory = directory(&scratch, &[("reads.cedar", READS)]);
    let (aws, proxy) = judged(&directory).await;
    let channel = proxy.channel().await;
    let may = async |action| call(&aws, &channel, action).await.is_ok();
    assert!(may(Action::WebGet).await && !may(Action::WebDelete).await);

    // One more file.
    std::fs::write(directory.join("all.cedar"), ALL).unwrap();
    eventually("a new permit", async || may(Action::WebDelete).await.then_some(())).await;

    // One that is changed.
    std::fs::write(directory.join("reads.cedar"), READS.replace("permit", "forbid")).unwrap();
    eventually("a new forbid", async || (!may(Action::WebGet).await).then_some(())).await;
    assert!(may(Action::WebDelete).await, "what is not forbidden stays permitted");

    // One that goes, by a rename over it as tools do that write in one step.
    std::fs::write(directory.join(".next"), READS).unwrap();
    std::fs::rename(directory.join(".next"), directory.join("reads.cedar")).unwrap();
    std::fs::remove_file(directory.join("all.cedar")).unwrap();
    eventually("a permit is gone", async || (!may(Action::WebDelete).await && may(Action::WebGet).await).then_some(()))
        .await;

    // All of them: nothing is allowed, which is not the same as a set that cannot be read.
    std::fs::remove_file(directory.join("reads.cedar")).unwrap();
    eventually("nothing is allowed", async || (!may(Action::WebGet).await).then_some(())).await;
    for rpc in rpcs::all() {
        let denied = assert_refused(call(&aws, &channel, rpc.action).await, Code::PermissionDenied, "POLICY_DENIED");
        assert!(denied.message().contains("no policy permits it"), "{denied:?}");
        assert!(aws.seen().is_empty(), "{}", rpc.action);
    }
}

#[tokio::test]
async fn a_broken_set_leaves_the_last_good_one_in_force_and_is_logged() {
    let scratch = Scratch::new();
    let directory = directory(&scratch, &[("reads.cedar", READS)]);
    let (aws, proxy) = judged(&directory).await;
    let channel = proxy.channel().await;
    let may = async |action| call(&aws, &channel, action).await.is_ok();
    // A forbid that cannot be read must not just be left out, nor a permit beside it be taken.
    let misspelled = "@id(\"typo\") forbid (principal, action, resource) when { principal.kinde == \"jwt\" };";
    for (name, text, said) in [
        ("syntax.cedar", "permit (principal, action, resource)\nwhen { ; };", "syntax.cedar: line 2"),
        ("typo.cedar", misspelled, "typo.cedar, typo"),
        ("template.cedar", "permit (principal == ?principal, action, resource);", "template.cedar"),
        ("twice.cedar", READS, "twice.cedar: the id reads is taken"),
    ] {
        // The broken one first: the good one must never be there without it.
        std::fs::write(directory.join(name), text).unwrap();
        std::fs::write(directory.join("all.cedar"), ALL).unwrap();
        proxy
            .log_line(|line| {
                let is_it = line["mistake"].as_str()?.contains(said) && line["level"] == "ERROR";
                (is_it && line["message"].as_str()?.contains("last good ones stay in force")).then_some(())
            })
            .await;
        assert!(may(Action::CognitoList).await && !may(Action::CognitoDelete).await, "{name}");
        std::fs::remove_file(directory.join("all.cedar")).unwrap();
        std::fs::remove_file(directory.join(name)).unwrap();
    }
    std::fs::rename(&directory, scratch.join("gone")).unwrap();
    proxy.log_line(|line| line["mistake"].as_str()?.contains("cannot be read").then_some(())).await;
    assert!(may(Action::CognitoList).await && !may(Action::CognitoDelete).await, "without its directory");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("all.cedar"), ALL).unwrap();
    eventually("the directory is back", async || may(Action::CognitoDelete).await.then_some(())).await;
}

#[tokio::test]
async fn a_policy_that_cannot_be_evaluated_denies_and_is_named() {
    let scratch = Scratch::new();
    // Strict validation cannot see an overflow. Cedar would skip the forbid, which would open.
    let overflow = "@id(\"overflows\") forbid (principal, action in IdpProxy::Action::\"write\", resource) \
        when { 9223372036854775807 + (if context.validate_only then 0 else 1) < 0 };";
    let directory = directory(&scratch, &[("all.cedar", ALL), ("overflow.cedar", overflow)]);
    let (aws, proxy) = judged(&directory).await;
    let channel = proxy.channel().await;
    for rpc in rpcs::all() {
        let outcome = call(&aws, &channel, rpc.action).await;
        if !rpc.action.is_write() {
            outcome.unwrap_or_else(|status| panic!("{}: {status:?}", rpc.action));
            continue;
        }
        let denied = assert_refused(outcome, Code::PermissionDenied, "POLICY_DENIED");
        assert_eq!(info(&denied).metadata["policies"], "overflows", "{}", rpc.action);
        assert!(aws.seen().is_empty(), "{}", rpc.action);
        let id = denied.get_details_request_info().unwrap().request_id;
        let line = printed_outcome(&proxy, &id).await;
        assert_eq!((&line["decision"], &line["policies"][0]), (&"deny".into(), &"overflows".into()));
    }
    let named =
        |line: &Value| (line["level"] == "ERROR" && line["error"].as_str()?.contains("overflows")).then_some(());
    proxy.log_line(named).await;
}

#[tokio::test]
async fn serving_without_identity_or_policy_is_refused_and_what_is_missing_is_named() {
    let scratch = Scratch::new();
    let policies = directory(&scratch, &[("all.cedar", ALL)]);
    let policies = ("IDP_PROXY__POLICY__DIRECTORY", policies.to_str().unwrap());
    let missing = scratch.join("none");
    let nowhere = ("IDP_PROXY__POLICY__DIRECTORY", missing.to_str().unwrap());
    let [anyone, _] = ANYONE;
    let no_identity = ["client_ca", "[server.tls]", "[identity.mesh]", "[[identity.jwt]]", "--sandbox"];
    let no_policy = ["policy.directory"];
    for (environment, said, unsaid) in [
        (&[][..], [&no_identity[..], &no_policy].concat(), vec![]),
        (&[policies], no_identity.to_vec(), no_policy.to_vec()),
        (&[anyone], no_policy.to_vec(), no_identity.to_vec()),
        (&[anyone, nowhere], vec![nowhere.1], no_identity.to_vec()),
    ] {
        for command in ["serve", "check"] {
            let output = idp_proxy(&[command], environment).await;
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(64), "{command} {environment:?}: {error}");
            for part in &said {
                assert!(error.contains(part), "{command} {environment:?} does not say {part}: {error}");
            }
            let is_all = unsaid.iter().all(|part| *part == "--sandbox" || !error.contains(part));
            assert!(is_all && !error.contains("listening"), "{command} {environment:?}: {error}");
        }
    }
}
