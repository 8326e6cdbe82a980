//! The three tag operations, for identity providers: portals of the fake have no tags.

use serde_json::{Value, json};

use crate::fake_aws::{
    fault::Fault,
    workspacesweb::{
        IDENTITY_PROVIDER, Provider, State,
        fault::{not_found, too_many_tags},
        idempotency::Key,
        input::{self, TAGS_MAX},
    },
};

impl State {
    /// Adds tags; one that is there gets the new value.
    pub(super) fn tag(&mut self, region: &str, input: input::Tag) -> Result<Value, Fault> {
        let key = input.client_token.as_deref().map(|token| Key::new("TagResource", region, token));
        let digest = input.digest();
        if let Some(answer) = self.earlier(key.as_ref(), &digest)? {
            return Ok(answer);
        }
        let provider = self.provider_mut(region, &input.arn)?;
        let mut tags = provider.tags.clone();
        tags.extend(input.tags);
        // Our choice: as many as one request may hold; the limit of a resource is not documented.
        if tags.len() > TAGS_MAX {
            return Err(too_many_tags(&input.arn));
        }
        provider.tags = tags;
        let answer = json!({});
        if let Some(key) = key {
            self.answered.remember(key, digest, &answer);
        }
        Ok(answer)
    }

    /// Removes tags; one that is not there is no mistake (the operation is idempotent).
    pub(super) fn untag(&mut self, region: &str, arn: &str, keys: &[String]) -> Result<Value, Fault> {
        input::untag(arn, keys)?;
        self.provider_mut(region, arn)?.tags.retain(|key, _| !keys.contains(key));
        Ok(json!({}))
    }

    pub(super) fn list_tags(&self, region: &str, arn: &str) -> Result<Value, Fault> {
        input::resource_arn(arn)?;
        let tags = &self.provider(region, arn)?.tags;
        let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        Ok(json!({ "tags": tags }))
    }

    fn provider_mut(&mut self, region: &str, arn: &str) -> Result<&mut Provider, Fault> {
        let missing = || not_found(IDENTITY_PROVIDER, arn);
        let (portal, place) = self.place(region, arn).ok_or_else(missing)?;
        portal.providers.get_mut(&place).ok_or_else(missing)
    }
}
