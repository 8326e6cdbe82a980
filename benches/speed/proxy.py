"""The proxy that one would write in Python: grpcio in, boto3 out, nothing else."""

import sys
from concurrent import futures

import boto3
import botocore.config
import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

pool = descriptor_pool.DescriptorPool()
with open(sys.argv[1], "rb") as file:
    for proto in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
        pool.Add(proto)

COGNITO, WEB = "idpproxy.cognito.v1", "idpproxy.workspacesweb.v1"


def message(name):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


config = botocore.config.Config(max_pool_connections=64)
cognito = boto3.client("cognito-idp", config=config)
web = boto3.client("workspaces-web", config=config)
Provider = message(f"{COGNITO}.IdentityProvider")


def provider(answer):
    found = answer["IdentityProvider"]
    made = Provider(
        user_pool_id=found["UserPoolId"],
        provider_name=found["ProviderName"],
        provider_type=found["ProviderType"],
        provider_details=found["ProviderDetails"],
        attribute_mapping=found["AttributeMapping"],
        idp_identifiers=found["IdpIdentifiers"],
    )
    made.last_modified_date.FromDatetime(found["LastModifiedDate"])
    made.creation_date.FromDatetime(found["CreationDate"])
    return made


def create(request, _):
    answer = cognito.create_identity_provider(
        UserPoolId=request.user_pool_id,
        ProviderName=request.provider_name,
        ProviderType=request.provider_type,
        ProviderDetails=dict(request.provider_details),
        AttributeMapping=dict(request.attribute_mapping),
        IdpIdentifiers=list(request.idp_identifiers),
    )
    return message(f"{COGNITO}.CreateIdentityProviderResponse")(identity_provider=provider(answer))


def describe(request, _):
    answer = cognito.describe_identity_provider(UserPoolId=request.user_pool_id, ProviderName=request.provider_name)
    return message(f"{COGNITO}.DescribeIdentityProviderResponse")(identity_provider=provider(answer))


def web_create(request, _):
    answer = web.create_identity_provider(
        portalArn=request.portal_arn,
        identityProviderName=request.identity_provider_name,
        identityProviderType=request.identity_provider_type,
        identityProviderDetails=dict(request.identity_provider_details),
        clientToken=request.client_token,
    )
    return message(f"{WEB}.CreateIdentityProviderResponse")(identity_provider_arn=answer["identityProviderArn"])


def service(package, methods):
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=message(f"{package}.{name}Request").FromString,
            response_serializer=message(f"{package}.{name}Response").SerializeToString,
        )
        for name, call in methods.items()
    }
    return grpc.method_handlers_generic_handler(f"{package}.IdentityProviderService", handlers)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=64))
server.add_generic_rpc_handlers((
    service(COGNITO, {"CreateIdentityProvider": create, "DescribeIdentityProvider": describe}),
    service(WEB, {"CreateIdentityProvider": web_create}),
))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"127.0.0.1:{port}", flush=True)
server.wait_for_termination()
