#!/usr/bin/env bash
# Makes an OIDC and a SAML provider in a user pool and one in a WorkSpaces Web portal; examples/README.md says how to run it.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: create_providers.sh ADDRESS [ISSUER]" >&2; exit 1; }
address="$1"
issuer="${2:-https://idp.example}"
pool=us-east-1_Sandbox01
portal=arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001
# One id for each change, kept wherever the change is kept (a ticket, a row), so that another run repeats the same call.
change=ticket-4711-grpcurl

# call METHOD, the request on standard input: repeats until the outcome is known. The request must have a requestId.
# grpcurl's exit code is 64 and the gRPC code, and it prints reason, fields and delays of an error itself.
call() {
  local request try code
  request="$(cat)"
  for try in 1 2 3 4; do
    code=0
    # In production: -cacert, -cert and -key in place of -plaintext.
    grpcurl -plaintext -max-time 10 -d "$request" "$address" "idpproxy.$1" || code=$?
    case $code in
      0) return ;;
      # UNKNOWN, DEADLINE_EXCEEDED, ABORTED, UNAVAILABLE: nothing was done, or it is not known what was.
      66 | 68 | 74 | 78) [ "$try" = 4 ] || sleep "$try" ;;
      *) break ;;
    esac
  done
  return 1
}

call cognito.v1.IdentityProviderService/CreateIdentityProvider <<JSON
{
  "UserPoolId": "$pool",
  "ProviderName": "GrpcurlOidc",
  "ProviderType": "OIDC",
  "ProviderDetails": {
    "client_id": "my-client",
    "client_secret": "my-secret",
    "authorize_scopes": "openid email",
    "oidc_issuer": "$issuer",
    "attributes_request_method": "GET"
  },
  "AttributeMapping": {"email": "email"},
  "requestId": "$change-oidc"
}
JSON

call cognito.v1.IdentityProviderService/CreateIdentityProvider <<JSON
{
  "UserPoolId": "$pool",
  "ProviderName": "GrpcurlSaml",
  "ProviderType": "SAML",
  "ProviderDetails": {"MetadataURL": "https://idp.example/metadata"},
  "requestId": "$change-saml"
}
JSON

call workspacesweb.v1.IdentityProviderService/CreateIdentityProvider <<JSON
{
  "portalArn": "$portal",
  "identityProviderName": "GrpcurlSaml",
  "identityProviderType": "SAML",
  "identityProviderDetails": {"MetadataURL": "https://idp.example/metadata"},
  "requestId": "$change-portal"
}
JSON
