//! Against an STS, an IAM and a checker of signatures that were not written for the proxy.

use std::fmt::Write as _;

use idp_proxy::proto::cognito::v1::{
    CreateIdentityProviderRequest as Create, DeleteIdentityProviderRequest as Delete,
    DescribeIdentityProviderRequest as Describe, GetIdentityProviderByIdentifierRequest as ByIdentifier,
    UpdateIdentityProviderRequest as Update,
};
use serde_json::Value;
use tonic::Code;

use super::{A, B, list, role, session_of};
use crate::support::{ANYONE, Emulator, Proxy, ScriptedAws, assert_refused, details, info, map, python, repository};

/// `MiniStack` with three accounts, and what the proxy has to know of them.
struct Accounts {
    emulator: Emulator,
    known: Value,
}

impl Accounts {
    async fn start() -> Self {
        let emulator = Emulator::ministack(&[("AUTH", "true")]).await;
        let script = repository().join("tests/python/ministack_accounts.py");
        let known = python([script.to_str().unwrap(), &emulator.endpoint]).await;
        Self { known: serde_json::from_str(&known).unwrap(), emulator }
    }

    fn pool(&self, account: &str) -> &str {
        self.known["accounts"][account].as_str().unwrap()
    }

    fn text(&self, name: &str) -> &str {
        self.known[name].as_str().unwrap()
    }

    /// Key, secret and token.
    fn session(&self, name: &str) -> [String; 3] {
        serde_json::from_value(self.known[name].clone()).unwrap()
    }

    /// The proxy with a role in each account: its name and what external id the proxy says.
    async fn proxy(&self, roles: &[(&str, &str, &str)], more: &[(&str, &str)]) -> Proxy {
        let mut file = String::new();
        for (account, role, external_id) in roles {
            let role = format!("arn:aws:iam::{account}:role/{role}");
            let pools = [self.pool(account)];
            writeln!(
                file,
                "[[aws.account]]\naccount = {account:?}\nrole_arn = {role:?}\nexternal_id = {external_id:?}\nuser_pools = {pools:?}"
            )
            .unwrap();
        }
        let scratch = crate::support::Scratch::new();
        let file = scratch.file("accounts.toml", file);
        let environment = [
            ("AWS_ENDPOINT_URL", self.emulator.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", self.text("key")),
            ("AWS_SECRET_ACCESS_KEY", self.text("secret")),
            ("AWS_REGION", "us-east-1"),
            ANYONE[0],
            ANYONE[1],
        ];
        let arguments =
            ["serve", "--config", file.to_str().unwrap(), "--listen", "127.0.0.1:0", "--admin-listen", "off"];
        Proxy::start(&arguments, &[&environment, more].concat()).await
    }
}

const RIGHT: [(&str, &str, &str); 2] = [(A, "idp-proxy", "tenant-a"), (B, "idp-proxy", "tenant-b")];

fn create(pool: &str) -> Create {
    Create {
        user_pool_id: pool.to_owned(),
        provider_name: "Corp".to_owned(),
        provider_type: "OIDC".to_owned(),
        provider_details: details("OIDC"),
        idp_identifiers: vec!["corp.example".to_owned()],
        ..Create::default()
    }
}

/// All that the policies of `deploy/iam` allow in Cognito; `MiniStack` has no `WorkSpaces` Web.
async fn life(proxy: &Proxy, pool: &str) {
    let mut client = proxy.cognito().await;
    client.create_identity_provider(create(pool)).await.unwrap();
    let (user_pool_id, provider_name) = (pool.to_owned(), "Corp".to_owned());
    let named = Describe { user_pool_id: user_pool_id.clone(), provider_name: provider_name.clone() };
    client.describe_identity_provider(named).await.unwrap();
    let attribute_mapping = map(&[("email", "mail")]);
    let change = Update {
        user_pool_id: user_pool_id.clone(),
        provider_name: provider_name.clone(),
        attribute_mapping,
        ..Update::default()
    };
    client.update_identity_provider(change).await.unwrap();
    let known = ByIdentifier { user_pool_id: user_pool_id.clone(), idp_identifier: "corp.example".to_owned() };
    client.get_identity_provider_by_identifier(known).await.unwrap();
    assert_eq!(list(&mut client, pool).await.unwrap().providers.len(), 1);
    client.delete_identity_provider(Delete { user_pool_id, provider_name, ..Delete::default() }).await.unwrap();
}

#[tokio::test]
async fn two_accounts_and_the_proxys_own_are_reached_with_the_policies_of_deploy_iam() {
    let aws = Accounts::start().await;
    let proxy = aws.proxy(&RIGHT, &[]).await;
    for pool in [aws.pool(A), aws.pool(B), aws.text("own")] {
        life(&proxy, pool).await;
    }
    // Without its section a pool is looked for in the proxy's own account, where it is not.
    let proxy = aws.proxy(&RIGHT[..1], &[]).await;
    let mut client = proxy.cognito().await;
    list(&mut client, aws.pool(A)).await.unwrap();
    assert!(list(&mut client, aws.pool(B)).await.is_err());
}

#[tokio::test]
async fn a_role_that_is_refused_or_may_nothing_is_told_apart_and_harms_no_other_account() {
    let aws = Accounts::start().await;
    for (role, external_id, code, reason) in [
        ("no-such-role", "tenant-a", Code::Internal, "AWS_ASSUME_ROLE_DENIED"),
        ("closed", "tenant-a", Code::Internal, "AWS_ASSUME_ROLE_DENIED"),
        ("idp-proxy", "tenant-b", Code::Internal, "AWS_ASSUME_ROLE_DENIED"),
        // The account would give it, but the proxy's own policy does not name it.
        ("unlisted", "tenant-a", Code::Internal, "AWS_ASSUME_ROLE_DENIED"),
        ("powerless", "tenant-a", Code::PermissionDenied, "AWS_ACCESS_DENIED"),
    ] {
        let proxy = aws.proxy(&[(A, role, external_id), RIGHT[1]], &[]).await;
        let mut client = proxy.cognito().await;
        let refused = assert_refused(list(&mut client, aws.pool(A)).await, code, reason);
        assert!(!format!("{refused:?}").contains("role/"), "{refused:?}");
        assert_eq!(info(&refused).metadata["account"], A);
        list(&mut client, aws.pool(B)).await.unwrap();
    }
}

#[tokio::test]
async fn without_its_policy_the_proxy_may_nothing() {
    let aws = Accounts::start().await;
    // The user of the proxy, without sections: A's pool is not its own, and the policy speaks of its own account only.
    let nobody = [("AWS_SECRET_ACCESS_KEY", "wrong")];
    let proxy = aws.proxy(&RIGHT, &nobody).await;
    let mut client = proxy.cognito().await;
    let refused = assert_refused(list(&mut client, aws.pool(A)).await, Code::Internal, "PROXY_CREDENTIALS_INVALID");
    assert_eq!(info(&refused).metadata["origin"], "sdk");
    let refused = assert_refused(list(&mut client, aws.text("own")).await, Code::Internal, "PROXY_CREDENTIALS_INVALID");
    assert_eq!(info(&refused).metadata["origin"], "aws");
}

#[tokio::test]
async fn an_expired_session_of_a_role_is_replaced_and_nobody_notices() {
    let aws = Accounts::start().await;
    // MiniStack gave both; STS's stand-in only hands out first the one that has ended, and says that it is good.
    let (ended, good) = (aws.session("ended"), aws.session("good"));
    let sts = ScriptedAws::start(move |number, _| session_of(if number == 0 { &ended } else { &good }, 3600)).await;
    let proxy = aws.proxy(&RIGHT, &[("AWS_ENDPOINT_URL_STS", &sts.endpoint)]).await;
    life(&proxy, aws.pool(A)).await;
    assert_eq!(sts.seen().len(), 2);
    proxy.log_line(|line| line.to_string().contains("has ended before its time").then_some(())).await;
}

#[tokio::test]
async fn an_expired_session_of_the_proxys_own_is_the_operators() {
    let aws = Accounts::start().await;
    let [key, secret, token] = aws.session("ended");
    let own = [("AWS_ACCESS_KEY_ID", &*key), ("AWS_SECRET_ACCESS_KEY", &*secret), ("AWS_SESSION_TOKEN", &*token)];
    // Directly, and on the way to a role.
    for (roles, origin) in [(&[][..], "aws"), (&RIGHT[..], "sdk")] {
        let proxy = aws.proxy(roles, &own).await;
        let refused = list(&mut proxy.cognito().await, aws.pool(A)).await;
        let refused = assert_refused(refused, Code::Unavailable, "PROXY_CREDENTIALS_EXPIRED");
        assert_eq!(info(&refused).metadata["origin"], origin);
    }
    assert!(role(A).contains(A));
}
