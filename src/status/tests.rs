//! The table itself: its printed form, that every failure has a row and every row a failure, and the bounds on
//! what an error may weigh.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    About, code_name, of,
    row::{Extra, Own, Retry, Row, Trigger, When},
    table::TABLE,
};
use crate::{
    domain::{
        Action, Details, Effect, PortalArn, ProviderType, Region, Repeat, Resource, Service, Subject, TypeOfDetails,
        UnknownKeys, UserPoolId, Violations,
    },
    fault::Fault,
    quota::{Bottleneck, Category, Limited},
    upstream::{AwsError, Cause, Executed, FieldError, SdkFailure, UpstreamFault},
};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/status_table.txt");

fn trigger(row: &Row) -> String {
    match row.trigger {
        Trigger::Code(code) => code.to_owned(),
        Trigger::Http(status) => format!("HTTP {status}"),
        Trigger::Http5xx => "HTTP 5xx".to_owned(),
        Trigger::HttpOther => "HTTP other".to_owned(),
        Trigger::Sdk(failure) => format!("sdk {failure:?}"),
        Trigger::Own(own) => format!("proxy {own:?}"),
    }
}

fn condition(row: &Row) -> String {
    match row.when {
        When::Always => String::new(),
        When::Text(text) => format!("text has `{text}`"),
        When::TextAboutDerivedToken(text) => format!("text has `{text}`; token derived"),
        When::Reason(reason) => format!("reason {reason}"),
        When::ReasonWithoutFields(reason) => format!("reason {reason}, no fields"),
        When::CreatesExisting => "create; AWS names a provider".to_owned(),
        When::Effect(effect) => format!("{effect:?}").to_lowercase(),
    }
}

fn details(row: &Row) -> String {
    match row.extra {
        Extra::Nothing => String::new(),
        Extra::Violations => "BadRequest: our violations".to_owned(),
        Extra::FieldsOfText => "BadRequest: by AWS's text".to_owned(),
        Extra::FieldList => "BadRequest: by AWS's fieldList".to_owned(),
        Extra::Field(field) => format!("BadRequest: {}", if field.is_empty() { "the request" } else { field }),
        Extra::RegionField => "BadRequest: the field with the region".to_owned(),
        Extra::Resource => "ResourceInfo".to_owned(),
        Extra::Rate => "QuotaFailure: rate".to_owned(),
        Extra::Quota => "QuotaFailure: number".to_owned(),
        Extra::Precondition(kind) => format!("PreconditionFailure: {kind}"),
        Extra::Conflict => "PreconditionFailure: AWS's resource".to_owned(),
    }
}

const HEADER: [&str; 9] =
    ["trigger", "service", "condition", "read", "same effect", "once", "details", "retry", "AWS text"];

fn cells(row: &Row) -> [String; 9] {
    let plain = row.read;
    let answer = |(code, reason): (Code, &str)| format!("{} {reason}", code_name(code));
    // A column that says what the one before says is a ditto mark.
    let other = |it: (Code, &'static str)| if it == plain { "\"".to_owned() } else { answer(it) };
    let retry = match row.retry {
        Retry::Never => "never",
        Retry::After => "after a delay",
        Retry::CallerAfter => "caller only, after a delay",
        Retry::Free => "at once",
    };
    [
        trigger(row),
        row.service.map_or("both", Service::aws_name).to_owned(),
        condition(row),
        answer(plain),
        other(row.same_effect),
        other(row.once),
        details(row),
        retry.to_owned(),
        if row.with_aws_text { "scrubbed" } else { "no" }.to_owned(),
    ]
}

fn printed() -> String {
    let rows: Vec<[String; 9]> = [HEADER.map(str::to_owned)].into_iter().chain(TABLE.iter().map(cells)).collect();
    let mut widths = [0_usize; 9];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 9]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join(" | ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[test]
fn the_table_is_the_golden_file() {
    let printed = printed();
    #[expect(clippy::disallowed_methods, reason = "how a person asks for a new golden file")]
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        fs::create_dir_all(Path::new(GOLDEN).parent().unwrap()).unwrap();
        fs::write(GOLDEN, &printed).unwrap();
    }
    let golden = fs::read_to_string(GOLDEN).expect("tests/golden/status_table.txt: make it with UPDATE_GOLDEN=1");
    let differs = golden.lines().zip(printed.lines()).find(|(old, new)| old != new);
    assert!(golden == printed, "the table changed (UPDATE_GOLDEN=1 takes it over): {differs:#?}");
}

fn failed(action: Action, cause: Cause, http_status: Option<u16>) -> Fault {
    let region = Region::parse("us-east-1").unwrap();
    let (executed, request_id) = (Executed::Maybe, Some("aws-1".to_owned()));
    let log = String::new();
    Fault::Upstream(Box::new(UpstreamFault {
        action,
        region,
        cause,
        executed,
        http_status,
        request_id,
        has_derived_token: false,
        attempts: 1,
        log,
    }))
}

/// The calls that a row can be about.
fn actions(row: &Row) -> impl Iterator<Item = Action> {
    let (service, when) = (row.service, row.when);
    let fits = move |action: &Action| {
        let effect = match when {
            When::CreatesExisting => Some(Effect::Create),
            When::Effect(effect) => Some(effect),
            _ => None,
        };
        service.is_none_or(|it| it == action.service()) && effect.is_none_or(|it| it == action.effect())
    };
    Action::ALL.into_iter().filter(fits)
}

/// A fault that meets everything a row asks for.
fn example(row: &Row, action: Action) -> Fault {
    let mut error = AwsError { message: "no words of any row".to_owned(), ..AwsError::default() };
    match row.when {
        When::Text(text) | When::TextAboutDerivedToken(text) => text.clone_into(&mut error.message),
        When::Reason(reason) => {
            error.reason = Some(reason.to_owned());
            error.fields = vec![FieldError { name: "portalArn".to_owned(), message: String::new() }];
        }
        When::ReasonWithoutFields(reason) => error.reason = Some(reason.to_owned()),
        When::CreatesExisting => error.resource_type = Some("identityProvider".to_owned()),
        When::Always | When::Effect(_) => {}
    }
    let unnamed = |status| {
        let error = AwsError { code: Some("NeverHeardOf".to_owned()), ..AwsError::default() };
        failed(action, Cause::Aws(error.into()), Some(status))
    };
    match row.trigger {
        Trigger::Code(code) => {
            let error = AwsError { code: Some(code.to_owned()), ..error };
            let mut fault = failed(action, Cause::Aws(error.into()), Some(400));
            if let (Fault::Upstream(fault), When::TextAboutDerivedToken(_)) = (&mut fault, row.when) {
                fault.has_derived_token = true;
            }
            fault
        }
        Trigger::Http(status) => unnamed(status),
        Trigger::Http5xx => unnamed(599),
        Trigger::HttpOther => unnamed(302),
        Trigger::Sdk(failure) => failed(action, Cause::Sdk(failure), None),
        Trigger::Own(own) => own_fault(own),
    }
}

fn limited() -> Limited {
    let (category, held_by) = (Category::CognitoWrite, Bottleneck::Pool);
    Limited { wait: Duration::from_millis(1500), category, held_by, rate: 5 }
}

fn own_fault(own: Own) -> Fault {
    let out_of_time = |deadline| Fault::OutOfTime { deadline, may_have_been_applied: false };
    match own {
        Own::Unidentified => Fault::Unidentified(crate::identity::unidentified_for_tests()),
        Own::Invalid => Fault::Invalid(Violations::one("user_pool_id", "is wrong")),
        Own::Undecodable => Fault::Undecodable,
        Own::TooLarge => Fault::TooLarge,
        Own::UnknownMethod => Fault::UnknownMethod,
        Own::UnknownEncoding => Fault::UnknownEncoding,
        Own::RequestIdReused => Fault::RequestIdReused,
        Own::Denied => Fault::Denied(crate::policy::Denial::NotPermitted),
        Own::RateLimited => Fault::RateLimited(limited()),
        Own::CallerGone => Fault::CallerGone,
        Own::Overloaded => Fault::Overloaded,
        Own::Draining => Fault::Draining,
        Own::CallersDeadline => out_of_time(crate::fault::Deadline::Callers),
        Own::OursDeadline => out_of_time(crate::fault::Deadline::Ours),
        Own::DrainDeadline => out_of_time(crate::fault::Deadline::Drain),
        Own::Unrecorded => Fault::Unrecorded,
        Own::Internal => Fault::Internal,
    }
}

#[test]
fn every_row_is_reached_by_the_fault_that_it_describes() {
    for row in TABLE {
        // The row itself, not one above it that also holds.
        let reached = actions(row).any(|action| cells(&Row::of_fault(&example(row, action))) == cells(row));
        assert!(reached, "a row above takes every fault of {:?}", cells(row));
    }
}

#[test]
fn every_failure_of_the_sdk_has_a_row() {
    for failure in SdkFailure::ALL {
        let rows = TABLE.iter().filter(|row| row.trigger == Trigger::Sdk(failure)).count();
        // An error answer that cannot be read is judged by its HTTP status.
        assert_eq!(rows, usize::from(failure != SdkFailure::UnparsableError), "{failure:?}");
    }
}

#[test]
fn every_reason_has_the_form_that_google_asks_for() {
    let form = regex::Regex::new("^[A-Z][A-Z0-9_]+[A-Z0-9]$").unwrap();
    for row in TABLE {
        for (_, reason) in [row.read, row.same_effect, row.once] {
            assert!(form.is_match(reason) && reason.len() <= 63, "{reason}");
        }
    }
}

#[test]
fn what_may_have_been_executed_once_is_never_unavailable_since_meshes_replay_that() {
    for row in TABLE.iter().filter(|row| row.once.0 == Code::Unavailable) {
        let surely_not_executed = match row.trigger {
            Trigger::Code(code) => {
                let skew = ["RequestExpired", "RequestTimeTooSkewed"];
                skew.contains(&code) || code.starts_with("ExpiredToken")
            }
            Trigger::Sdk(failure) => {
                use SdkFailure::{ConnectTimeout, CredentialsExpired, CredentialsUnavailable, Unreachable};
                [CredentialsExpired, CredentialsUnavailable, Unreachable, ConnectTimeout].contains(&failure)
            }
            // Nothing was sent.
            Trigger::Own(own) => [Own::Overloaded, Own::Draining].contains(&own),
            Trigger::Http(_) | Trigger::Http5xx | Trigger::HttpOther => false,
        };
        assert!(surely_not_executed, "{}", trigger(row));
    }
}

#[test]
fn a_refusal_after_an_attempt_in_doubt_leaves_a_write_in_doubt_that_must_not_be_repeated() {
    let code = |code: &str| Cause::Aws(Box::new(AwsError { code: Some(code.to_owned()), ..AwsError::default() }));
    let pool = UserPoolId::parse("us-east-1_Sandbox01".to_owned()).unwrap();
    let subject = Subject::new(Action::CognitoCreate, Resource::UserPool(&pool), None);
    for refusal in ["TooManyRequestsException", "DuplicateProviderException", "AccessDeniedException"] {
        let fault = failed(Action::CognitoCreate, code(refusal), Some(400));
        let about =
            About { action: Some(Action::CognitoCreate), subject: Some((&subject, Repeat::Once)), request_id: "r" };
        let status = of(&fault, &about);
        let info = status.get_error_details().error_info().cloned().unwrap();
        assert_eq!((status.code(), info.reason.as_str()), (Code::Unknown, "OUTCOME_UNKNOWN"), "{refusal}");
        assert_eq!(info.metadata["mayHaveBeenApplied"], "true", "{refusal}");
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "-1", "{refusal}");
    }
}

fn about(subject: Option<(&'static Subject<'static>, Repeat)>) -> About<'static> {
    About { action: Some(Action::CognitoCreate), subject, request_id: "request-1" }
}

#[test]
fn a_call_without_its_share_of_a_quota_is_told_which_and_when_to_come_again() {
    let pool = UserPoolId::parse("us-east-1_Abc".to_owned()).unwrap();
    let portal = "arn:aws:workspaces-web:eu-west-1:111122223333:portal/00000000-0000-4000-8000-000000000001";
    let portal = PortalArn::parse(portal.to_owned()).unwrap();
    let told = |action, resource, limited| {
        let subject = Subject::new(action, resource, None);
        let about = About { action: Some(action), subject: Some((&subject, Repeat::Once)), request_id: "r" };
        let status = of(&Fault::RateLimited(limited), &about);
        let pause = status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap();
        let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert_eq!(delay.as_millis(), pause);
        assert!((1500..1875).contains(&pause), "{pause}");
        let quota = status.get_details_quota_failure().unwrap().violations.remove(0);
        (quota.subject, quota.api_service, quota.quota_metric, quota.quota_id, quota.quota_value)
    };
    let wanted = |all: [&str; 4], rate| (all[0].into(), all[1].into(), all[2].into(), all[3].into(), rate);
    assert_eq!(
        told(Action::CognitoCreate, Resource::UserPool(&pool), limited()),
        wanted(["userPools/us-east-1_Abc", "cognito-idp", "CreateIdentityProvider", ""], 5)
    );
    let category = Limited { held_by: Bottleneck::Category, rate: 15, ..limited() };
    assert_eq!(
        told(Action::CognitoCreate, Resource::UserPool(&pool), category),
        wanted(["region:us-east-1", "cognito-idp", "UserPoolResourceUpdate", "L-B7575496"], 15)
    );
    assert_eq!(
        told(Action::WebGet, Resource::Portal(&portal), Limited { category: Category::WorkspacesWeb, ..category }),
        wanted(["111122223333:eu-west-1", "workspaces-web", "RequestRate", ""], 15)
    );
}

#[test]
fn an_error_stays_small_however_much_is_wrong() {
    for (count, field, description) in [
        (40, "provider_details[\"client_id\"]".to_owned(), "is required for type OIDC".to_owned()),
        (40, format!("attribute_mapping[\"{}\"]", "é".repeat(32)), "d".repeat(1000)),
        (17, "f".to_owned(), "d".to_owned()),
        (16, "f".to_owned(), "d".to_owned()),
        (1, "f".repeat(100), "d".repeat(100_000)),
    ] {
        let mut found = Violations::none();
        for at in 0..count {
            found.add(format!("{field}[{at}]"), &*description);
        }
        let status = of(&Fault::Invalid(found), &about(None));
        assert!(status.details().len() < 4096, "{} bytes for {count} of {field}", status.details().len());
        let shown = status.get_details_bad_request().unwrap().field_violations.len();
        assert!((1..=16).contains(&shown), "{shown} violations are shown");
        let more = format!("(and {} more)", count - shown);
        assert_eq!(status.message().ends_with(&more), count > shown, "{}", status.message());
        assert!(status.message().len() < 1200, "{}", status.message().len());
    }
}

#[test]
fn an_error_of_awss_stays_small_however_much_aws_says() {
    let pool: &'static UserPoolId = Box::leak(Box::new(UserPoolId::parse("us-east-1_Abc".to_owned()).unwrap()));
    let subject = Box::leak(Box::new(Subject::new(Action::CognitoCreate, Resource::UserPool(pool), Some("Name"))));
    let long = || Some("x".repeat(10_000));
    let field = |at: usize| FieldError { name: format!("a{at}.{}", "y".repeat(500)), message: "é".repeat(5000) };
    for row in TABLE.iter().filter(|row| matches!(row.trigger, Trigger::Code(_))) {
        let Some(Fault::Upstream(mut fault)) = actions(row).next().map(|action| example(row, action)) else {
            panic!("AWS's")
        };
        fault.request_id = long();
        if let Cause::Aws(error) = &mut fault.cause {
            error.message.push_str(&"€".repeat(10_000));
            (error.resource_id, error.service_code, error.quota_code) = (long(), long(), long());
            (error.resource_type, error.reason_code) = (error.resource_type.take().and_then(|_| long()), long());
            error.fields = (0..64).map(field).collect();
        }
        let status = of(&Fault::Upstream(fault), &about(Some((subject, Repeat::Once))));
        assert!(status.details().len() < 4096, "{}: {} bytes", trigger(row), status.details().len());
        assert!(status.get_details_error_info().is_some(), "{}", trigger(row));
    }
}

#[test]
fn what_a_caller_sent_is_not_in_an_error_that_aws_echoes() {
    let pool = UserPoolId::parse("us-east-1_Abc".to_owned()).unwrap();
    let values: BTreeMap<String, String> =
        [("client_id", "public-id"), ("client_secret", "ab"), ("authorize_scopes", "x")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
    let kind = TypeOfDetails::New(ProviderType::Google);
    let details = Details::parse("provider_details", values, kind, UnknownKeys::Reject).unwrap();
    let subject =
        Subject { details: Some(&details), ..Subject::new(Action::CognitoCreate, Resource::UserPool(&pool), None) };
    let about = About { action: Some(Action::CognitoCreate), subject: Some((&subject, Repeat::Once)), request_id: "r" };
    let message =
        "Value 'it''s\n <ab>' at 'providerDetails' failed for public-id (ab) by arn:aws:sts::1:assumed-role/r/s";
    let code = Some("InvalidParameterException".to_owned());
    let error = AwsError { code, message: message.to_owned(), ..AwsError::default() };
    let status = of(&failed(Action::CognitoCreate, Cause::Aws(error.into()), Some(400)), &about);
    assert!(status.message().contains("failed for … (…) by arn:…"), "{}", status.message());
    for part in ["public-id", "(ab)", "<ab>", "assumed-role"] {
        assert!(!status.message().contains(part), "{part} in {}", status.message());
        assert!(!String::from_utf8_lossy(status.details()).contains(part), "{part} in the details");
    }
}
