//! The queue as calls see it: waiting, leaving, being refused; in paused time.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, advance},
};

use super::ms;
use crate::{
    domain::{Action, Intent, PortalArn, Resource, Subject, UserPoolId},
    quota::{Bottleneck, Category, Demand, Limits, Quota, Refusal, Spending},
};

const LIMITS: Limits =
    Limits { cognito_write: Some(15), cognito_read: Some(20), cognito_per_pool: Some(5), workspacesweb: Some(10) };

fn pool(text: &str) -> UserPoolId {
    UserPoolId::parse(text.to_owned()).unwrap()
}

async fn ask(quota: &Quota, caller: &str, pool: &UserPoolId, action: Action) -> Result<Spending, Refusal> {
    ask_within(quota, caller, pool, action, Duration::from_mins(1)).await
}

async fn ask_within(
    quota: &Quota,
    caller: &str,
    pool: &UserPoolId,
    action: Action,
    patience: Duration,
) -> Result<Spending, Refusal> {
    let subject = Subject::new(action, Resource::UserPool(pool), None);
    let demand = Demand { caller, account: None, subject: &subject, deadline: Instant::now() + patience };
    quota.admit(demand).await
}

fn spend(spending: Result<Spending, Refusal>) {
    spending.unwrap().sent("CreateIdentityProvider");
}

#[tokio::test(start_paused = true)]
async fn fifty_callers_are_served_at_the_rate_that_aws_allows() {
    let quota = Arc::new(Quota::new(LIMITS, 512));
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for caller in 0..50 {
        let quota = Arc::clone(&quota);
        calls.spawn(async move {
            let pool = pool(&format!("us-east-1_Pool{caller}"));
            spend(ask(&quota, &caller.to_string(), &pool, Action::CognitoCreate).await);
            start.elapsed()
        });
    }
    let mut times = calls.join_all().await;
    times.sort();
    // Three at once and 0.75 saved: the 50th needs 46.25 more, at 15 a second; the clock's ticks are milliseconds.
    assert_eq!(times[2], ms(0));
    assert!((ms(3083)..=ms(3085)).contains(&times[49]), "{times:?}");
    assert_eq!(quota.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_away_while_it_waits_or_just_when_it_is_served_loses_no_token() {
    let quota = Quota::new(Limits { cognito_per_pool: Some(1), ..LIMITS }, 512);
    let pool = pool("us-east-1_Abc");
    spend(ask(&quota, "a", &pool, Action::CognitoCreate).await);
    {
        let mut call = std::pin::pin!(ask(&quota, "a", &pool, Action::CognitoCreate));
        assert!(futures_util::poll!(&mut call).is_pending());
        assert_eq!(quota.waiting(), 1);
    }
    assert_eq!(quota.waiting(), 0);
    {
        let mut call = std::pin::pin!(ask(&quota, "a", &pool, Action::CognitoCreate));
        assert!(futures_util::poll!(&mut call).is_pending());
        advance(ms(1001)).await;
        tokio::task::yield_now().await;
        assert_eq!(quota.waiting(), 0, "it was served, and nobody has looked");
    }
    // Served and never sent.
    drop(ask(&quota, "a", &pool, Action::CognitoCreate).await.unwrap());
    let before = Instant::now();
    spend(ask(&quota, "a", &pool, Action::CognitoCreate).await);
    assert_eq!(before.elapsed(), ms(0), "the one token was still there");
}

#[tokio::test(start_paused = true)]
async fn retries_and_further_reads_are_paid_for_by_who_comes_next() {
    let quota = Quota::new(LIMITS, 512);
    let pool = pool("us-east-1_Abc");
    let spending = ask(&quota, "a", &pool, Action::CognitoCreate).await.unwrap();
    for operation in ["CreateIdentityProvider", "CreateIdentityProvider", "DescribeIdentityProvider"] {
        spending.sent(operation);
    }
    let wait = async |action| {
        let before = Instant::now();
        drop(ask(&quota, "b", &pool, action).await.unwrap());
        before.elapsed()
    };
    assert_eq!(wait(Action::CognitoCreate).await, ms(350), "the retry costs 200 ms more than the first");
    assert_eq!(wait(Action::CognitoDescribe).await, ms(0), "which was enough for the read to be paid for");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_budget_and_when_it_would_have_been_served() {
    let quota = Quota::new(LIMITS, 512);
    let pool = pool("us-east-1_Abc");
    spend(ask(&quota, "a", &pool, Action::CognitoCreate).await);
    let refused = ask_within(&quota, "a", &pool, Action::CognitoCreate, ms(200)).await.unwrap_err();
    let Refusal::Limited(limited) = refused else { panic!("{refused:?}") };
    assert_eq!((limited.wait, limited.rate, limited.budget()), (ms(150), 5, "cognito_per_pool"));
    assert_eq!((limited.category, limited.held_by), (Category::CognitoWrite, Bottleneck::Pool));
}

#[tokio::test(start_paused = true)]
async fn what_only_asks_what_would_happen_spends_reads() {
    let quota = Quota::new(Limits { cognito_write: Some(1), ..LIMITS }, 512);
    let pool = pool("us-east-1_Abc");
    let deadline = Instant::now() + ms(1);
    let intent = Intent::parse(String::new(), true).unwrap();
    let subject =
        Subject { intent: Some(&intent), ..Subject::new(Action::CognitoCreate, Resource::UserPool(&pool), None) };
    let demand = Demand { caller: "a", account: None, subject: &subject, deadline };
    spend(ask(&quota, "a", &pool, Action::CognitoCreate).await);
    let spending = quota.admit(demand).await.expect("no write is needed");
    assert_eq!(spending.budget(), "cognito_read");
}

#[tokio::test(start_paused = true)]
async fn accounts_have_budgets_of_their_own_and_a_portals_arn_names_its() {
    let quota = Quota::new(Limits { cognito_write: Some(1), workspacesweb: Some(1), ..LIMITS }, 512);
    let pool = pool("us-east-1_Abc");
    let subject = Subject::new(Action::CognitoCreate, Resource::UserPool(&pool), None);
    let deadline = Instant::now() + ms(1);
    for account in [None, Some("111122223333"), Some("444455556666")] {
        let demand = Demand { caller: "a", account, subject: &subject, deadline };
        // Sent, so that the token is gone.
        spend(quota.admit(demand).await);
        assert!(quota.admit(demand).await.is_err(), "{account:?}");
    }
    for account in ["111122223333", "444455556666"] {
        let arn = format!("arn:aws:workspaces-web:us-east-1:{account}:portal/00000000-0000-4000-8000-000000000001");
        let portal = PortalArn::parse(arn).unwrap();
        let subject = Subject::new(Action::WebList, Resource::Portal(&portal), None);
        let demand = Demand { caller: "a", account: None, subject: &subject, deadline };
        spend(quota.admit(demand).await);
        assert!(quota.admit(demand).await.is_err(), "{account}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttle_refuses_at_once_who_can_no_longer_be_served_in_time() {
    let quota = Arc::new(Quota::new(LIMITS, 512));
    let pool = pool("us-east-1_Abc");
    let first = ask(&quota, "a", &pool, Action::CognitoCreate).await.unwrap();
    first.sent("CreateIdentityProvider");
    let mut call = std::pin::pin!(ask_within(&quota, "b", &pool, Action::CognitoCreate, ms(450)));
    assert!(futures_util::poll!(&mut call).is_pending());
    let before = Instant::now();
    first.throttled("CreateIdentityProvider");
    let refused = call.await.unwrap_err();
    assert!(matches!(refused, Refusal::Limited(limited) if limited.wait > ms(250)), "{refused:?}");
    assert_eq!(before.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn where_the_server_goes_down_a_call_is_told_at_once_if_it_cannot_be_served_before() {
    let quota = Quota::new(Limits { cognito_per_pool: Some(1), ..LIMITS }, 512);
    let pool = pool("us-east-1_Abc");
    spend(ask(&quota, "a", &pool, Action::CognitoCreate).await);
    let mut in_time = std::pin::pin!(ask(&quota, "a", &pool, Action::CognitoCreate));
    let mut late = std::pin::pin!(ask(&quota, "a", &pool, Action::CognitoCreate));
    assert!(futures_util::poll!(&mut in_time).is_pending() && futures_util::poll!(&mut late).is_pending());
    let before = Instant::now();
    quota.drain(before + ms(1500));
    assert_eq!(late.await.unwrap_err(), Refusal::Draining);
    assert_eq!(before.elapsed(), ms(0));
    spend(in_time.await);
    assert_eq!(before.elapsed(), ms(1000));
    assert_eq!(ask(&quota, "a", &pool, Action::CognitoCreate).await.unwrap_err(), Refusal::Draining);
}

#[tokio::test(start_paused = true)]
async fn without_limits_nobody_waits() {
    let quota = Quota::new(Limits::default(), 512);
    let pool = pool("us-east-1_Abc");
    for _ in 0..1000 {
        let spending = ask_within(&quota, "a", &pool, Action::CognitoCreate, ms(1)).await;
        spending.as_ref().unwrap().throttled("CreateIdentityProvider");
        spend(spending);
    }
}
