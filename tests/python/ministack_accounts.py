"""Three accounts in MiniStack, with the policies of deploy/iam: the proxy's, and two with a role for it.

    ministack_accounts.py ENDPOINT

Prints what the proxy has to know as JSON.
"""

import json
import pathlib
import sys

import boto3
from botocore.config import Config

ENDPOINT = sys.argv[1]
POLICIES = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "iam"
PROXY, ACCOUNTS = "999900001111", {"111122223333": "tenant-a", "444455556666": "tenant-b"}
# The proxy's own role would come from the machine; here it is a user, since a machine has none.
USER = f"arn:aws:iam::{PROXY}:user/idp-proxy"


def client(service, key, secret="test", config=None):
    """A key of 12 digits is the root of that account."""
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    return boto3.client(service, "us-east-1", endpoint_url=ENDPOINT, config=config, **keys)


def policy(name, account):
    return (POLICIES / name).read_text().replace("111122223333", account)


def role(iam, name, account, trusted, external_id, allowed):
    trust = policy("account-role-trust.json", account).replace("arn:aws:iam::999900001111:role/idp-proxy", trusted)
    trust = json.loads(trust.replace("choose-one-for-each-account", external_id))
    # The session's name, as CloudTrail would show it.
    trust["Statement"][0]["Condition"]["StringEquals"]["sts:RoleSessionName"] = "anonymous"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    if allowed:
        iam.put_role_policy(RoleName=name, PolicyName="idp-proxy", PolicyDocument=policy("account-role.json", account))
    return f"arn:aws:iam::{account}:role/{name}"


def main():
    iam = client("iam", PROXY)
    iam.create_user(UserName="idp-proxy")
    key = iam.create_access_key(UserName="idp-proxy")["AccessKey"]
    roles = json.loads(policy("proxy-role.json", "*"))
    statements = roles["Statement"] + json.loads(policy("account-role.json", PROXY))["Statement"]
    # Roles that the proxy may ask for: it is for themselves to refuse it, or to be of no use.
    others = [f"arn:aws:iam::*:role/{name}" for name in ("powerless", "closed", "no-such-role")]
    roles["Statement"] = statements + [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": others}]
    iam.put_user_policy(UserName="idp-proxy", PolicyName="idp-proxy", PolicyDocument=json.dumps(roles))
    found = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"], "accounts": {}}
    for account, external_id in ACCOUNTS.items():
        iam = client("iam", account)
        role(iam, "idp-proxy", account, USER, external_id, allowed=True)
        role(iam, "unlisted", account, USER, external_id, allowed=True)
        role(iam, "powerless", account, USER, external_id, allowed=False)
        role(iam, "closed", account, f"arn:aws:iam::{PROXY}:user/somebody-else", external_id, allowed=True)
        pool = client("cognito-idp", account).create_user_pool(PoolName=account)["UserPool"]["Id"]
        found["accounts"][account] = pool
    found["own"] = client("cognito-idp", PROXY).create_user_pool(PoolName=PROXY)["UserPool"]["Id"]
    # MiniStack takes any duration, so a session can be had that has ended already. It forgets ended ones when it gives a
    # new one: so the good one comes first.
    account, external_id = next(iter(ACCOUNTS.items()))
    sts = client("sts", key["AccessKeyId"], key["SecretAccessKey"], Config(parameter_validation=False))
    for name, seconds in {"good": 3600, "ended": -1}.items():
        given = sts.assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/idp-proxy",
            RoleSessionName="anonymous",
            ExternalId=external_id,
            DurationSeconds=seconds,
        )["Credentials"]
        found[name] = [given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]]
    print(json.dumps(found))


main()
