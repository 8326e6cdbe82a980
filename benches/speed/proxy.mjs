// The proxy that one would write in Node: grpc-js in, the AWS SDK v3 out, nothing else.

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import * as cognitoSdk from "@aws-sdk/client-cognito-identity-provider";
import * as webSdk from "@aws-sdk/client-workspaces-web";

const files = ["cognito", "workspacesweb"].map((name) => `idpproxy/${name}/v1/identity_provider_service.proto`);
const loaded = loader.loadSync(files, { includeDirs: [process.argv[2]], keepCase: true });
const { cognito: { v1: cognitoProto }, workspacesweb: { v1: webProto } } = grpc.loadPackageDefinition(loaded).idpproxy;

const cognito = new cognitoSdk.CognitoIdentityProviderClient({});
const web = new webSdk.WorkSpacesWebClient({});

const time = (date) => ({ seconds: Math.floor(date.getTime() / 1000), nanos: (date.getTime() % 1000) * 1e6 });
const provider = ({ IdentityProvider: found }) => ({
  identity_provider: {
    user_pool_id: found.UserPoolId,
    provider_name: found.ProviderName,
    provider_type: found.ProviderType,
    provider_details: found.ProviderDetails,
    attribute_mapping: found.AttributeMapping,
    idp_identifiers: found.IdpIdentifiers,
    last_modified_date: time(found.LastModifiedDate),
    creation_date: time(found.CreationDate),
  },
});
const answered = (call) => (request, answer) =>
  call(request.request).then((reply) => answer(null, reply), (why) => answer({ code: grpc.status.INTERNAL, message: String(why) }));

const server = new grpc.Server();
server.addService(cognitoProto.IdentityProviderService.service, {
  CreateIdentityProvider: answered(async (request) => provider(await cognito.send(new cognitoSdk.CreateIdentityProviderCommand({
    UserPoolId: request.user_pool_id,
    ProviderName: request.provider_name,
    ProviderType: request.provider_type,
    ProviderDetails: request.provider_details,
    AttributeMapping: request.attribute_mapping,
    IdpIdentifiers: request.idp_identifiers,
  })))),
  DescribeIdentityProvider: answered(async (request) => provider(await cognito.send(new cognitoSdk.DescribeIdentityProviderCommand({
    UserPoolId: request.user_pool_id,
    ProviderName: request.provider_name,
  })))),
});
server.addService(webProto.IdentityProviderService.service, {
  CreateIdentityProvider: answered(async (request) => {
    const made = await web.send(new webSdk.CreateIdentityProviderCommand({
      portalArn: request.portal_arn,
      identityProviderName: request.identity_provider_name,
      identityProviderType: request.identity_provider_type,
      identityProviderDetails: request.identity_provider_details,
      clientToken: request.client_token,
    }));
    return { identity_provider_arn: made.identityProviderArn };
  }),
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (why, port) => {
  if (why) throw why;
  console.log(`127.0.0.1:${port}`);
});
