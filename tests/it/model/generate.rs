//! Values at the borders of AWS's constraints, made from the models themselves.

use idp_proxy::domain::{Action, DETAIL_KEYS};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{
    aws::Model,
    requests::{MASKED, base},
};

/// A good request and what is changed in it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    kind: usize,
    pub(super) changes: Vec<(String, Value)>,
}

impl Plan {
    /// The request; entries of a details map are put in or, if null, taken out.
    pub(super) fn request(&self, action: Action) -> Value {
        let mut sent = base(action, self.kind);
        for (member, value) in &self.changes {
            let details = member.ends_with("etails/");
            match value.as_object().filter(|_| details) {
                Some(entries) => {
                    let map = &mut sent[member.trim_end_matches('/')];
                    let map = map.as_object_mut().expect("details");
                    map.extend(entries.clone());
                    map.retain(|_, value| !value.is_null());
                }
                None => sent[member] = value.clone(),
            }
        }
        sent
    }
}

/// Letters, marks, symbols, digits, punctuation, separators, controls; one to four bytes.
const ODD: [char; 34] = [
    'a', 'Z', '0', '_', '-', '.', '=', '+', '@', ':', '/', ' ', '"', '\\', '\'', ',', '~', '\0', '\n', '\t', '\u{7f}',
    '\u{85}', '\u{a0}', '\u{ad}', 'é', '\u{301}', '€', 'Ａ', '٣', '\u{2028}', '\u{200b}', '\u{feff}', '𝒳', '\u{e000}',
];

/// Texts around the borders of a length: of one letter, of odd letters, of mostly plain ones.
pub(super) fn texts((min, max): (Option<i64>, Option<i64>)) -> BoxedStrategy<String> {
    let bound = |bound: Option<i64>, other| usize::try_from(bound.unwrap_or(other)).expect("a length");
    let (min, max) = (bound(min, 1), bound(max, 64));
    let border = select(vec![min.saturating_sub(1), min, min + 1, max - 1, max, max + 1]);
    let long = |letters: usize| 100_000 < letters;
    let letter = select(ODD.to_vec());
    let same = (letter.clone(), border).prop_map(move |(letter, count)| {
        // Very long texts of one letter are slow to shrink and show nothing more: two letters suffice as a rule.
        if long(count) && letter != 'é' { letter.to_string() } else { letter.to_string().repeat(count) }
    });
    let short = vec(letter, 0..8).prop_map(String::from_iter);
    let plain = vec(select("abcXYZ019.-_".chars().collect::<Vec<_>>()), 1..=max.min(80)).prop_map(String::from_iter);
    let visible: Vec<char> = ODD.iter().copied().filter(|it| !it.is_control() && !it.is_whitespace()).collect();
    let name = vec(select(visible), 1..=max.min(40)).prop_map(String::from_iter);
    prop_oneof![3 => same, 3 => short, 4 => plain, 3 => name].boxed()
}

/// Values of a shape: good ones, bad ones, and those in between.
fn values(model: &Model, name: &str) -> BoxedStrategy<Value> {
    let shape = model.shape(name);
    let (min, max) = model.length(name);
    let inner = |of: &str| shape[of]["shape"].as_str().expect("a shape").to_owned();
    let sizes = || {
        let most = usize::try_from(max.unwrap_or(3)).expect("a size");
        prop_oneof![3 => 0_usize..4, 1 => select(vec![most, most + 1])]
    };
    match shape["type"].as_str().expect("a type") {
        "integer" => {
            let (min, max) = (min.unwrap_or(0), max.unwrap_or(i64::from(i32::MAX)));
            let most = i64::from(i32::MAX);
            select(vec![min - 1, min, min + 1, 7, max - 1, max, (max + 1).min(most), -most])
                .prop_map(Value::from)
                .boxed()
        }
        "list" => {
            let (entries, model_min) = (values(model, &inner("member")), sizes());
            (model_min, vec(entries, 1..4))
                .prop_map(|(size, entries)| entries.iter().cycle().take(size).cloned().collect::<Vec<_>>().into())
                .boxed()
        }
        "map" => {
            let entry = (values(model, &inner("key")), values(model, &inner("value")));
            let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
            vec(entry, 0..6)
                .prop_map(move |entries| {
                    entries.into_iter().map(|(key, value)| (text(key), value)).collect::<Map<_, _>>().into()
                })
                .boxed()
        }
        "structure" => {
            let members: Vec<_> =
                model.members(name).into_iter().map(|(name, shape)| (Just(name), values(model, &shape))).collect();
            members.prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()).boxed()
        }
        _ => {
            let mut known: Vec<String> =
                shape["enum"].as_array().into_iter().flatten().map(|it| it.as_str().unwrap().to_owned()).collect();
            known.extend(examples(name).iter().map(|it| (*it).to_owned()));
            if known.is_empty() {
                return texts((min, max)).prop_map(Value::from).boxed();
            }
            prop_oneof![3 => select(known), 2 => texts((min, max))].prop_map(Value::from).boxed()
        }
    }
}

/// Texts that are hard to hit by chance, good and nearly good.
fn examples(shape: &str) -> &'static [&'static str] {
    match shape {
        "UserPoolIdType" => &[
            "eu-central-1_Zz9",
            "us-gov-west-1_A",
            "us-east-1_",
            "_A",
            "us-east-1_A_B",
            "us-east-1_A\n",
            "ap-southeast-7_abcABC123",
            "us-east-1_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrs",
            "us-east-1_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst",
            "us-east-1_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstu",
            "ü_A",
            "us-east-1_é",
            "a.b/c-1_A",
            "US-EAST-1_A",
        ],
        "ARN" => &[
            "arn:aws:workspaces-web:eu-west-1:000000000000:portal/ABCDEFAB-0000-4000-8000-00000000000f",
            "arn:aws-us-gov:workspaces-web:us-gov-west-1:123456789012:portal/00000000-0000-4000-8000-000000000001",
            "arn:aws:s3:::x",
            "arn:aws:workspaces-web:us-east-1:123456789012:portal/------------------------------------",
            "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001\n",
            "arn:aws:workspaces-web::123456789012:portal/00000000-0000-4000-8000-000000000001",
        ],
        "SubresourceARN" => &[
            "arn:aws:workspaces-web:eu-west-1:000000000000:identityProvider/ABCDEFAB-0000-4000-8000-00000000000f/00000000-0000-4000-8000-000000000001",
            "arn:aws:workspaces-web:us-east-1:123456789012:identityProvider/00000000-0000-4000-8000-000000000001",
            "arn:aws-cn:workspaces-web:cn-north-1:123456789012:identityProvider/00000000-0000-4000-8000-000000000001/00000000-0000-4000-8000-000000000002",
            "arn:aws:workspaces-web:us-east-1:123456789012:identityProvider/../../x/00000000-0000-4000-8000-000000000001",
        ],
        "AcrMappingKeyType" => &["Level1", "Level2", "Level3", "Level4", "Level5", "Level0", "level1", "Level1 "],
        "IdpIdentifierType" => &["a", "a b", "a+b=c@d.e-f_g", "a\tb", "a\u{a0}b", "ab,c", "é"],
        _ => &[],
    }
}

/// A change of one entry of a details map: a documented key or an odd one, with any value or none.
fn detail() -> BoxedStrategy<Value> {
    let keys: Vec<String> = DETAIL_KEYS.iter().map(|key| key.name.to_owned()).collect();
    let key = prop_oneof![6 => select(keys), 1 => texts((Some(0), Some(8)))];
    let good = [
        "true",
        "false",
        "GET",
        "POST",
        "rsa-sha256",
        "openid",
        "https://a.example",
        "x",
        "",
        " ",
        "http://a.example",
        "<x/>",
    ];
    let border = select(vec![131_071_usize, 131_072, 131_073]).prop_map(|count| json!("é".repeat(count)));
    let value = prop_oneof![
        30 => select(good.to_vec()).prop_map(Value::from),
        30 => texts((Some(0), Some(40))).prop_map(Value::from),
        10 => Just(Value::Null),
        1 => border,
    ];
    (key, value).prop_map(|(key, value)| json!({key: value})).boxed()
}

/// Requests for an operation: mostly with one or two members changed.
pub(super) fn plans(model: &Model, action: Action) -> BoxedStrategy<Plan> {
    let members = model.members(&model.input(action.operation()));
    let mut changes: Vec<BoxedStrategy<(String, Value)>> = Vec::new();
    for (name, shape) in members {
        let is_details = name.ends_with("etails");
        let field = if is_details { format!("{name}/") } else { name.clone() };
        let value = if is_details { detail() } else { values(model, &shape) };
        changes.push((Just(field), value).boxed());
    }
    if action.operation() == "UpdateIdentityProvider" {
        let cognito = action == Action::CognitoUpdate;
        let own =
            MASKED.iter().map(|(path, _)| (*path).to_owned()).filter(|path| path.starts_with("identity") != cognito);
        let path = prop_oneof![12 => select(own.collect::<Vec<_>>()), 1 => texts((Some(0), Some(9)))];
        let paths = vec(path, 0..3).prop_map(Value::from);
        changes.push((Just("updateMask".to_owned()), paths).boxed());
    }
    let change = proptest::strategy::Union::new(changes);
    let few = prop_oneof![1 => Just(0_usize), 6 => Just(1), 4 => Just(2), 1 => Just(3)];
    let changes = few.prop_flat_map(move |count| vec(change.clone(), count));
    (0_usize..6, changes).prop_map(|(kind, changes)| Plan { kind, changes }).boxed()
}

/// A pool id, a portal's ARN and a provider's ARN in one of AWS's regions.
pub(super) fn resources() -> impl Strategy<Value = (String, String, String)> {
    let region = select(vec![
        ("aws", "us-east-1"),
        ("aws", "ap-southeast-7"),
        ("aws", "ca-west-1"),
        ("aws", "il-central-1"),
        ("aws", "mx-central-1"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-cn", "cn-northwest-1"),
        ("aws-eusc", "eusc-de-east-1"),
    ]);
    let account = "[0-9]{12}";
    let uuid = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
    let length = prop_oneof![3 => 11_usize..30, 1 => Just(55), 1 => Just(56)];
    (region, account, uuid, uuid, length, "[0-9a-zA-Z]{56}").prop_map(
        |((partition, region), account, portal, provider, length, own)| {
            let arn = format!("arn:{partition}:workspaces-web:{region}:{account}");
            (
                format!("{region}_{own}").chars().take(length).collect(),
                format!("{arn}:portal/{portal}"),
                format!("{arn}:identityProvider/{portal}/{provider}"),
            )
        },
    )
}
