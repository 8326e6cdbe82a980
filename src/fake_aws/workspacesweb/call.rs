//! Which operation a method and a path are, and what the path and the query say.

use http::Method;
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use crate::fake_aws::fault::Fault;

/// An operation with what its path and query say.
pub(in crate::fake_aws) enum Call {
    Create,
    Get { arn: String },
    Update { arn: String },
    Delete { arn: String },
    List { portal_arn: String, max_results: Option<String>, next_token: Option<String> },
    // Whoever asks whether a portal exists reads it.
    GetPortal { arn: String },
    // Terraform reads the tags of every resource that can have some.
    Tag { arn: String },
    Untag { arn: String, keys: Vec<String> },
    ListTags { arn: String },
}

impl Call {
    /// Reads method, path and query. ARNs are greedy labels: percent-encoded, with `/` raw or as `%2F`.
    pub(in crate::fake_aws) fn route(method: &Method, path: &str, query: &str) -> Result<Self, Fault> {
        if method == Method::POST && path == "/identityProviders" {
            return Ok(Self::Create);
        }
        if let Some(label) = path.strip_prefix("/identityProviders/").filter(|label| !label.is_empty()) {
            let arn = decode(label)?;
            return match method.as_str() {
                "GET" => Ok(Self::Get { arn }),
                "PATCH" => Ok(Self::Update { arn }),
                "DELETE" => Ok(Self::Delete { arn }),
                _ => Err(Fault::unknown_operation()),
            };
        }
        let argument = |name: &str| arguments(query, name).next();
        if let Some(label) = path.strip_prefix("/tags/").filter(|label| !label.is_empty()) {
            let arn = decode(label)?;
            return match method.as_str() {
                "GET" => Ok(Self::ListTags { arn }),
                "POST" => Ok(Self::Tag { arn }),
                "DELETE" => Ok(Self::Untag { arn, keys: arguments(query, "tagKeys").collect() }),
                _ => Err(Fault::unknown_operation()),
            };
        }
        let label = path.strip_prefix("/portals/").filter(|label| method == Method::GET && !label.is_empty());
        let label = label.ok_or_else(Fault::unknown_operation)?;
        match label.strip_suffix("/identityProviders") {
            Some("") => Err(Fault::unknown_operation()),
            Some(label) => Ok(Self::List {
                portal_arn: decode(label)?,
                max_results: argument("maxResults"),
                next_token: argument("nextToken"),
            }),
            None => Ok(Self::GetPortal { arn: decode(label)? }),
        }
    }

    pub(in crate::fake_aws) fn name(&self) -> &'static str {
        match self {
            Self::Create => "CreateIdentityProvider",
            Self::Get { .. } => "GetIdentityProvider",
            Self::Update { .. } => "UpdateIdentityProvider",
            Self::Delete { .. } => "DeleteIdentityProvider",
            Self::List { .. } => "ListIdentityProviders",
            Self::GetPortal { .. } => "GetPortal",
            Self::Tag { .. } => "TagResource",
            Self::Untag { .. } => "UntagResource",
            Self::ListTags { .. } => "ListTagsForResource",
        }
    }
}

fn decode(label: &str) -> Result<String, Fault> {
    percent_decode_str(label)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Fault::malformed_http("The path is not UTF-8."))
}

/// The values of one query argument.
fn arguments<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    form_urlencoded::parse(query.as_bytes()).filter_map(move |(key, value)| (key == name).then(|| value.into_owned()))
}
