"""Makes an OIDC and a SAML provider in a user pool and one in a WorkSpaces Web portal; examples/README.md says how to run it."""

import pathlib
import random
import sys
import time

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from idpproxy.cognito.v1 import identity_provider_service_pb2 as cognito
from idpproxy.cognito.v1 import identity_provider_service_pb2_grpc as cognito_grpc
from idpproxy.workspacesweb.v1 import identity_provider_service_pb2 as web
from idpproxy.workspacesweb.v1 import identity_provider_service_pb2_grpc as web_grpc

POOL = "us-east-1_Sandbox01"
PORTAL = "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001"
# One id for each change, kept wherever the change is kept (a ticket, a row), so that another run repeats the same call.
CHANGE = "ticket-4711-python"
DEADLINE_S = 10
TRIES = 4
# What a call with a request_id may be repeated after: nothing was done, or it is not known what was.
REPEATABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
}


def details(error, kind):
    """The error's details of one kind, such as BadRequest."""
    status = rpc_status.from_call(error)
    for packed in status.details if status else []:
        if packed.Is(kind.DESCRIPTOR):
            detail = kind()
            packed.Unpack(detail)
            yield detail


def call(method, request):
    """Calls until the outcome is known. The request must have a request_id."""
    for attempt in range(1, TRIES + 1):
        try:
            return method(request, timeout=DEADLINE_S)
        except grpc.RpcError as error:
            if attempt == TRIES or error.code() not in REPEATABLE:
                raise
            wait = random.uniform(0.5, 1) * 2**attempt / 4
            for retry in details(error, error_details_pb2.RetryInfo):
                wait = retry.retry_delay.ToTimedelta().total_seconds()
            time.sleep(wait)


def explain(error):
    """All that the proxy says about a refusal. No secret is ever in it."""
    print(f"{error.code().name}: {error.details()}", file=sys.stderr)
    for info in details(error, error_details_pb2.ErrorInfo):
        print(f"  reason {info.reason}, {dict(info.metadata)}", file=sys.stderr)
    for bad in details(error, error_details_pb2.BadRequest):
        for violation in bad.field_violations:
            print(f"  {violation.field}: {violation.description}", file=sys.stderr)


def main(address, issuer="https://idp.example"):
    config = pathlib.Path(__file__).parents[1].joinpath("service_config.json").read_text()
    options = [("grpc.service_config", config)]
    # In production: grpc.secure_channel(address, grpc.ssl_channel_credentials(...), options).
    with grpc.insecure_channel(address, options) as channel:
        pools = cognito_grpc.IdentityProviderServiceStub(channel)
        portals = web_grpc.IdentityProviderServiceStub(channel)
        oidc = cognito.CreateIdentityProviderRequest(
            user_pool_id=POOL,
            provider_name="PythonOidc",
            provider_type="OIDC",
            provider_details={
                "client_id": "my-client",
                "client_secret": "my-secret",
                "authorize_scopes": "openid email",
                "oidc_issuer": issuer,
                "attributes_request_method": "GET",
            },
            attribute_mapping={"email": "email"},
            request_id=f"{CHANGE}-oidc",
        )
        saml = cognito.CreateIdentityProviderRequest(
            user_pool_id=POOL,
            provider_name="PythonSaml",
            provider_type="SAML",
            provider_details={"MetadataURL": "https://idp.example/metadata"},
            request_id=f"{CHANGE}-saml",
        )
        for request in (oidc, saml):
            made = call(pools.CreateIdentityProvider, request).identity_provider
            print(made.provider_name, made.provider_type, made.creation_date.ToJsonString())
        portal = web.CreateIdentityProviderRequest(
            portal_arn=PORTAL,
            identity_provider_name="PythonSaml",
            identity_provider_type="SAML",
            identity_provider_details={"MetadataURL": "https://idp.example/metadata"},
            request_id=f"{CHANGE}-portal",
        )
        print(call(portals.CreateIdentityProvider, portal).identity_provider_arn)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: create_providers.py ADDRESS [ISSUER]")
    try:
        main(*sys.argv[1:])
    except grpc.RpcError as error:
        explain(error)
        sys.exit(1)
