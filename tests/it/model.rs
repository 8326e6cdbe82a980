//! What the proxy accepts, AWS's own model accepts too; and what the model accepts of names, identifiers and tokens,
//! the proxy accepts unless the contract says in words that it is stricter.
//!
//! No network: requests are generated, biased to the borders of every constraint, and given to `Operation::parse`.

mod aws;
mod generate;
mod requests;

use std::cell::Cell;

use idp_proxy::{
    domain::Action,
    operation::{Operation, Rules, cognito, workspacesweb},
};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::{Value, json};

use self::{
    aws::Model,
    generate::Plan,
    requests::{Message, base},
};

/// A runner that says which seed it has, so that a failure can be repeated.
fn runner(cases: u32) -> (TestRunner, [u8; 32]) {
    let seed: [u8; 32] = rand::random();
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 5_000, ..Config::default() };
    (TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed)), seed)
}

/// Fails with the smallest example found.
fn report<T: std::fmt::Debug>(what: &str, seed: [u8; 32], error: &TestError<T>) -> ! {
    let mut text = format!("{error}");
    text.truncate(text.char_indices().nth(3000).map_or(text.len(), |(at, _)| at));
    panic!("{what}: {text}\nseed {seed:?}");
}

fn parse<O: Operation<Request: Message>>(sent: &Value) -> Result<(), String> {
    let read = O::parse(O::Request::of(sent), &Rules::default());
    read.map(drop)
        .map_err(|found| format!("{:?}", found.iter().map(|one| (one.field(), one.description())).collect::<Vec<_>>()))
}

fn parser(action: Action) -> fn(&Value) -> Result<(), String> {
    match action {
        Action::CognitoCreate => parse::<cognito::Create>,
        Action::CognitoDescribe => parse::<cognito::Describe>,
        Action::CognitoUpdate => parse::<cognito::Update>,
        Action::CognitoDelete => parse::<cognito::Delete>,
        Action::CognitoList => parse::<cognito::List>,
        Action::CognitoGetByIdentifier => parse::<cognito::GetByIdentifier>,
        Action::WebCreate => parse::<workspacesweb::Create>,
        Action::WebGet => parse::<workspacesweb::Get>,
        Action::WebUpdate => parse::<workspacesweb::Update>,
        Action::WebList => parse::<workspacesweb::List>,
        Action::WebDelete => parse::<workspacesweb::Delete>,
    }
}

#[test]
fn whatever_is_accepted_satisfies_awss_model() {
    /// Enough for some hundred accepted requests with a changed member for each operation.
    const CASES: u32 = 2_500;
    for action in Action::ALL {
        let model = Model::of(action.service());
        let shape = model.input(action.operation());
        let (accepted, refused) = (Cell::new(0_u32), Cell::new(0_u32));
        let (mut runner, seed) = runner(CASES);
        let run = runner.run(&generate::plans(&model, action), |plan: Plan| {
            let sent = plan.request(action);
            if parser(action)(&sent).is_err() {
                refused.set(refused.get() + 1);
                return Ok(());
            }
            accepted.set(accepted.get() + u32::from(!plan.changes.is_empty()));
            let wire = requests::on_the_wire(action, &sent);
            model
                .check(&shape, &wire, action.operation())
                .map_err(|why| TestCaseError::fail(format!("accepted, but {why}")))
        });
        if let Err(error) = run {
            report(&action.to_string(), seed, &error);
        }
        assert!(
            accepted.get() >= 300,
            "{action}: only {} changed requests were accepted, seed {seed:?}",
            accepted.get()
        );
        assert!(refused.get() >= 300, "{action}: only {} requests were refused, seed {seed:?}", refused.get());
    }
}

/// Texts of one member: the shape at AWS, where it is, and what the contract refuses although AWS's model does not.
struct Field {
    action: Action,
    shape: &'static str,
    put: fn(&mut Value, &str),
    is_refused: fn(&str) -> bool,
}

const fn field(action: Action, shape: &'static str, put: fn(&mut Value, &str)) -> Field {
    Field { action, shape, put, is_refused: has_control_characters }
}

/// Section 4 of the contract: refused in names and identifiers.
fn has_control_characters(text: &str) -> bool {
    text.chars().any(char::is_control)
}

const FIELDS: &[Field] = &[
    field(Action::CognitoCreate, "ProviderNameTypeV2", |it, text| it["ProviderName"] = json!(text)),
    field(Action::CognitoDescribe, "ProviderNameType", |it, text| it["ProviderName"] = json!(text)),
    field(Action::CognitoUpdate, "ProviderNameType", |it, text| it["ProviderName"] = json!(text)),
    field(Action::CognitoDelete, "ProviderNameType", |it, text| it["ProviderName"] = json!(text)),
    field(Action::CognitoGetByIdentifier, "IdpIdentifierType", |it, text| it["IdpIdentifier"] = json!(text)),
    field(Action::CognitoCreate, "IdpIdentifierType", |it, text| it["IdpIdentifiers"] = json!([text])),
    field(Action::CognitoUpdate, "AttributeMappingKeyType", |it, text| it["AttributeMapping"] = json!({text: "sub"})),
    field(Action::CognitoUpdate, "StringType", |it, text| it["AttributeMapping"] = json!({"email": text})),
    field(Action::CognitoUpdate, "AcrValueType", |it, text| it["AcrMapping"] = json!({"Level1": text})),
    field(Action::CognitoList, "PaginationKeyType", |it, text| it["NextToken"] = json!(text)),
    field(Action::WebCreate, "IdentityProviderName", |it, text| it["identityProviderName"] = json!(text)),
    field(Action::WebUpdate, "IdentityProviderName", |it, text| it["identityProviderName"] = json!(text)),
    field(Action::WebCreate, "ClientToken", |it, text| it["clientToken"] = json!(text)),
    field(Action::WebCreate, "TagKey", |it, text| it["tags"] = json!([{"Key": text, "Value": ""}])),
    field(Action::WebCreate, "TagValue", |it, text| it["tags"] = json!([{"Key": "k", "Value": text}])),
    field(Action::WebList, "PaginationToken", |it, text| it["nextToken"] = json!(text)),
];

#[test]
fn texts_that_awss_model_accepts_are_refused_only_for_reasons_that_are_written_down() {
    for one in FIELDS {
        let model = Model::of(one.action.service());
        let taken = Cell::new(0_u32);
        let (mut runner, seed) = runner(1_500);
        let texts = generate::texts(model.length(one.shape));
        let run = runner.run(&texts, |text| {
            let is_good = model.check(one.shape, &json!(text), "text").is_ok() && !(one.is_refused)(&text);
            let mut sent = base(one.action, 0);
            (one.put)(&mut sent, &text);
            let read = parser(one.action)(&sent);
            if is_good && !text.is_empty() {
                taken.set(taken.get() + 1);
                read.map_err(|why| TestCaseError::fail(format!("{text:?} is good for AWS, but {why}")))?;
            }
            Ok(())
        });
        let what = format!("{} of {}", one.shape, one.action);
        if let Err(error) = run {
            report(&what, seed, &error);
        }
        assert!(taken.get() >= 200, "{what}: only {} texts were good, seed {seed:?}", taken.get());
    }
}

#[test]
fn pool_ids_and_arns_of_the_documented_form_are_accepted_in_every_region() {
    let (mut runner, seed) = runner(1_000);
    let longest = Cell::new((false, false));
    let run = runner.run(&generate::resources(), |(pool, portal, provider)| {
        let (good, bad) = longest.get();
        longest.set((good || pool.len() == 55, bad || pool.len() == 56));
        for (action, member, shape, text) in [
            (Action::CognitoDescribe, "UserPoolId", "UserPoolIdType", &pool),
            (Action::WebList, "portalArn", "ARN", &portal),
            (Action::WebGet, "identityProviderArn", "SubresourceARN", &provider),
        ] {
            let model = Model::of(action.service());
            let mut sent = base(action, 0);
            sent[member] = json!(text);
            let is_good = model.check(shape, &json!(text), member).is_ok();
            let read = parser(action)(&sent);
            proptest::prop_assert_eq!(read.is_ok(), is_good, "{}: {:?}", text, read);
        }
        Ok(())
    });
    if let Err(error) = run {
        report("resources", seed, &error);
    }
    assert_eq!(longest.get(), (true, true), "pool ids of 55 and of 56 characters were tried, seed {seed:?}");
}
