//! AWS as it is: read beside the proxy and beside the wire.

use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{content::Held, http1::End, wire};

/// The fake AWS, asked directly.
#[derive(Clone, Debug)]
pub(super) struct Direct {
    address: String,
}

impl Direct {
    /// At this endpoint.
    pub(super) fn new(endpoint: &str) -> Self {
        Self { address: endpoint.strip_prefix("http://").expect("plain HTTP").to_owned() }
    }

    /// The provider of this name in a schedule's pool.
    pub(super) async fn cognito(&self, number: u64, name: &str) -> Option<Held> {
        let body = json!({"UserPoolId": wire::pool(number), "ProviderName": name});
        let target = "x-amz-target: AWSCognitoIdentityProviderService.DescribeIdentityProvider";
        let (status, answer) = self.ask("POST /", "cognito-idp", target, &body).await;
        assert!(status == 200 || answer["__type"] == "ResourceNotFoundException", "{status}");
        (status == 200).then(|| Held::of_cognito(&answer["IdentityProvider"]))
    }

    /// All providers of a schedule's portal.
    pub(super) async fn web(&self, number: u64) -> Vec<Held> {
        let path = format!("GET /portals/{}/identityProviders", wire::portal(number));
        let (status, list) = self.ask(&path, "workspaces-web", "x-nothing: 0", &Value::Null).await;
        assert_eq!(status, 200);
        let mut found = Vec::new();
        for summary in list["identityProviders"].as_array().expect("a list") {
            let path = format!("GET /identityProviders/{}", summary["identityProviderArn"].as_str().expect("an ARN"));
            let (status, answer) = self.ask(&path, "workspaces-web", "x-nothing: 0", &Value::Null).await;
            assert_eq!(status, 200);
            found.push(Held::of_web(&answer["identityProvider"]));
        }
        found
    }

    async fn ask(&self, line: &str, service: &str, header: &str, body: &Value) -> (u16, Value) {
        let mut end = End::new(TcpStream::connect(&self.address).await.expect("the fake AWS listens"));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDDIRECT/20260101/us-east-1/{service}/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        let request = format!(
            "{line} HTTP/1.1\r\nhost: aws\r\nx-amz-date: 20260101T000000Z\r\nauthorization: {authorization}\r\n\
             {header}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        end.write(request.as_bytes()).await;
        let answer = end.read().await.expect("the fake AWS answers");
        (answer.status(), serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }
}
