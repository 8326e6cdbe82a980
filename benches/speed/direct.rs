//! The AWS SDK called in a loop, without gRPC: what a program without a proxy would pay. Reads orders from standard input.

use std::{
    io::{BufRead as _, Write as _},
    time::{Duration, Instant},
};

use aws_sdk_cognitoidentityprovider as cognito;
use aws_sdk_workspacesweb as workspacesweb;
use tokio::task::JoinSet;

use crate::{
    served,
    work::{self, POOL, PORTAL, Work},
};

/// The clients, with what is sent.
#[derive(Clone)]
struct Direct {
    cognito: cognito::Client,
    web: workspacesweb::Client,
}

/// Answers each line `WORK CALLS AT_ONCE EVERY_US` when the calls are made: with nothing, or, if they were to be made every so
/// many microseconds, with the time of each in nanoseconds.
#[tokio::main]
pub(crate) async fn serve() {
    let sdk = served::sdk().await;
    let direct = Direct { cognito: cognito::Client::new(&sdk), web: workspacesweb::Client::new(&sdk) };
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let numbers: Vec<usize> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let [work, calls, at_once, every] = numbers[..] else { panic!("{line}") };
        let work = Work::ALL[work];
        let mut times = Vec::new();
        if every == 0 {
            direct.run(work, calls, at_once).await;
        } else {
            times = direct.at_rate(work, calls, Duration::from_micros(every as u64)).await;
        }
        let times: Vec<String> = times.iter().map(|time| time.as_nanos().to_string()).collect();
        println!("{}", times.join(" "));
        std::io::stdout().flush().unwrap();
    }
}

impl Direct {
    async fn run(&self, work: Work, calls: usize, at_once: usize) {
        let mut tasks = JoinSet::new();
        for number in 0..at_once {
            let (direct, calls) = (self.clone(), calls / at_once + usize::from(number < calls % at_once));
            tasks.spawn(async move {
                for _ in 0..calls {
                    direct.call(work).await;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    }

    async fn at_rate(&self, work: Work, calls: usize, every: Duration) -> Vec<Duration> {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..calls {
            let due = begun + every * u32::try_from(number).unwrap();
            tokio::time::sleep_until(due.into()).await;
            let direct = self.clone();
            tasks.spawn(async move {
                direct.call(work).await;
                due.elapsed()
            });
        }
        let mut times = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            times.push(ended.unwrap());
        }
        times
    }

    async fn call(&self, work: Work) {
        match work {
            Work::Describe => {
                let call = self.cognito.describe_identity_provider().user_pool_id(POOL).provider_name("Corp");
                let found = call.send().await.unwrap().identity_provider.unwrap();
                assert_eq!(found.provider_name(), Some("Corp"));
            }
            Work::WebCreate => {
                let details = work::details().into_iter().collect();
                let call = self
                    .web
                    .create_identity_provider()
                    .portal_arn(PORTAL)
                    .identity_provider_name("Corp")
                    .identity_provider_type("OIDC".into())
                    .set_identity_provider_details(Some(details))
                    .client_token("f9c0a6de-6b0a-4a3c-9d21-5a2f70c3a001");
                assert!(call.send().await.unwrap().identity_provider_arn.contains("identityProvider/"));
            }
            _ => {
                let request = if work == Work::SamlCreate { work::saml_create() } else { work::create() };
                let call = self
                    .cognito
                    .create_identity_provider()
                    .user_pool_id(request.user_pool_id)
                    .provider_name(request.provider_name)
                    .provider_type(request.provider_type.as_str().into())
                    .set_provider_details(Some(request.provider_details.into_iter().collect()))
                    .set_attribute_mapping(Some(request.attribute_mapping.into_iter().collect()))
                    .set_idp_identifiers(Some(request.idp_identifiers));
                let made = call.send().await.unwrap().identity_provider.unwrap();
                assert_eq!(made.provider_name(), Some("Corp"));
            }
        }
    }
}
