//! Cognito's inputs with the constraints of its service model (2016-04-18).
//!
//! Members are `UpperCamelCase` on the wire and `lowerCamelCase` in AWS's validation messages.

use std::ops::RangeInclusive;

use crate::fake_aws::{
    cognito::invalid_parameter,
    constraint::{Pattern, TextRule, Violations, anchored},
    detail::{Details, ProviderType},
    fault::Fault,
    members::{Members, TextMap},
};

const NO_LIMIT: usize = usize::MAX;

static USER_POOL_ID_PATTERN: Pattern = Pattern::new(r"[\w-]+_[0-9a-zA-Z]+", || anchored("[0-9A-Za-z_-]+_[0-9a-zA-Z]+"));
/// `UserPoolIdType`
pub(super) static USER_POOL_ID: TextRule = TextRule { min: 1, max: 55, pattern: Some(&USER_POOL_ID_PATTERN) };

static NEW_NAME_PATTERN: Pattern = Pattern::new(r"[^_\p{Z}][\p{L}\p{M}\p{S}\p{N}\p{P}][^_\p{Z}]+", || {
    anchored(r"[^_\p{Z}][\p{L}\p{M}\p{S}\p{N}\p{P}][^_\p{Z}]+")
});
/// `ProviderNameTypeV2`, for create only: pools hold names made under older rules.
static NEW_NAME: TextRule = TextRule { min: 1, max: 32, pattern: Some(&NEW_NAME_PATTERN) };

static NAME_PATTERN: Pattern =
    Pattern::new(r"[\p{L}\p{M}\p{S}\p{N}\p{P}\p{Z}]+", || anchored(r"[\p{L}\p{M}\p{S}\p{N}\p{P}\p{Z}]+"));
/// `ProviderNameType`
static NAME: TextRule = TextRule { min: 1, max: 32, pattern: Some(&NAME_PATTERN) };

/// `StringType`
static TEXT: TextRule = TextRule { min: 0, max: 131_072, pattern: None };

/// `AttributeMappingKeyType`
static ATTRIBUTE: TextRule = TextRule { min: 1, max: 32, pattern: None };

static IDENTIFIER_PATTERN: Pattern = Pattern::new(r"[\w\s+=.@-]+", || anchored(r"[0-9A-Za-z_ \t\n\x0B\f\r+=.@-]+"));
/// `IdpIdentifierType`
static IDENTIFIER: TextRule = TextRule { min: 1, max: 40, pattern: Some(&IDENTIFIER_PATTERN) };
/// `IdpIdentifiersListType`
const IDENTIFIERS_MAX: usize = 50;

static ACR_LEVEL_PATTERN: Pattern = Pattern::new("Level[1-4]", || anchored("Level[1-4]"));
/// `AcrMappingKeyType`
static ACR_LEVEL: TextRule = TextRule { min: 0, max: NO_LIMIT, pattern: Some(&ACR_LEVEL_PATTERN) };
static ACR_VALUE_PATTERN: Pattern =
    Pattern::new(r"[\x21\x23-\x5B\x5D-\x7E]+", || anchored(r"[\x21\x23-\x5B\x5D-\x7E]+"));
/// `AcrValueType`
static ACR_VALUE: TextRule = TextRule { min: 1, max: 64, pattern: Some(&ACR_VALUE_PATTERN) };
/// `AcrMappingType`
const ACR_LEVELS_MAX: usize = 4;

/// `ListProvidersLimitType`
const PAGE_SIZE: RangeInclusive<i32> = 0..=60;
static TOKEN_PATTERN: Pattern = Pattern::new(r"[\S]+", || anchored(r"[^ \t\n\x0B\f\r]+"));
/// `PaginationKeyType`
static TOKEN: TextRule = TextRule { min: 1, max: NO_LIMIT, pattern: Some(&TOKEN_PATTERN) };

/// The members that both create and update have.
#[derive(Default)]
pub(super) struct Content {
    pub(super) details: Option<Details>,
    pub(super) attribute_mapping: Option<TextMap>,
    pub(super) identifiers: Option<Vec<String>>,
    pub(super) acr_mapping: Option<TextMap>,
}

impl Content {
    fn read(members: &Members, violations: &mut Violations) -> Result<Self, Fault> {
        let details = members.text_map("ProviderDetails")?;
        if let Some(details) = &details {
            violations.map("providerDetails", details, NO_LIMIT, &TEXT, &TEXT);
        }
        let attribute_mapping = members.text_map("AttributeMapping")?;
        if let Some(mapping) = &attribute_mapping {
            violations.map("attributeMapping", mapping, NO_LIMIT, &ATTRIBUTE, &TEXT);
        }
        let identifiers = members.text_list("IdpIdentifiers")?;
        if let Some(identifiers) = &identifiers {
            violations.list("idpIdentifiers", identifiers, IDENTIFIERS_MAX, &IDENTIFIER);
        }
        let acr_mapping = members.text_map("AcrMapping")?;
        if let Some(mapping) = &acr_mapping {
            violations.map("acrMapping", mapping, ACR_LEVELS_MAX, &ACR_LEVEL, &ACR_VALUE);
        }
        Ok(Self { details: details.map(Details::new), attribute_mapping, identifiers, acr_mapping })
    }
}

pub(super) struct Create {
    pub(super) pool: String,
    pub(super) name: String,
    pub(super) provider_type: ProviderType,
    pub(super) details: Details,
    /// Everything else; its `details` are empty.
    pub(super) content: Content,
}

impl Create {
    pub(super) fn read(members: &Members) -> Result<Self, Fault> {
        let mut violations = Violations::default();
        let pool = violations.required_text("userPoolId", members.text("UserPoolId")?, &USER_POOL_ID);
        let name = violations.required_text("providerName", members.text("ProviderName")?, &NEW_NAME);
        let type_text = members.text("ProviderType")?;
        let provider_type = type_text.as_deref().and_then(ProviderType::parse);
        if let (Some(text), None) = (&type_text, provider_type) {
            violations.not_in_enumeration("providerType", text, &ProviderType::VALUES);
        }
        violations.required("providerType", type_text);
        let mut content = Content::read(members, &mut violations)?;
        let details = violations.required("providerDetails", content.details.take());
        finish(&violations)?;
        Ok(Self { pool, name, provider_type: provider_type.ok_or_else(Fault::internal_failure)?, details, content })
    }
}

pub(super) struct Update {
    pub(super) provider: Named,
    pub(super) content: Content,
}

impl Update {
    pub(super) fn read(members: &Members) -> Result<Self, Fault> {
        let mut violations = Violations::default();
        let provider = Named::check(members, &mut violations)?;
        let content = Content::read(members, &mut violations)?;
        finish(&violations)?;
        Ok(Self { provider, content })
    }
}

/// A provider by pool and name: describe and delete.
pub(super) struct Named {
    pub(super) pool: String,
    pub(super) name: String,
}

impl Named {
    pub(super) fn read(members: &Members) -> Result<Self, Fault> {
        let mut violations = Violations::default();
        let named = Self::check(members, &mut violations)?;
        finish(&violations)?;
        Ok(named)
    }

    fn check(members: &Members, violations: &mut Violations) -> Result<Self, Fault> {
        Ok(Self {
            pool: violations.required_text("userPoolId", members.text("UserPoolId")?, &USER_POOL_ID),
            name: violations.required_text("providerName", members.text("ProviderName")?, &NAME),
        })
    }
}

pub(super) struct ByIdentifier {
    pub(super) pool: String,
    pub(super) identifier: String,
}

impl ByIdentifier {
    pub(super) fn read(members: &Members) -> Result<Self, Fault> {
        let mut violations = Violations::default();
        let pool = violations.required_text("userPoolId", members.text("UserPoolId")?, &USER_POOL_ID);
        let identifier = violations.required_text("idpIdentifier", members.text("IdpIdentifier")?, &IDENTIFIER);
        finish(&violations)?;
        Ok(Self { pool, identifier })
    }
}

pub(super) struct List {
    pub(super) pool: String,
    /// 0 if absent.
    pub(super) max_results: usize,
    pub(super) next_token: Option<String>,
}

impl List {
    pub(super) fn read(members: &Members) -> Result<Self, Fault> {
        let mut violations = Violations::default();
        let pool = violations.required_text("userPoolId", members.text("UserPoolId")?, &USER_POOL_ID);
        let max_results = members.integer("MaxResults")?.unwrap_or(0);
        violations.range("maxResults", max_results, &PAGE_SIZE);
        let next_token = members.text("NextToken")?;
        if let Some(token) = &next_token {
            violations.text("nextToken", token, &TOKEN);
        }
        finish(&violations)?;
        Ok(Self { pool, max_results: usize::try_from(max_results).unwrap_or(0), next_token })
    }
}

fn finish(violations: &Violations) -> Result<(), Fault> {
    if violations.is_empty() { Ok(()) } else { Err(invalid_parameter(violations.message())) }
}
