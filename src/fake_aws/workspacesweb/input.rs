//! `WorkSpaces` Web's inputs with the constraints of its service model (2020-07-08).

use std::ops::RangeInclusive;

use crate::fake_aws::{
    constraint::{Pattern, TextRule, Violations, anchored},
    detail::{Details, ProviderType},
    digest::Digest,
    fault::Fault,
    members::{Members, TextMap},
    workspacesweb::{cannot_parse, invalid_field, invalid_fields},
};

static ARN_PATTERN: Pattern = Pattern::new(
    r"^arn:[\w+=\/,.@-]+:[a-zA-Z0-9\-]+:[a-zA-Z0-9\-]*:[a-zA-Z0-9]{1,12}:[a-zA-Z]+(\/[a-fA-F0-9\-]{36})+$",
    || {
        anchored(
            r"arn:[0-9A-Za-z_+=/,.@-]+:[a-zA-Z0-9-]+:[a-zA-Z0-9-]*:[a-zA-Z0-9]{1,12}:[a-zA-Z]+(/[a-fA-F0-9-]{36})+",
        )
    },
);
/// `ARN`
static ARN: TextRule = TextRule { min: 20, max: 2048, pattern: Some(&ARN_PATTERN) };

static SUBRESOURCE_ARN_PATTERN: Pattern = Pattern::new(
    r"^arn:[\w+=\/,.@-]+:[a-zA-Z0-9\-]+:[a-zA-Z0-9\-]*:[a-zA-Z0-9]{1,12}:[a-zA-Z]+(\/[a-fA-F0-9\-]{36}){2,}$",
    || {
        anchored(
            r"arn:[0-9A-Za-z_+=/,.@-]+:[a-zA-Z0-9-]+:[a-zA-Z0-9-]*:[a-zA-Z0-9]{1,12}:[a-zA-Z]+(/[a-fA-F0-9-]{36}){2,}",
        )
    },
);
/// `SubresourceARN`
static SUBRESOURCE_ARN: TextRule = TextRule { min: 20, max: 2048, pattern: Some(&SUBRESOURCE_ARN_PATTERN) };

static NAME_PATTERN: Pattern =
    Pattern::new(r"^[^_][\p{L}\p{M}\p{S}\p{N}\p{P}][^_]+$", || anchored(r"[^_][\p{L}\p{M}\p{S}\p{N}\p{P}][^_]+"));
/// `IdentityProviderName`
static NAME: TextRule = TextRule { min: 1, max: 32, pattern: Some(&NAME_PATTERN) };

/// `StringType`
static TEXT: TextRule = TextRule { min: 0, max: 131_072, pattern: None };

/// `ClientToken`
static CLIENT_TOKEN: TextRule = TextRule { min: 1, max: 512, pattern: None };

static TAG_PATTERN: Pattern =
    Pattern::new(r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$", || anchored(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"));
/// `TagKey`
static TAG_KEY: TextRule = TextRule { min: 1, max: 128, pattern: Some(&TAG_PATTERN) };
/// `TagValue`
static TAG_VALUE: TextRule = TextRule { min: 0, max: 256, pattern: Some(&TAG_PATTERN) };
/// `TagList`
pub(super) const TAGS_MAX: usize = 200;

static TOKEN_PATTERN: Pattern = Pattern::new(r"^\S+$", || anchored(r"[^ \t\n\x0B\f\r]+"));
/// `PaginationToken`
static TOKEN: TextRule = TextRule { min: 1, max: 2048, pattern: Some(&TOKEN_PATTERN) };
/// `MaxResults`
const MAX_RESULTS: RangeInclusive<i32> = 1..=i32::MAX;

/// The members that both create and update have.
pub(super) struct Content {
    pub(super) name: Option<String>,
    pub(super) provider_type: Option<ProviderType>,
    pub(super) details: Option<Details>,
    pub(super) client_token: Option<String>,
}

impl Content {
    fn read(members: &Members, violations: &mut Violations, all_required: bool) -> Result<Self, Fault> {
        let name = members.text("identityProviderName")?;
        if let Some(name) = &name {
            violations.text("identityProviderName", name, &NAME);
        }
        let type_text = members.text("identityProviderType")?;
        let provider_type = type_text.as_deref().and_then(ProviderType::parse);
        if let (Some(text), None) = (&type_text, provider_type) {
            violations.not_in_enumeration("identityProviderType", text, &ProviderType::VALUES);
        }
        let details = members.text_map("identityProviderDetails")?;
        if let Some(details) = &details {
            violations.map("identityProviderDetails", details, usize::MAX, &TEXT, &TEXT);
        }
        let client_token = members.text("clientToken")?;
        if let Some(token) = &client_token {
            violations.text("clientToken", token, &CLIENT_TOKEN);
        }
        if all_required {
            violations.required("identityProviderName", name.as_ref().map(drop));
            violations.required("identityProviderType", type_text.map(drop));
            violations.required("identityProviderDetails", details.as_ref().map(drop));
        }
        Ok(Self { name, provider_type, details: details.map(Details::new), client_token })
    }

    /// Everything that makes one request equal to another; the token is what it is compared under.
    fn digest(&self) -> Digest {
        let details = self.details.as_ref().map(Details::as_map);
        Digest::new()
            .optional(self.name.as_deref())
            .optional(self.provider_type.map(ProviderType::as_str))
            .optional(details.map(|_| "details"))
            .pairs(details.into_iter().flat_map(pairs))
    }
}

pub(super) struct Create {
    pub(super) portal_arn: String,
    pub(super) content: Content,
    pub(super) tags: TextMap,
}

impl Create {
    pub(super) fn read(members: &Members) -> Result<Self, Fault> {
        let mut violations = Violations::default();
        let portal_arn = violations.required_text("portalArn", members.text("portalArn")?, &ARN);
        let content = Content::read(members, &mut violations, true)?;
        let tags = read_tags(&members.structures("tags")?.unwrap_or_default(), &mut violations)?;
        finish(&violations)?;
        let tags = unique(tags)?;
        Ok(Self { portal_arn, content, tags })
    }

    pub(super) fn digest(&self) -> Vec<u8> {
        self.content.digest().part(&self.portal_arn).pairs(pairs(&self.tags)).finish()
    }
}

pub(super) struct Update {
    pub(super) arn: String,
    pub(super) content: Content,
}

impl Update {
    pub(super) fn read(arn: String, members: &Members) -> Result<Self, Fault> {
        let mut violations = Violations::default();
        violations.text("identityProviderArn", &arn, &SUBRESOURCE_ARN);
        let content = Content::read(members, &mut violations, false)?;
        finish(&violations)?;
        Ok(Self { arn, content })
    }

    pub(super) fn digest(&self) -> Vec<u8> {
        self.content.digest().part(&self.arn).finish()
    }
}

/// Checks the ARN of get and delete.
pub(super) fn identity_provider_arn(arn: &str) -> Result<(), Fault> {
    let mut violations = Violations::default();
    violations.text("identityProviderArn", arn, &SUBRESOURCE_ARN);
    finish(&violations)
}

/// Checks the ARN of a portal that is read.
pub(super) fn portal_arn(arn: &str) -> Result<(), Fault> {
    let mut violations = Violations::default();
    violations.text("portalArn", arn, &ARN);
    finish(&violations)
}

pub(super) struct List {
    pub(super) portal_arn: String,
    pub(super) max_results: Option<usize>,
    pub(super) next_token: Option<String>,
}

impl List {
    /// Both arguments come from the query string.
    pub(super) fn read(
        portal_arn: String,
        max_results: Option<&str>,
        next_token: Option<String>,
    ) -> Result<Self, Fault> {
        let mut violations = Violations::default();
        violations.text("portalArn", &portal_arn, &ARN);
        let max_results = max_results
            .map(|text| text.parse::<i32>().map_err(|_| cannot_parse("maxResults", "Member must be an Integer")))
            .transpose()?;
        if let Some(max_results) = max_results {
            violations.range("maxResults", max_results, &MAX_RESULTS);
        }
        if let Some(token) = &next_token {
            violations.text("nextToken", token, &TOKEN);
        }
        finish(&violations)?;
        Ok(Self { portal_arn, max_results: max_results.and_then(|number| usize::try_from(number).ok()), next_token })
    }
}

pub(super) struct Tag {
    pub(super) arn: String,
    pub(super) tags: TextMap,
    pub(super) client_token: Option<String>,
}

impl Tag {
    pub(super) fn read(arn: String, members: &Members) -> Result<Self, Fault> {
        let mut violations = Violations::default();
        violations.text("resourceArn", &arn, &ARN);
        let tags = members.structures("tags")?;
        let tags = read_tags(&violations.required("tags", tags), &mut violations)?;
        let client_token = members.text("clientToken")?;
        if let Some(token) = &client_token {
            violations.text("clientToken", token, &CLIENT_TOKEN);
        }
        finish(&violations)?;
        Ok(Self { arn, tags: unique(tags)?, client_token })
    }

    pub(super) fn digest(&self) -> Vec<u8> {
        Digest::new().part(&self.arn).pairs(pairs(&self.tags)).finish()
    }
}

/// Checks the arguments of untag.
pub(super) fn untag(arn: &str, keys: &[String]) -> Result<(), Fault> {
    let mut violations = Violations::default();
    violations.text("resourceArn", arn, &ARN);
    violations.list("tagKeys", keys, TAGS_MAX, &TAG_KEY);
    finish(&violations)
}

/// Checks the ARN of list tags.
pub(super) fn resource_arn(arn: &str) -> Result<(), Fault> {
    let mut violations = Violations::default();
    violations.text("resourceArn", arn, &ARN);
    finish(&violations)
}

/// Our choice: the same key twice is refused, in our words; tags are a map to their readers.
fn unique(tags: Vec<(String, String)>) -> Result<TextMap, Fault> {
    let count = tags.len();
    let unique: TextMap = tags.into_iter().collect();
    if unique.len() < count {
        return Err(invalid_field("tags", "Tag keys must be unique."));
    }
    Ok(unique)
}

fn pairs(map: &TextMap) -> impl Iterator<Item = (&str, &str)> {
    map.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

fn read_tags(tags: &[Members], violations: &mut Violations) -> Result<Vec<(String, String)>, Fault> {
    if tags.len() > TAGS_MAX {
        // The list itself is not echoed: tags are marked sensitive in the model.
        return Err(invalid_field("tags", &format!("Member must have length less than or equal to {TAGS_MAX}")));
    }
    tags.iter()
        .enumerate()
        .map(|(position, tag)| {
            let at = format!("tags.{}.member", position + 1);
            let key = violations.required_text(&format!("{at}.key"), tag.text("Key")?, &TAG_KEY);
            let value = violations.required_text(&format!("{at}.value"), tag.text("Value")?, &TAG_VALUE);
            Ok((key, value))
        })
        .collect()
}

fn finish(violations: &Violations) -> Result<(), Fault> {
    if violations.is_empty() { Ok(()) } else { Err(invalid_fields(violations)) }
}
