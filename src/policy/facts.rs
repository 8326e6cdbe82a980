//! What policy knows of a call, in plain values: from a parsed operation, or from a file for `policy explain`.

use std::{borrow::Cow, collections::BTreeSet};

use serde::Deserialize;

use super::reads::{Part, Reads};
use crate::{
    domain::{AccountId, Action, Details, IdpIdentifiers, Resource, Subject},
    identity::Caller,
};

pub(super) type Text<'a> = Cow<'a, str>;

/// Who calls.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallerFacts<'a> {
    pub(super) id: Text<'a>,
    pub(super) kind: Text<'a>,
    #[serde(default)]
    pub(super) groups: BTreeSet<Text<'a>>,
    #[serde(default)]
    pub(super) trust_domain: Option<Text<'a>>,
}

/// What the call would do; the fields are those of the schema.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CallFacts<'a> {
    pub(super) provider_type: Option<Text<'a>>,
    pub(super) provider_name: Option<Text<'a>>,
    pub(super) hosts: BTreeSet<Text<'a>>,
    pub(super) issuer_host: Option<Text<'a>>,
    pub(super) metadata_host: Option<Text<'a>>,
    pub(super) scopes: BTreeSet<Text<'a>>,
    pub(super) detail_keys: BTreeSet<Text<'a>>,
    pub(super) mapped_attributes: BTreeSet<Text<'a>>,
    pub(super) idp_identifiers: BTreeSet<Text<'a>>,
    pub(super) validate_only: bool,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) caller: CallerFacts<'a>,
    pub(super) action: Action,
    pub(super) resource: Resource<'a>,
    pub(super) account: Option<&'a AccountId>,
    pub(super) call: CallFacts<'a>,
}

impl<'a> Facts<'a> {
    /// From an identified and parsed call, as far as policies read them; the others are as if the call had none.
    pub(super) fn of_call(caller: &'a Caller, subject: &'a Subject<'a>, reads: Reads) -> Self {
        let details = subject.details.into_iter();
        let host = |part, key| {
            let host = subject.details.filter(|_| reads.has(part)).and_then(|details| details.hosts().get(key));
            host.map(|host| Text::from(host.as_str()))
        };
        let texts = |part, list: &mut dyn Iterator<Item = &'a str>| {
            if reads.has(part) { list.map(Text::from).collect() } else { BTreeSet::new() }
        };
        let identifiers = subject.identifiers.map(IdpIdentifiers::as_slice).unwrap_or_default();
        Self {
            caller: CallerFacts {
                id: caller.id().into(),
                kind: caller.proof().as_str().into(),
                groups: texts(Part::Caller, &mut caller.groups().iter().map(String::as_str)),
                trust_domain: caller.trust_domain().map(Text::from),
            },
            action: subject.action,
            resource: subject.resource,
            account: subject.account,
            call: CallFacts {
                provider_type: subject.kind.map(|kind| Text::from(kind.as_str())),
                provider_name: subject.name.map(Text::from),
                hosts: texts(
                    Part::Hosts,
                    &mut details.clone().flat_map(|details| details.hosts().values().map(String::as_str)),
                ),
                issuer_host: host(Part::IssuerHost, "oidc_issuer"),
                metadata_host: host(Part::MetadataHost, "MetadataURL"),
                scopes: texts(Part::Scopes, &mut details.clone().flat_map(Details::scopes)),
                detail_keys: texts(
                    Part::DetailKeys,
                    &mut details.flat_map(|details| details.iter().map(|(key, _)| key)),
                ),
                mapped_attributes: texts(
                    Part::MappedAttributes,
                    &mut subject.mapping.into_iter().flat_map(|map| map.as_map().keys().map(String::as_str)),
                ),
                idp_identifiers: texts(
                    Part::IdpIdentifiers,
                    &mut identifiers.iter().map(String::as_str).chain(subject.looked_up_identifier),
                ),
                validate_only: subject.validate_only(),
            },
        }
    }

    /// Writes the facts that `reads` names, so that different facts are different texts: each part in its order, with its
    /// length before it.
    pub(super) fn write(&self, reads: Reads, out: &mut Vec<u8>) {
        if reads.has(Part::Caller) {
            let CallerFacts { id, kind, groups, trust_domain } = &self.caller;
            write_text(id, out);
            write_text(kind, out);
            write_texts(groups.iter(), out);
            write_texts(trust_domain.iter(), out);
        }
        if reads.has(Part::Resource) {
            // The region is part of it; the account of a pool is not.
            write_text(self.resource.as_str(), out);
            write_texts(self.account.map(|account| Text::from(account.as_str())).iter(), out);
        }
        for (_, part) in Part::CONTEXT.into_iter().filter(|(_, part)| reads.has(*part)) {
            match self.call.value(part) {
                Some(Value::Text(text)) => write_texts(text.into_iter(), out),
                Some(Value::Texts(texts)) => write_texts(texts.iter(), out),
                Some(Value::Flag(flag)) => out.push(u8::from(flag)),
                None => {}
            }
        }
    }
}

/// One attribute of the context.
pub(super) enum Value<'a> {
    /// A text that may be absent.
    Text(Option<&'a Text<'a>>),
    /// A set.
    Texts(&'a BTreeSet<Text<'a>>),
    /// A truth.
    Flag(bool),
}

impl<'a> CallFacts<'a> {
    /// What a part of the context holds; nothing for other parts.
    pub(super) fn value(&'a self, part: Part) -> Option<Value<'a>> {
        Some(match part {
            Part::Caller | Part::Resource => return None,
            Part::ProviderType => Value::Text(self.provider_type.as_ref()),
            Part::ProviderName => Value::Text(self.provider_name.as_ref()),
            Part::Hosts => Value::Texts(&self.hosts),
            Part::IssuerHost => Value::Text(self.issuer_host.as_ref()),
            Part::MetadataHost => Value::Text(self.metadata_host.as_ref()),
            Part::Scopes => Value::Texts(&self.scopes),
            Part::DetailKeys => Value::Texts(&self.detail_keys),
            Part::MappedAttributes => Value::Texts(&self.mapped_attributes),
            Part::IdpIdentifiers => Value::Texts(&self.idp_identifiers),
            Part::ValidateOnly => Value::Flag(self.validate_only),
        })
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&text.len().to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn write_texts<'t, 'a: 't>(texts: impl ExactSizeIterator<Item = &'t Text<'a>>, out: &mut Vec<u8>) {
    out.extend_from_slice(&texts.len().to_le_bytes());
    texts.for_each(|text| write_text(text, out));
}
