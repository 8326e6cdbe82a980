// Makes an OIDC and a SAML provider in a user pool and one in a WorkSpaces Web portal; examples/README.md says how to run it.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const protobuf = require('protobufjs');

const POOL = 'us-east-1_Sandbox01';
const PORTAL = 'arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001';
// One id for each change, kept wherever the change is kept (a ticket, a row), so that another run repeats the same call.
const CHANGE = 'ticket-4711-node';
const DEADLINE_MS = 10_000;
const TRIES = 4;
// What a call with a request_id may be repeated after: nothing was done, or it is not known what was.
const REPEATABLE = new Set([
  grpc.status.UNAVAILABLE,
  grpc.status.UNKNOWN,
  grpc.status.DEADLINE_EXCEEDED,
  grpc.status.ABORTED,
]);

const root = path.join(__dirname, '../..');
const services = loader.loadSync(
  ['cognito', 'workspacesweb'].map((api) => `idpproxy/${api}/v1/identity_provider_service.proto`),
  { includeDirs: [path.join(root, 'proto')], keepCase: true },
);
const { idpproxy } = grpc.loadPackageDefinition(services);

// The parts of google/rpc/status.proto and error_details.proto that are read here.
const rpc = protobuf.parse(`
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message BadRequest { repeated FieldViolation field_violations = 1; message FieldViolation { string field = 1; string description = 2; } }
  message RetryInfo { Duration retry_delay = 1; message Duration { int64 seconds = 1; int32 nanos = 2; } }
`, { keepCase: true }).root;

/** The error's details of one kind, such as BadRequest. */
function details(error, kind) {
  const [packed] = error.metadata?.get('grpc-status-details-bin') ?? [];
  const all = packed ? rpc.lookupType('Status').decode(packed).details : [];
  const type = rpc.lookupType(kind);
  return all.filter((any) => any.type_url.endsWith(`/google.rpc.${kind}`)).map((any) => type.decode(any.value));
}

/** Calls until the outcome is known. The request must have a request_id. */
async function call(client, method, request) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await new Promise((resolve, reject) => {
        const options = { deadline: Date.now() + DEADLINE_MS };
        client[method](request, options, (error, answer) => (error ? reject(error) : resolve(answer)));
      });
    } catch (error) {
      if (attempt === TRIES || !REPEATABLE.has(error.code)) throw error;
      const [retry] = details(error, 'RetryInfo');
      const asked = retry && Number(retry.retry_delay.seconds) * 1000 + retry.retry_delay.nanos / 1e6;
      await sleep(asked ?? (0.5 + Math.random() / 2) * 250 * 2 ** attempt);
    }
  }
}

/** All that the proxy says about a refusal. No secret is ever in it. */
function explain(error) {
  console.error(`${grpc.status[error.code] ?? 'ERROR'}: ${error.details ?? error.message}`);
  for (const info of details(error, 'ErrorInfo')) {
    console.error(`  reason ${info.reason}, ${JSON.stringify(info.metadata)}`);
  }
  for (const bad of details(error, 'BadRequest')) {
    for (const violation of bad.field_violations) console.error(`  ${violation.field}: ${violation.description}`);
  }
}

async function main(address, issuer = 'https://idp.example') {
  const config = fs.readFileSync(path.join(root, 'examples/service_config.json'), 'utf8');
  const options = { 'grpc.service_config': config };
  // In production: grpc.credentials.createSsl(...).
  const credentials = grpc.credentials.createInsecure();
  const pools = new idpproxy.cognito.v1.IdentityProviderService(address, credentials, options);
  const portals = new idpproxy.workspacesweb.v1.IdentityProviderService(address, credentials, options);
  const oidc = {
    user_pool_id: POOL,
    provider_name: 'NodeOidc',
    provider_type: 'OIDC',
    provider_details: {
      client_id: 'my-client',
      client_secret: 'my-secret',
      authorize_scopes: 'openid email',
      oidc_issuer: issuer,
      attributes_request_method: 'GET',
    },
    attribute_mapping: { email: 'email' },
    request_id: `${CHANGE}-oidc`,
  };
  const saml = {
    user_pool_id: POOL,
    provider_name: 'NodeSaml',
    provider_type: 'SAML',
    provider_details: { MetadataURL: 'https://idp.example/metadata' },
    request_id: `${CHANGE}-saml`,
  };
  for (const request of [oidc, saml]) {
    const { identity_provider: made } = await call(pools, 'CreateIdentityProvider', request);
    const created = Number(made.creation_date.seconds) * 1000 + made.creation_date.nanos / 1e6;
    console.log(made.provider_name, made.provider_type, new Date(created).toISOString());
  }
  const portal = {
    portal_arn: PORTAL,
    identity_provider_name: 'NodeSaml',
    identity_provider_type: 'SAML',
    identity_provider_details: { MetadataURL: 'https://idp.example/metadata' },
    request_id: `${CHANGE}-portal`,
  };
  const { identity_provider_arn: arn } = await call(portals, 'CreateIdentityProvider', portal);
  console.log(arn);
  pools.close();
  portals.close();
}

const [address, issuer] = process.argv.slice(2);
if (!address) {
  console.error('usage: create_providers.js ADDRESS [ISSUER]');
  process.exit(1);
}
main(address, issuer).catch((error) => {
  explain(error);
  process.exit(1);
});
