"""Judges the quotas of the fake AWS: throttles with boto3's retries off, and the hard quotas.

usage: python fake_aws_quota_by_boto3.py http://127.0.0.1:PORT   (a fresh fake AWS with `--quota real` and the sandbox
resources; to judge the rates of a whole account also with the pools us-east-1_Quota1 to us-east-1_Quota6)

Takes about 70 seconds: 300 providers are made at the 5 per second that AWS allows. Needs boto3==1.44.5.
"""

import time

import botocore.exceptions

from aws_judge import LOG, PORTAL, USER_POOL, Wrong, client, main, refused, together

# Further pools, for the rates of a whole account.
POOLS = [f"us-east-1_Quota{number}" for number in range(1, 7)]
GOOGLE = {"client_id": "c", "client_secret": "s", "authorize_scopes": "email"}
OIDC = GOOGLE | {"oidc_issuer": "https://auth.example.com", "attributes_request_method": "GET"}


def outcomes(results, throttle):
    """How many calls got through, and how many were throttled; anything else is wrong."""
    through = throttled = 0
    for result in results:
        if isinstance(result, botocore.exceptions.ClientError) and type(result).__name__ == throttle:
            throttled += 1
        elif isinstance(result, Exception):
            raise Wrong(f"neither an answer nor {throttle}: {type(result).__name__}: {result}")
        else:
            through += 1
    return through, throttled


def patiently(call, throttle):
    """Calls until it is not throttled."""
    for _ in range(200):
        try:
            return call()
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != throttle:
                raise
            time.sleep(0.1)
    raise Wrong(f"{throttle} for 20 seconds")


def burst(name, calls, throttle, at_least, at_most):
    started = time.monotonic()
    through, throttled = outcomes(together(len(calls), lambda number: calls[number]()), throttle)
    # A bucket refills while the burst runs.
    more = int((time.monotonic() - started) * at_least) + 1
    LOG.check(f"{name}: {through} of {len(calls)} calls at once get through", at_least <= through <= at_most + more,
              f"wanted {at_least} to {at_most + more}")
    LOG.check(f"{name}: the others are {throttle}", throttled == len(calls) - through and throttled > 0)


def until_throttled(name, throttle, call, **members):
    """Calls in a row until one is throttled; gives that answer."""
    for _ in range(500):
        try:
            call()
        except botocore.exceptions.ClientError as error:
            def again(error=error):
                raise error
            return refused(name, throttle, again, "Rate exceeded", **members)
    raise Wrong(f"{name}: 500 were not throttled")


def cognito_rates(aws):
    throttle = "TooManyRequestsException"
    pool = {"UserPoolId": USER_POOL}
    named = pool | {"ProviderName": "Nobody"}

    def quietly(call):
        """ResourceNotFound got through the limiter as well as any success."""
        def run():
            try:
                call()
            except aws.exceptions.ResourceNotFoundException:
                pass
        return run

    lists = [lambda: aws.list_identity_providers(**pool)] * 20
    burst("one read operation of one pool, 5 rps", lists, throttle, 5, 5)
    time.sleep(1.2)
    reads = (lists[:10] + [quietly(lambda: aws.describe_identity_provider(**named))] * 10
             + [quietly(lambda: aws.get_identity_provider_by_identifier(**pool, IdpIdentifier="x"))] * 10)
    burst("three read operations of one pool, 5 rps each", reads, throttle, 15, 15)
    time.sleep(1.2)
    writes = [quietly(lambda: aws.update_identity_provider(**named))] * 10 + [quietly(lambda: aws.delete_identity_provider(**named))] * 10
    burst("two write operations of one pool, 5 rps each", writes, throttle, 10, 10)
    time.sleep(1.2)
    response = until_throttled("lists in a row", throttle, lambda: aws.list_identity_providers(**pool))
    LOG.equal("throttle: status", response["ResponseMetadata"]["HTTPStatusCode"], 400)
    LOG.equal("throttle: boto3 did not retry", response["ResponseMetadata"]["RetryAttempts"], 0)
    patiently(lambda: aws.list_identity_providers(**pool), throttle)
    LOG.check("it gets through again", True)
    for _ in range(12):
        try:
            aws.list_identity_providers(UserPoolId="us-east-1_Missing99")
        except aws.exceptions.ResourceNotFoundException:
            pass
    LOG.check("a pool that does not exist has no budget", True)


def account_wide(aws):
    """The categories, seen with more pools than one budget of 5 rps each can hide."""
    try:
        aws.list_identity_providers(UserPoolId=POOLS[0])
    except aws.exceptions.ResourceNotFoundException:
        print(f"--  rates of the whole account are not judged: start the fake with {' '.join(f'--user-pool {pool}' for pool in POOLS)} too")
        return
    throttle = "TooManyRequestsException"

    def delete(pool):
        try:
            aws.delete_identity_provider(UserPoolId=pool, ProviderName="Nobody")
        except aws.exceptions.ResourceNotFoundException:
            pass

    time.sleep(1.2)
    lists = [lambda pool=pool: aws.list_identity_providers(UserPoolId=pool) for pool in POOLS for _ in range(5)]
    burst("UserPoolResourceRead, 20 rps", lists, throttle, 20, 20)
    deletes = [lambda pool=pool: delete(pool) for pool in POOLS for _ in range(5)]
    burst("UserPoolResourceUpdate, 15 rps", deletes, throttle, 15, 15)


def cognito_hard(aws):
    throttle = "TooManyRequestsException"

    def create(name):
        return patiently(lambda: aws.create_identity_provider(
            UserPoolId=USER_POOL, ProviderName=name, ProviderType="OIDC", ProviderDetails=OIDC), throttle)

    started = time.monotonic()
    for number in range(300):
        create(f"full-{number:03}")
    took = time.monotonic() - started
    LOG.check("300 creates take no less than a minute at 5 rps", 55 < took < 300, f"took {took:.1f} s")
    response = refused("provider 301", "LimitExceededException", lambda: create("full-300"))
    LOG.equal("provider 301: status", response["ResponseMetadata"]["HTTPStatusCode"], 400)
    patiently(lambda: aws.delete_identity_provider(UserPoolId=USER_POOL, ProviderName="full-000"), throttle)
    create("full-300")
    LOG.check("after a delete there is room for one", True)


def wsw(aws):
    throttle = "ThrottlingException"

    def create(name):
        return patiently(lambda: aws.create_identity_provider(
            portalArn=PORTAL, identityProviderName=name, identityProviderType="Google", identityProviderDetails=GOOGLE), throttle)

    arn = create("Only")["identityProviderArn"]
    response = refused("a second provider in a portal", "ServiceQuotaExceededException", lambda: create("Second"),
                       resourceId=PORTAL, resourceType="portal", serviceCode="workspaces-web", quotaCode="L-DFC864EF")
    LOG.equal("a second provider in a portal: status", response["ResponseMetadata"]["HTTPStatusCode"], 402)
    patiently(lambda: aws.delete_identity_provider(identityProviderArn=arn), throttle)
    create("Second")
    LOG.check("after a delete there is room for one", True)
    time.sleep(1.2)
    burst("all operations of a region, 10 rps", [lambda: aws.list_identity_providers(portalArn=PORTAL)] * 30, throttle, 10, 10)
    time.sleep(1.2)
    response = until_throttled("calls in a row", throttle, lambda: aws.list_identity_providers(portalArn=PORTAL),
                               serviceCode="workspaces-web", retryAfterSeconds=1)
    LOG.equal("throttle: status", response["ResponseMetadata"]["HTTPStatusCode"], 429)
    LOG.equal("throttle: header", response["ResponseMetadata"]["HTTPHeaders"]["retry-after"], "1")


def suite(endpoint):
    wsw(client(endpoint, "workspaces-web"))
    cognito = client(endpoint, "cognito-idp")
    cognito_rates(cognito)
    account_wide(cognito)
    cognito_hard(cognito)


if __name__ == "__main__":
    main(suite)
