"""Judges the fake AWS with AWS's own client: all 11 operations and the 3 for tags, errors, pages, protocols.

usage: python fake_aws_by_boto3.py http://127.0.0.1:PORT   (a fake AWS with `--quota off` and the sandbox resources)

Needs boto3==1.44.5. Ends at the first wrong thing with exit code 1.
"""

import datetime
import json
import re
import time
import urllib.parse
import uuid

from aws_judge import (
    LOG, NO_PORTAL, PORTAL, USER_POOL, Raw, Wrong, clean, client, code_of, main, refused, together,
)

OIDC = {
    "client_id": "1example23456789",
    "client_secret": "provider-app-client-secret",
    "authorize_scopes": "openid profile email",
    "oidc_issuer": "https://auth.example.com",
    "attributes_request_method": "GET",
}
SOCIAL = {"client_id": "c", "client_secret": "provider-app-client-secret", "authorize_scopes": "email"}
APPLE = {
    "client_id": "com.example.cognito", "private_key": "1EXAMPLE", "key_id": "2EXAMPLE", "team_id": "3EXAMPLE",
    "authorize_scopes": "email name",
}
METADATA_URL = "https://auth.example.com/sso/saml/metadata"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
TYPES = "[Facebook, SAML, SignInWithApple, LoginWithAmazon, OIDC, Google]"
REQUIRED_SOCIAL = "clientId, clientSecret and authorizeScopes are all required idp details."
REQUIRED_APPLE = "clientId, privateKey, teamId, and keyId are all required idp details."
REQUIRED_OIDC = "clientId, authorizeScopes, oidcIssuer and attributesRequestMethod are all required idp details."
NEW_NAME = r"[^_\p{Z}][\p{L}\p{M}\p{S}\p{N}\p{P}][^_\p{Z}]+"

# The Describe examples of AWS's API reference: what the service adds.
SERVED = {
    "Facebook": {
        "attributes_url": "https://graph.facebook.com/v17.0/me?fields=",
        "attributes_url_add_attributes": "true",
        "authorize_url": "https://www.facebook.com/v17.0/dialog/oauth",
        "token_request_method": "GET",
        "token_url": "https://graph.facebook.com/v17.0/oauth/access_token",
    },
    "Google": {
        "attributes_url": "https://people.googleapis.com/v1/people/me?personFields=",
        "attributes_url_add_attributes": "true",
        "authorize_url": "https://accounts.google.com/o/oauth2/v2/auth",
        "oidc_issuer": "https://accounts.google.com",
        "token_request_method": "POST",
        "token_url": "https://www.googleapis.com/oauth2/v4/token",
    },
    "LoginWithAmazon": {
        "attributes_url": "https://api.amazon.com/user/profile",
        "attributes_url_add_attributes": "false",
        "authorize_url": "https://www.amazon.com/ap/oa",
        "token_request_method": "POST",
        "token_url": "https://api.amazon.com/auth/o2/token",
    },
    "SignInWithApple": {
        "attributes_url_add_attributes": "false",
        "authorize_url": "https://appleid.apple.com/auth/authorize",
        "oidc_issuer": "https://appleid.apple.com",
        "token_request_method": "POST",
        "token_url": "https://appleid.apple.com/auth/token",
    },
}


def metadata(bindings, padding=0):
    """SAML metadata with quotes, newlines, entities and characters outside ASCII."""
    services = "".join(
        f'\n  <md:{service} Binding="{binding}" Location="{location}"/>' for service, binding, location in bindings
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- "quoted" \\ und Ümläute, 日本語, \U0001f512 ' + "x" * padding + " -->\n"
        '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com">\n'
        ' <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
        f"{services}\n </md:IDPSSODescriptor>\r\n\t</md:EntityDescriptor>\n"
    )


def one(text, at, value, constraint):
    return f"{text}Value {value} at '{at}' failed to satisfy constraint: {constraint}"


# --- Cognito ---------------------------------------------------------------------------------------------------------


class Cognito:
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.aws = client(endpoint, "cognito-idp")
        # boto3 checks a few constraints itself; this client lets everything through to the service.
        self.loose = client(endpoint, "cognito-idp", validate=False)

    def create(self, name, kind="OIDC", details=None, aws=None, **more):
        return (aws or self.aws).create_identity_provider(
            UserPoolId=more.pop("pool", USER_POOL), ProviderName=name, ProviderType=kind,
            ProviderDetails=OIDC if details is None else details, **more,
        )["IdentityProvider"]

    def describe(self, name):
        return self.aws.describe_identity_provider(UserPoolId=USER_POOL, ProviderName=name)["IdentityProvider"]

    def update(self, name, **members):
        return self.loose.update_identity_provider(UserPoolId=USER_POOL, ProviderName=name, **members)["IdentityProvider"]

    def delete(self, name):
        return self.aws.delete_identity_provider(UserPoolId=USER_POOL, ProviderName=name)

    def invalid(self, name, call, message=None):
        response = refused(name, "InvalidParameterException", call, message)
        LOG.equal(f"{name}: status", response["ResponseMetadata"]["HTTPStatusCode"], 400)

    def run(self):
        self.life()
        self.timestamps()
        self.types()
        self.saml()
        self.merge()
        self.identifiers()
        self.missing()
        self.details_rules()
        self.constraints()
        self.pages()
        self.at_once()

    def life(self):
        made = self.create("Workforce")
        LOG.equal("create answers the pool", made["UserPoolId"], USER_POOL)
        LOG.equal("create answers the name", made["ProviderName"], "Workforce")
        LOG.equal("create answers the type", made["ProviderType"], "OIDC")
        LOG.equal("OIDC details read back", made["ProviderDetails"], OIDC | {"attributes_url_add_attributes": "false"})
        LOG.equal("absent mapping becomes the default one", made["AttributeMapping"], {"username": "sub"})
        LOG.check("create echoes no identifiers that were not sent", "IdpIdentifiers" not in made)
        LOG.check("there is no ACR mapping unless sent", "AcrMapping" not in made)
        shown = self.describe("Workforce")
        LOG.equal("describe has the identifiers always", shown.pop("IdpIdentifiers"), [])
        LOG.equal("describe answers what create answered", shown, made)
        refused("second create", "DuplicateProviderException", lambda: self.create("Workforce"),
                f"Workforce already exists for tenant {USER_POOL}.")
        listed = self.aws.list_identity_providers(UserPoolId=USER_POOL)
        wanted = {key: made[key] for key in ("ProviderName", "ProviderType", "LastModifiedDate", "CreationDate")}
        LOG.equal("list shows the four members of a description", listed["Providers"], [wanted])
        LOG.check("the only page has no token", "NextToken" not in listed)
        answer = self.delete("Workforce")
        LOG.equal("delete: status", answer["ResponseMetadata"]["HTTPStatusCode"], 200)
        LOG.equal("the list is empty after delete",
                  self.aws.list_identity_providers(UserPoolId=USER_POOL)["Providers"], [])
        for name in ("A.b", "x_y", "日本語のIdP", "Ünï-©2026", "a" * 32, "\U0001f512lock\U0001f512", "na'me\"q", "a&b<c>"):
            made = self.create(name)
            LOG.equal(f"the name {name} is kept", (made["ProviderName"], self.describe(name)["ProviderName"]), (name, name))
            self.delete(name)

    def timestamps(self):
        before = datetime.datetime.now(datetime.timezone.utc)
        made = self.create("Clock")
        after = datetime.datetime.now(datetime.timezone.utc)
        millisecond = datetime.timedelta(milliseconds=1)
        LOG.check("CreationDate is a datetime of now", before - millisecond <= made["CreationDate"] <= after + millisecond,
                  made["CreationDate"])
        LOG.equal("a new provider was last modified when it was created", made["LastModifiedDate"], made["CreationDate"])
        previous = made["LastModifiedDate"]
        for _ in range(3):
            updated = self.update("Clock", IdpIdentifiers=[])
            LOG.check("LastModifiedDate moves on every update", updated["LastModifiedDate"] > previous)
            previous = updated["LastModifiedDate"]
        LOG.equal("CreationDate stays", updated["CreationDate"], made["CreationDate"])
        # The model allows an integer; AWS has a fraction. A thousand times in a row .000 would be a lie.
        fractions = set()
        for _ in range(5):
            fractions.add(self.update("Clock")["LastModifiedDate"].microsecond)
            time.sleep(0.003)
        LOG.check("timestamps have milliseconds", fractions != {0})
        self.delete("Clock")

    def types(self):
        for kind, served in SERVED.items():
            sent = APPLE if kind == "SignInWithApple" else SOCIAL
            sent = sent | ({"api_version": "v17.0"} if kind == "Facebook" else {})
            wanted = {key: value for key, value in sent.items() if key != "private_key"} | served
            made = self.create(kind, kind, sent)
            LOG.equal(f"{kind}: details of create", made["ProviderDetails"], wanted)
            LOG.equal(f"{kind}: details of describe", self.describe(kind)["ProviderDetails"], wanted)
            LOG.equal(f"{kind}: default mapping", made["AttributeMapping"], {"username": "sub"})
            self.invalid(f"{kind}: another name", lambda: self.create("MyOwn", kind, sent),
                         f"Provider MyOwn cannot be of type {kind}.")
            # As Terraform's acceptance tests do: what was read is sent back with the keys that the service sets.
            again = self.update(kind, ProviderDetails=made["ProviderDetails"])
            LOG.equal(f"{kind}: its read-back can be sent back", again["ProviderDetails"], wanted)
            self.delete(kind)
        newer = self.create("Facebook", "Facebook", SOCIAL | {"api_version": "v19.0"})["ProviderDetails"]
        LOG.equal("Facebook's URLs follow api_version", newer["token_url"], "https://graph.facebook.com/v19.0/oauth/access_token")
        self.delete("Facebook")
        apple = self.create("SignInWithApple", "SignInWithApple", APPLE)["ProviderDetails"]
        LOG.check("Apple's private key is never answered", "private_key" not in apple)
        changed = {key: value for key, value in APPLE.items() if key != "private_key"} | {"team_id": "4EXAMPLE"}
        updated = self.update("SignInWithApple", ProviderDetails=changed)["ProviderDetails"]
        LOG.equal("Apple's update may leave the private key out", updated["team_id"], "4EXAMPLE")
        LOG.check("Apple's private key is not answered after that either", "private_key" not in updated)
        self.invalid("Apple: PEM of something else", lambda: self.update(
            "SignInWithApple", ProviderDetails=APPLE | {"private_key": "-----BEGIN CERTIFICATE-----\nMII\n"}),
            "Provided private key cannot be used for Sign in with Apple.")
        self.delete("SignInWithApple")
        endpoints = {
            "authorize_url": "https://auth.example.com/authorize", "token_url": "https://example.com/token",
            "attributes_url": "https://auth.example.com/userInfo", "jwks_uri": "https://auth.example.com/jwks.json",
        }
        made = self.create("ByHand", "OIDC", OIDC | endpoints | {"aws_adds_a_key": "one day"})["ProviderDetails"]
        LOG.equal("OIDC endpoints and unknown keys are stored", made,
                  OIDC | endpoints | {"aws_adds_a_key": "one day", "attributes_url_add_attributes": "false"})
        self.delete("ByHand")

    def saml(self):
        options = {"IDPInit": "true", "IDPSignout": "true", "EncryptedResponses": "true", "RequestSigningAlgorithm": "rsa-sha256"}
        by_url = self.create("SamlUrl", "SAML", options | {"MetadataURL": METADATA_URL})["ProviderDetails"]
        certificate = by_url.pop("ActiveEncryptionCertificate")
        LOG.check("the encryption certificate is base64 of DER", certificate.startswith("MII"), certificate[:20])
        LOG.equal("SAML by URL reads back as documented", by_url, options | {
            "MetadataURL": METADATA_URL, "SSORedirectBindingURI": "https://auth.example.com/sso/saml",
            "SLORedirectBindingURI": "https://auth.example.com/slo/saml"})
        for key in ("ActiveEncryptionCertificate", "SSORedirectBindingURI", "SLORedirectBindingURI", "client_id"):
            self.invalid(f"SAML with {key}", lambda: self.update("SamlUrl", ProviderDetails={
                "MetadataURL": METADATA_URL, key: "x"}), f"{key} is not a valid key for SAML identity provider details.")
        self.delete("SamlUrl")
        file = metadata([("SingleSignOnService", POST, "https://idp/post"),
                         ("SingleSignOnService", REDIRECT, "https://idp/redirect?a=1&amp;b=2")], padding=120_000)
        LOG.check("the metadata file is longer than 100 KB", len(file) > 100_000)
        details = self.create("SamlFile", "SAML", {"MetadataFile": file, "EncryptedResponses": "true"},
                              AttributeMapping={"email": "mail"})
        LOG.equal("a mapping with one entry reads back as one", details["AttributeMapping"], {"email": "mail"})
        details = self.describe("SamlFile")["ProviderDetails"]
        LOG.equal("SAML by file reads back as four keys", sorted(details),
                  ["ActiveEncryptionCertificate", "EncryptedResponses", "MetadataFile", "SSORedirectBindingURI"])
        LOG.check("the metadata file survives byte for byte", details["MetadataFile"] == file)
        LOG.equal("the redirect location is read from it", details["SSORedirectBindingURI"], "https://idp/redirect?a=1&b=2")
        signed_out = metadata([("SingleSignOnService", REDIRECT, "https://idp/in"),
                               ("SingleLogoutService", REDIRECT, "https://idp/out")])
        details = self.update("SamlFile", ProviderDetails={"MetadataFile": signed_out})["ProviderDetails"]
        LOG.equal("the sign-out location too", details["SLORedirectBindingURI"], "https://idp/out")
        self.delete("SamlFile")

        def bad(name, details, message=None):
            self.invalid(f"SAML {name}", lambda: self.create("SamlBad", "SAML", details), message)

        bad("without metadata", {}, "At least one of the MetadataURL or MetadataFile should be provided.")
        bad("with both", {"MetadataURL": METADATA_URL, "MetadataFile": signed_out},
            "Only one of the MetadataURL or MetadataFile should be provided.")
        lacking = "No SingleSignOn Http redirect binding location found in metadata."
        bad("without a redirect binding", {"MetadataFile": metadata([("SingleSignOnService", POST, "https://idp/post")])}, lacking)
        bad("of a service provider", {"MetadataFile": signed_out.replace("IDPSSODescriptor", "SPSSODescriptor")}, lacking)
        bad("that is no XML", {"MetadataFile": "not xml"})
        bad("with an algorithm that is not rsa-sha256", {"MetadataURL": METADATA_URL, "RequestSigningAlgorithm": "rsa-sha1"})
        bad("whose URL does not answer", {"MetadataURL": "https://unreachable.invalid/m"},
            "Non-ok status code 404 returned from remote metadata source https://unreachable.invalid/m")
        bad("whose URL is none", {"MetadataURL": "no url"})

    def merge(self):
        self.create("Merge", AttributeMapping={"email": "email", "custom:team": "groups"}, IdpIdentifiers=["one.example"],
                    AcrMapping={"Level1": "urn:low", "Level4": "urn:high"})
        before = self.describe("Merge")
        LOG.equal("ACR mapping is stored", before["AcrMapping"], {"Level1": "urn:low", "Level4": "urn:high"})
        LOG.equal("identifiers are stored", before["IdpIdentifiers"], ["one.example"])
        updated = self.update("Merge")
        LOG.check("update echoes no identifiers that were not sent", "IdpIdentifiers" not in updated)
        after = self.describe("Merge")
        moved = before.pop("LastModifiedDate") < after.pop("LastModifiedDate")
        LOG.check("an update without members changes the date", moved)
        LOG.equal("an update without members keeps everything else", after, before)
        details = {key: value for key, value in OIDC.items() if key != "client_secret"} | {"authorize_scopes": "openid"}
        self.update("Merge", ProviderDetails=details)
        after = self.describe("Merge")
        LOG.equal("sent details replace the stored ones as a whole", after["ProviderDetails"],
                  details | {"attributes_url_add_attributes": "false"})
        LOG.equal("and nothing else", {key: after[key] for key in ("AttributeMapping", "IdpIdentifiers", "AcrMapping")},
                  {key: before[key] for key in ("AttributeMapping", "IdpIdentifiers", "AcrMapping")})
        self.update("Merge", AttributeMapping={"email": "mail"})
        LOG.equal("a sent mapping replaces as a whole", self.describe("Merge")["AttributeMapping"], {"email": "mail"})
        echoed = self.update("Merge", IdpIdentifiers=["two.example", "a b"])
        LOG.equal("update echoes identifiers that were sent", echoed["IdpIdentifiers"], ["two.example", "a b"])
        cleared = self.update("Merge", AttributeMapping={}, IdpIdentifiers=[], AcrMapping={})
        LOG.equal("an empty mapping clears", cleared["AttributeMapping"], {})
        LOG.equal("an empty list clears and is echoed", cleared["IdpIdentifiers"], [])
        LOG.equal("both stay cleared", (self.describe("Merge")["AttributeMapping"], self.describe("Merge")["IdpIdentifiers"]),
                  ({}, []))
        LOG.check("an empty ACR mapping clears", "AcrMapping" not in self.describe("Merge"))
        self.delete("Merge")
        LOG.equal("an empty mapping on create stays empty", self.create("Empty", AttributeMapping={})["AttributeMapping"], {})
        self.delete("Empty")

    def identifiers(self):
        made = self.create("First", IdpIdentifiers=["example.com", "other+name=1@x.-_ y"])
        LOG.equal("create echoes identifiers that were sent", made["IdpIdentifiers"], ["example.com", "other+name=1@x.-_ y"])

        def find(identifier):
            return self.aws.get_identity_provider_by_identifier(UserPoolId=USER_POOL, IdpIdentifier=identifier)["IdentityProvider"]

        LOG.equal("a provider is found by identifier", find("other+name=1@x.-_ y"), self.describe("First"))
        refused("unknown identifier", "ResourceNotFoundException", lambda: find("nobody.example"))
        self.create("Second")
        self.invalid("an identifier twice in a pool, create", lambda: self.create("Third", IdpIdentifiers=["example.com"]))
        self.invalid("an identifier twice in a pool, update", lambda: self.update("Second", IdpIdentifiers=["a", "example.com"]))
        self.update("First", IdpIdentifiers=["example.com"])
        self.update("Second", IdpIdentifiers=["other+name=1@x.-_ y"])
        LOG.equal("a freed identifier can be taken", find("other+name=1@x.-_ y")["ProviderName"], "Second")
        self.delete("First")
        refused("identifier of a deleted provider", "ResourceNotFoundException", lambda: find("example.com"))
        self.delete("Second")

    def missing(self):
        pool = "us-east-1_Missing99"
        text = f"User pool {pool} does not exist."
        of = {"UserPoolId": pool, "ProviderName": "Workforce"}
        calls = {
            "create": lambda: self.create("Workforce", pool=pool),
            "describe": lambda: self.aws.describe_identity_provider(**of),
            "update": lambda: self.aws.update_identity_provider(**of),
            "delete": lambda: self.aws.delete_identity_provider(**of),
            "list": lambda: self.aws.list_identity_providers(UserPoolId=pool),
            "by identifier": lambda: self.aws.get_identity_provider_by_identifier(UserPoolId=pool, IdpIdentifier="a"),
        }
        for name, call in calls.items():
            response = refused(f"no pool, {name}", "ResourceNotFoundException", call, text)
            LOG.equal(f"no pool, {name}: status as on the wire", response["ResponseMetadata"]["HTTPStatusCode"], 400)
        refused("no provider, describe", "ResourceNotFoundException", lambda: self.describe("Nobody"),
                f"Identity provider Nobody for tenantId {USER_POOL} does not exist.")
        text = f"Identity provider Nobody in User Pool {USER_POOL} does not exist."
        refused("no provider, update", "ResourceNotFoundException", lambda: self.update("Nobody"), text)
        refused("no provider, delete", "ResourceNotFoundException", lambda: self.delete("Nobody"))
        elsewhere = client(self.endpoint, "cognito-idp", region="eu-west-1")
        refused("the pool in another region", "ResourceNotFoundException",
                lambda: elsewhere.list_identity_providers(UserPoolId=USER_POOL), f"User pool {USER_POOL} does not exist.")

    def details_rules(self):
        def without(details, key):
            return {name: value for name, value in details.items() if name != key}

        cases = [("Google", SOCIAL, "client_id client_secret authorize_scopes", REQUIRED_SOCIAL),
                 ("Facebook", SOCIAL, "client_id client_secret authorize_scopes", REQUIRED_SOCIAL),
                 ("LoginWithAmazon", SOCIAL, "client_id client_secret authorize_scopes", REQUIRED_SOCIAL),
                 ("SignInWithApple", APPLE, "client_id private_key team_id key_id", REQUIRED_APPLE),
                 ("OIDC", OIDC, "client_id authorize_scopes oidc_issuer attributes_request_method", REQUIRED_OIDC)]
        for kind, details, keys, message in cases:
            for key in keys.split():
                self.invalid(f"{kind} without {key}", lambda: self.create(kind, kind, without(details, key)), message)
        self.create("Rules", details=without(OIDC, "client_secret"))
        LOG.check("OIDC works without client_secret", True)
        self.invalid("update without a required key", lambda: self.update("Rules", ProviderDetails=without(OIDC, "client_id")),
                     REQUIRED_OIDC)
        self.invalid("update with empty details", lambda: self.update("Rules", ProviderDetails={}), REQUIRED_OIDC)
        self.invalid("http issuer", lambda: self.update("Rules", ProviderDetails=OIDC | {"oidc_issuer": "http://a.example"}),
                     "OIDC endpoint must start with https://")
        self.invalid("method PUT", lambda: self.update("Rules", ProviderDetails=OIDC | {"attributes_request_method": "PUT"}),
                     one("1 validation error detected: ", "providerConfiguration.oidcConfig.attributesRequestMethod", "'PUT'",
                         "Member must satisfy enum value set: [POST, GET]"))
        self.invalid("an issuer that does not answer", lambda: self.update("Rules", ProviderDetails=OIDC | {
            "oidc_issuer": "https://unreachable.invalid"}))
        self.invalid("mapping of an attribute that does not exist", lambda: self.update("Rules", AttributeMapping={
            "email": "email", "zen_groups": "groups"}), "AttributeMapping contains invalid mapping: [zen_groups]")
        LOG.equal("a refused update changes nothing", self.describe("Rules")["ProviderDetails"],
                  without(OIDC, "client_secret") | {"attributes_url_add_attributes": "false"})
        self.delete("Rules")
        self.invalid("ACR mapping of Google", lambda: self.create("Google", "Google", SOCIAL, AcrMapping={"Level1": "a"}))

    def constraints(self):
        first = "1 validation error detected: "

        def bad(name, call, at, value, constraint):
            self.invalid(name, call, one(first, at, value, constraint))

        def create(**members):
            request = {"UserPoolId": USER_POOL, "ProviderName": "Bad", "ProviderType": "OIDC", "ProviderDetails": OIDC}
            request.update(members)
            return lambda: self.loose.create_identity_provider(
                **{name: value for name, value in request.items() if value is not None})

        long = "p" * 33
        bad("name of 33", create(ProviderName=long), "providerName", f"'{long}'",
            "Member must have length less than or equal to 32")
        wide = "\U0001f512" * 32
        LOG.equal("32 characters outside the BMP are 32", create(ProviderName=wide)()["IdentityProvider"]["ProviderName"], wide)
        self.delete(wide)
        for name in ("_ab", "ab", "a b", "a c d", "ab_"):
            bad(f"name {name!r}", create(ProviderName=name), "providerName", f"'{name}'",
                f"Member must satisfy regular expression pattern: {NEW_NAME}")
        bad("unknown type", create(ProviderType="NotARealType"), "providerType", "'NotARealType'",
            f"Member must satisfy enum value set: {TYPES}")
        for member, at in (("UserPoolId", "userPoolId"), ("ProviderName", "providerName"), ("ProviderType", "providerType"),
                           ("ProviderDetails", "providerDetails")):
            bad(f"no {member}", create(**{member: None}), at, "null", "Member must not be null")
        self.invalid("two mistakes", create(ProviderName=long, ProviderType="X"), "; ".join([
            one("2 validation errors detected: ", "providerName", f"'{long}'", "Member must have length less than or equal to 32"),
            one("", "providerType", "'X'", f"Member must satisfy enum value set: {TYPES}")]))
        many = [f"id{number}" for number in range(51)]
        bad("51 identifiers", create(IdpIdentifiers=many), "idpIdentifiers", f"'[{', '.join(many)}]'",
            "Member must have length less than or equal to 50")
        for text in ("", "i" * 41, "ümlaut", "a/b"):
            bad(f"identifier {text!r}", create(IdpIdentifiers=[text]), "idpIdentifiers", f"'[{text}]'",
                "Member must satisfy constraint: [Member must have length less than or equal to 40, Member must have length "
                r"greater than or equal to 1, Member must satisfy regular expression pattern: [\w\s+=.@-]+]")
        self.invalid("mapping key of 33", create(AttributeMapping={"k" * 33: "v"}), re.compile(
            "1 validation error detected: Value '{k+=v}' at 'attributeMapping' failed to satisfy constraint: Map keys must .*32.*"))
        self.invalid("detail of 131073", create(ProviderDetails=OIDC | {"client_secret": "s" * 131073}), re.compile(
            "1 validation error detected: Value .* at 'providerDetails' failed to satisfy constraint: Map value must .*131072.*"))
        self.invalid("ACR level 5", create(AcrMapping={"Level5": "a"}), re.compile(".*'acrMapping'.*Map keys must.*Level\\[1-4\\].*"))
        self.invalid("ACR value with a space", create(AcrMapping={"Level1": "a b"}), re.compile(".*'acrMapping'.*Map value must.*"))
        for pool in ("nounderscore", "a_" + "b" * 54, "us-east-1_With space"):
            self.invalid(f"pool {pool!r}", lambda: self.loose.list_identity_providers(UserPoolId=pool), re.compile(
                "[12] validation errors? detected: Value .* at 'userPoolId' failed to satisfy constraint: .*"))
        bad("61 results", lambda: self.loose.list_identity_providers(UserPoolId=USER_POOL, MaxResults=61), "maxResults", "'61'",
            "Member must have value less than or equal to 60")
        bad("-1 results", lambda: self.loose.list_identity_providers(UserPoolId=USER_POOL, MaxResults=-1), "maxResults", "'-1'",
            "Member must have value greater than or equal to 0")
        self.invalid("token of spaces", lambda: self.loose.list_identity_providers(UserPoolId=USER_POOL, NextToken="a b"))
        # Describe and delete have the older, wider pattern: such a name is missing and not malformed.
        refused("old names are legal outside create", "ResourceNotFoundException", lambda: self.describe("_old name"))

    def pages(self):
        names = sorted(f"page-{number:03}" for number in range(120))
        for name in names:
            self.create(name)

        def walk(**config):
            pages = self.aws.get_paginator("list_identity_providers").paginate(UserPoolId=USER_POOL, PaginationConfig=config)
            return [[provider["ProviderName"] for provider in page["Providers"]] for page in pages]

        LOG.equal("120 providers are 3 pages of at most 50", [len(page) for page in walk()], [50, 50, 20])
        LOG.equal("pages of 7", [len(page) for page in walk(PageSize=7)], [7] * 17 + [1])
        LOG.equal("no provider is lost or twice", [name for page in walk(PageSize=7) for name in page], names)
        LOG.equal("pages that fit exactly have no empty last one", [len(page) for page in walk(PageSize=40)], [40, 40, 40])
        some = self.aws.list_identity_providers(UserPoolId=USER_POOL, MaxResults=60)
        LOG.equal("60 asked are 50 answered", len(some["Providers"]), 50)
        zero = self.aws.list_identity_providers(UserPoolId=USER_POOL, MaxResults=0)
        LOG.equal("0 is the default", len(zero["Providers"]), 50)
        for token in ("bm9uc2Vuc2U", "%%%", some["NextToken"] + "x"):
            self.invalid(f"malformed token {token[:12]}", lambda: self.aws.list_identity_providers(
                UserPoolId=USER_POOL, NextToken=token))
        first = self.aws.list_identity_providers(UserPoolId=USER_POOL, MaxResults=10)
        self.delete("page-009")
        self.delete("page-010")
        second = self.aws.list_identity_providers(UserPoolId=USER_POOL, MaxResults=10, NextToken=first["NextToken"])
        LOG.equal("deletions between pages lose nothing", second["Providers"][0]["ProviderName"], "page-011")
        for name in names:
            if name not in ("page-009", "page-010"):
                self.aws.delete_identity_provider(UserPoolId=USER_POOL, ProviderName=name)

    def at_once(self):
        results = together(24, lambda _: self.create("Race"))
        made = [result for result in results if isinstance(result, dict)]
        LOG.equal("of 24 equal creates at once one succeeds", len(made), 1)
        codes = {type(result).__name__ for result in results if not isinstance(result, dict)}
        LOG.equal("and the others are duplicates", codes, {"DuplicateProviderException"})
        # Two members updated at once: both survive.
        together(16, lambda number: self.update("Race", AttributeMapping={"email": "m"}) if number % 2
                 else self.update("Race", IdpIdentifiers=["race.example"]))
        shown = self.describe("Race")
        LOG.equal("concurrent updates of two members both survive", (shown["AttributeMapping"], shown["IdpIdentifiers"]),
                  ({"email": "m"}, ["race.example"]))
        self.delete("Race")


# --- WorkSpaces Web --------------------------------------------------------------------------------------------------


class WorkSpacesWeb:
    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.aws = client(endpoint, "workspaces-web")
        self.loose = client(endpoint, "workspaces-web", validate=False)
        self.raw = Raw(endpoint)

    def create(self, name, kind="OIDC", details=None, aws=None, **more):
        return (aws or self.aws).create_identity_provider(
            portalArn=more.pop("portal", PORTAL), identityProviderName=name, identityProviderType=kind,
            identityProviderDetails=OIDC if details is None else details, **more,
        )["identityProviderArn"]

    def get(self, arn):
        return self.aws.get_identity_provider(identityProviderArn=arn)["identityProvider"]

    def update(self, arn, **members):
        return self.aws.update_identity_provider(identityProviderArn=arn, **members)["identityProvider"]

    def delete(self, arn):
        return self.aws.delete_identity_provider(identityProviderArn=arn)

    def invalid(self, name, call, fields, message=None, reason="fieldValidationFailed"):
        response = refused(name, "ValidationException", call, message, reason=reason)
        LOG.equal(f"{name}: status", response["ResponseMetadata"]["HTTPStatusCode"], 400)
        LOG.equal(f"{name}: fields", [field["name"] for field in response["fieldList"]], fields)
        return response

    def run(self):
        self.life()
        self.updates()
        self.missing()
        self.idempotency()
        self.details_rules()
        self.constraints()
        self.tags()
        self.arns()
        self.pages()

    def life(self):
        arn = self.create("Work Force")
        prefix = PORTAL.replace(":portal/", ":identityProvider/") + "/"
        LOG.check("the ARN begins with its portal", arn.startswith(prefix), arn)
        uuid.UUID(arn.removeprefix(prefix))
        LOG.check("and ends in a UUID", True)
        shown = self.get(arn)
        LOG.equal("get answers exactly what was submitted, with the secret", shown, {
            "identityProviderArn": arn, "identityProviderName": "Work Force", "identityProviderType": "OIDC",
            "identityProviderDetails": OIDC})
        listed = self.aws.list_identity_providers(portalArn=PORTAL)
        LOG.equal("list shows summaries", listed["identityProviders"], [
            {"identityProviderArn": arn, "identityProviderName": "Work Force", "identityProviderType": "OIDC"}])
        LOG.check("the only page has no token", "nextToken" not in listed)
        response = refused("a name that is taken", "ConflictException", lambda: self.create("Work Force"),
                           resourceId=arn, resourceType="identityProvider")
        LOG.equal("conflict: status", response["ResponseMetadata"]["HTTPStatusCode"], 409)
        LOG.equal("delete: status", self.delete(arn)["ResponseMetadata"]["HTTPStatusCode"], 200)
        LOG.equal("a second delete succeeds", self.delete(arn)["ResponseMetadata"]["HTTPStatusCode"], 200)
        LOG.equal("the list is empty", self.aws.list_identity_providers(portalArn=PORTAL)["identityProviders"], [])
        file = metadata([("SingleSignOnService", REDIRECT, "https://idp/in")], padding=120_000)
        arn = self.create("日本語 \"IdP\" \n2", "SAML", {"MetadataFile": file, "IDPSignout": "true"})
        shown = self.get(arn)
        LOG.check("100 KB of metadata survive, and nothing is added",
                  shown["identityProviderDetails"] == {"MetadataFile": file, "IDPSignout": "true"})
        LOG.equal("unusual names survive", shown["identityProviderName"], "日本語 \"IdP\" \n2")
        self.delete(arn)
        arn = self.create("Free name", "Google", SOCIAL)
        LOG.equal("social providers have any name", self.get(arn)["identityProviderDetails"], SOCIAL)
        self.delete(arn)
        arn = self.create("Apple", "SignInWithApple", APPLE)
        LOG.equal("Apple reads back as submitted", self.get(arn)["identityProviderDetails"], APPLE)
        self.delete(arn)

    def updates(self):
        arn = self.create("Before", "SAML", {"MetadataURL": METADATA_URL})
        changed = self.update(arn, identityProviderName="After", identityProviderType="OIDC", identityProviderDetails=OIDC)
        wanted = {"identityProviderArn": arn, "identityProviderName": "After", "identityProviderType": "OIDC",
                  "identityProviderDetails": OIDC}
        LOG.equal("name, type and details change in one call", changed, wanted)
        LOG.equal("and stay changed", self.get(arn), wanted)
        renamed = self.update(arn, identityProviderName="Again")
        LOG.equal("absent members are kept", renamed, wanted | {"identityProviderName": "Again"})
        fewer = {key: value for key, value in OIDC.items() if key != "client_secret"}
        LOG.equal("sent details replace as a whole", self.update(arn, identityProviderDetails=fewer)["identityProviderDetails"], fewer)
        LOG.equal("an update without members changes nothing", self.update(arn), self.get(arn))
        self.invalid("a type that does not fit the details", lambda: self.update(arn, identityProviderType="SAML"),
                     ["identityProviderDetails"])
        self.invalid("details that do not fit the type", lambda: self.update(arn, identityProviderDetails={"client_id": "x"}),
                     ["identityProviderDetails"], REQUIRED_OIDC)
        other = self.create("Other")
        self.invalid("a name that another has", lambda: self.update(other, identityProviderName="Again"), ["identityProviderName"])
        LOG.equal("a name can be kept", self.update(other, identityProviderName="Other")["identityProviderName"], "Other")
        self.delete(arn)
        self.delete(other)

    def missing(self):
        arn = PORTAL.replace(":portal/", ":identityProvider/") + "/99999999-0000-4000-8000-000000000001"
        for name, call in (("get", lambda: self.get(arn)), ("update", lambda: self.update(arn, identityProviderName="Xyz"))):
            response = refused(f"{name} of a missing provider", "ResourceNotFoundException", call,
                               resourceId=arn, resourceType="identityProvider")
            LOG.equal(f"{name} of a missing provider: status", response["ResponseMetadata"]["HTTPStatusCode"], 404)
        refused("create in a missing portal", "ResourceNotFoundException", lambda: self.create("Xyz", portal=NO_PORTAL),
                resourceId=NO_PORTAL, resourceType="portal")
        LOG.equal("the portal", self.aws.get_portal(portalArn=PORTAL)["portal"]["portalArn"], PORTAL)
        refused("get of a missing portal", "ResourceNotFoundException", lambda: self.aws.get_portal(portalArn=NO_PORTAL),
                resourceId=NO_PORTAL, resourceType="portal")
        LOG.equal("the list of a missing portal is empty",
                  self.aws.list_identity_providers(portalArn=NO_PORTAL)["identityProviders"], [])
        elsewhere = client(self.endpoint, "workspaces-web", region="eu-west-1")
        refused("the portal in another region", "ResourceNotFoundException", lambda: self.create("Xyz", aws=elsewhere))
        here = self.create("Here")
        refused("get of the portal in another region", "ResourceNotFoundException",
                lambda: elsewhere.get_portal(portalArn=PORTAL))
        refused("the provider in another region", "ResourceNotFoundException",
                lambda: elsewhere.get_identity_provider(identityProviderArn=here))
        elsewhere.delete_identity_provider(identityProviderArn=here)
        LOG.equal("a delete in another region deletes nothing", self.get(here)["identityProviderName"], "Here")
        self.delete(here)

    def idempotency(self):
        token = str(uuid.uuid4())
        arn = self.create("Once", clientToken=token)
        LOG.equal("the same token and content answer the same", self.create("Once", clientToken=token), arn)
        response = refused("the same token with other content", "ConflictException",
                           lambda: self.create("Twice", clientToken=token))
        LOG.equal("token conflict: status", response["ResponseMetadata"]["HTTPStatusCode"], 409)
        refused("the same token with other details", "ConflictException",
                lambda: self.create("Once", clientToken=token, details=OIDC | {"client_secret": "another"}))
        LOG.equal("one provider was made", len(self.aws.list_identity_providers(portalArn=PORTAL)["identityProviders"]), 1)
        self.delete(arn)
        LOG.equal("the answer outlives the provider", self.create("Once", clientToken=token), arn)
        arn = self.create("Later")
        first = self.update(arn, identityProviderName="Named", clientToken=token)
        self.update(arn, identityProviderName="Changed")
        LOG.equal("a token of create is free for update, whose first answer is repeated",
                  self.update(arn, identityProviderName="Named", clientToken=token), first)
        LOG.equal("without a second effect", self.get(arn)["identityProviderName"], "Changed")
        # Declared on create only; the fake's choice.
        try:
            self.update(arn, identityProviderName="Other", clientToken=token)
            raise Wrong("the token of an update with other content was accepted")
        except self.aws.exceptions.ConflictException:
            LOG.check("an update's token with other content conflicts", True)
        self.delete(arn)
        body = json.dumps({"portalArn": PORTAL, "identityProviderName": "NoToken", "identityProviderType": "OIDC",
                           "identityProviderDetails": OIDC}).encode()
        answer = self.raw.wsw("CreateIdentityProvider", "POST", "/identityProviders", body)
        LOG.equal("a create without token is fine", answer[0], 200)
        LOG.equal("and is not repeated", self.raw.wsw("CreateIdentityProvider", "POST", "/identityProviders", body)[0], 409)
        self.delete(json.loads(answer[2])["identityProviderArn"])
        token = str(uuid.uuid4())
        arns = set(together(24, lambda _: self.create("Race", clientToken=token)))
        LOG.equal("24 equal creates at once have one answer", len(arns), 1)
        self.delete(arns.pop())

    def details_rules(self):
        cases = [("Google", SOCIAL, "client_secret", REQUIRED_SOCIAL), ("Facebook", SOCIAL, "client_id", REQUIRED_SOCIAL),
                 ("LoginWithAmazon", SOCIAL, "authorize_scopes", REQUIRED_SOCIAL),
                 ("SignInWithApple", APPLE, "private_key", REQUIRED_APPLE), ("OIDC", OIDC, "oidc_issuer", REQUIRED_OIDC),
                 ("SAML", {"MetadataURL": METADATA_URL}, "MetadataURL",
                  "At least one of the MetadataURL or MetadataFile should be provided.")]
        for kind, details, key, message in cases:
            less = {name: value for name, value in details.items() if name != key}
            response = self.invalid(f"{kind} without {key}", lambda: self.create("Bad", kind, less),
                                    ["identityProviderDetails"], message)
            LOG.equal(f"{kind} without {key}: the field says it", response["fieldList"][0]["message"], message)

    def constraints(self):
        def create(**members):
            request = {"portalArn": PORTAL, "identityProviderName": "Bad", "identityProviderType": "OIDC",
                       "identityProviderDetails": OIDC}
            request.update(members)
            return lambda: self.loose.create_identity_provider(
                **{name: value for name, value in request.items() if value is not None})

        first = "1 validation error detected: "
        long = "p" * 33
        wanted = "Member must have length less than or equal to 32"
        response = self.invalid("name of 33", create(identityProviderName=long), ["identityProviderName"],
                                one(first, "identityProviderName", f"'{long}'", wanted))
        LOG.equal("the field has the constraint", response["fieldList"], [{"name": "identityProviderName", "message": wanted}])
        for name in ("_ab", "ab", "ab_"):
            self.invalid(f"name {name!r}", create(identityProviderName=name), ["identityProviderName"])
        for member in ("portalArn", "identityProviderName", "identityProviderType", "identityProviderDetails"):
            self.invalid(f"no {member}", create(**{member: None}), [member],
                         one(first, member, "null", "Member must not be null"))
        self.invalid("unknown type", create(identityProviderType="Okta"), ["identityProviderType"],
                     one(first, "identityProviderType", "'Okta'", f"Member must satisfy enum value set: {TYPES}"))
        response = self.invalid("three mistakes", create(identityProviderName=long, identityProviderType="Okta", portalArn="arn:x"),
                                ["portalArn", "portalArn", "identityProviderName", "identityProviderType"])
        LOG.check("all mistakes are counted", response["Error"]["Message"].startswith("4 validation errors detected: "))
        self.invalid("token of 513", create(clientToken="t" * 513), ["clientToken"])
        self.invalid("detail of 131073", create(identityProviderDetails=OIDC | {"client_id": "s" * 131073}),
                     ["identityProviderDetails"])
        for name, call in (("get", lambda: self.loose.get_identity_provider(identityProviderArn=PORTAL)),
                           ("delete", lambda: self.loose.delete_identity_provider(identityProviderArn=PORTAL)),
                           ("update", lambda: self.loose.update_identity_provider(identityProviderArn=PORTAL))):
            self.invalid(f"{name} with a portal's ARN", call, ["identityProviderArn"])
        self.invalid("list of no ARN", lambda: self.loose.list_identity_providers(portalArn="portal-number-one-of-two"), ["portalArn"])
        self.invalid("portal of no ARN", lambda: self.loose.get_portal(portalArn="portal-number-one-of-two"), ["portalArn"])
        self.invalid("0 results", lambda: self.loose.list_identity_providers(portalArn=PORTAL, maxResults=0), ["maxResults"])
        self.invalid("a malformed token", lambda: self.aws.list_identity_providers(portalArn=PORTAL, nextToken="abc"), ["nextToken"])
        path = f"/portals/{urllib.parse.quote(PORTAL, safe='')}/identityProviders?maxResults=many"
        answer = self.raw.wsw("ListIdentityProviders", "GET", path)
        LOG.equal("maxResults that is no number cannot be parsed", json.loads(answer[2])["reason"], "cannotParse")

    def tags(self):
        arn = self.create("Tagged", tags=[{"Key": "team:a/b", "Value": ""}, {"Key": "日本", "Value": "v" * 256}])

        def shown():
            return {tag["Key"]: tag["Value"] for tag in self.aws.list_tags_for_resource(resourceArn=arn)["tags"]}

        LOG.equal("tags of create are listed", shown(), {"team:a/b": "", "日本": "v" * 256})
        self.aws.tag_resource(resourceArn=arn, tags=[{"Key": "日本", "Value": "new"}, {"Key": "x y=1", "Value": "2"}])
        LOG.equal("tags are added and replaced", shown(), {"team:a/b": "", "日本": "new", "x y=1": "2"})
        self.aws.untag_resource(resourceArn=arn, tagKeys=["x y=1", "日本", "nothing"])
        LOG.equal("tags are removed", shown(), {"team:a/b": ""})
        LOG.check("tags are not in the provider", "tags" not in self.get(arn))

        def tag(first):
            more = [{"Key": f"k{number}", "Value": ""} for number in range(first, first + 150)]
            return self.aws.tag_resource(resourceArn=arn, tags=more)

        tag(0)
        refused("more than 200 tags", "TooManyTagsException", lambda: tag(150), resourceName=arn)
        self.delete(arn)
        refused("tags of a missing provider", "ResourceNotFoundException", shown, resourceId=arn)
        refused("tagging a missing provider", "ResourceNotFoundException",
                lambda: self.aws.tag_resource(resourceArn=arn, tags=[]))
        refused("untagging a missing provider", "ResourceNotFoundException",
                lambda: self.aws.untag_resource(resourceArn=arn, tagKeys=["a"]))

        def bad(name, tags, fields):
            self.invalid(f"tags, {name}", lambda: self.create("Tagged", aws=self.loose, tags=tags), fields)

        bad("key of 129", [{"Key": "k" * 129, "Value": "v"}], ["tags.1.member.key"])
        bad("empty key", [{"Key": "", "Value": "v"}], ["tags.1.member.key"])
        bad("value of 257", [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": "v" * 257}], ["tags.2.member.value"])
        bad("key with !", [{"Key": "k!", "Value": "v"}], ["tags.1.member.key"])
        bad("201 of them", [{"Key": f"k{number}", "Value": "v"} for number in range(201)], ["tags"])

    def arns(self):
        arn = self.create("Encoded")
        spellings = {
            "boto3's": urllib.parse.quote(arn, safe="/"), "everything encoded": urllib.parse.quote(arn, safe=""),
            "nothing encoded": arn, "lower-case hex": urllib.parse.quote(arn, safe="").replace("%3A", "%3a").replace("%2F", "%2f"),
        }
        for name, spelling in spellings.items():
            answer = self.raw.wsw("GetIdentityProvider", "GET", f"/identityProviders/{spelling}")
            LOG.equal(f"ARN in the path, {name}", (answer[0], json.loads(answer[2])["identityProvider"]["identityProviderArn"]),
                      (200, arn))
        for name, spelling in (("raw", PORTAL), ("encoded", urllib.parse.quote(PORTAL, safe=""))):
            answer = self.raw.wsw("ListIdentityProviders", "GET", f"/portals/{spelling}/identityProviders")
            LOG.equal(f"portal ARN in the path, {name}", len(json.loads(answer[2])["identityProviders"]), 1)
        twice = urllib.parse.quote(urllib.parse.quote(arn, safe=""), safe="")
        answer = self.raw.wsw("GetIdentityProvider", "GET", f"/identityProviders/{twice}")
        LOG.equal("an ARN is decoded once", code_of(answer), "ValidationException")
        self.delete(arn)

    def pages(self):
        made = [self.create(f"page-{number:03}") for number in range(25)]

        def walk(size):
            pages, token = [], {}
            while True:
                page = self.aws.list_identity_providers(portalArn=PORTAL, maxResults=size, **token)
                pages.append([provider["identityProviderArn"] for provider in page["identityProviders"]])
                if "nextToken" not in page:
                    return pages
                token = {"nextToken": page["nextToken"]}

        LOG.equal("25 providers by 10 are 3 pages", [len(page) for page in walk(10)], [10, 10, 5])
        LOG.equal("no provider is lost or twice", [arn for page in walk(4) for arn in page], made)
        LOG.equal("pages that fit exactly have no empty last one", [len(page) for page in walk(5)], [5] * 5)
        LOG.equal("any maximum is allowed", [len(page) for page in walk(1_000_000)], [25])
        token = self.aws.list_identity_providers(portalArn=PORTAL, maxResults=1)["nextToken"]
        self.invalid("a token of another portal", lambda: self.aws.list_identity_providers(portalArn=NO_PORTAL, nextToken=token),
                     ["nextToken"])
        for arn in made:
            self.delete(arn)


# --- protocols -------------------------------------------------------------------------------------------------------


def protocols(endpoint):
    raw = Raw(endpoint)
    body = json.dumps({"UserPoolId": USER_POOL}).encode()
    path = f"/portals/{urllib.parse.quote(PORTAL, safe='')}/identityProviders"

    def cognito(name, wanted, **arguments):
        answer = raw.cognito(arguments.pop("operation", "ListIdentityProviders"), arguments.pop("body", body), **arguments)
        LOG.equal(f"cognito-idp, {name}", (answer[0], code_of(answer)), (413 if "TooLarge" in str(wanted) else 400 if wanted else 200, wanted))

    def wsw(name, status, wanted, method="GET", where=path, operation="ListIdentityProviders", **arguments):
        answer = raw.wsw(operation, method, where, **arguments)
        LOG.equal(f"workspaces-web, {name}", (answer[0], code_of(answer)), (status, wanted))

    cognito("a signed request", None)
    cognito("unknown member is ignored", None, body=json.dumps({"UserPoolId": USER_POOL, "New": 1}).encode())
    cognito("null is absent", None, body=json.dumps({"UserPoolId": USER_POOL, "NextToken": None}).encode())
    serialization = "SerializationException"
    for name, text in (("no JSON", b"{"), ("a list", b"[]"), ("not UTF-8", b'{"UserPoolId":"\xff"}'),
                       ("a number for a string", b'{"UserPoolId":1}'),
                       ("a string for a number", b'{"UserPoolId":"a_b","MaxResults":"1"}'),
                       ("a fraction for an integer", b'{"UserPoolId":"a_b","MaxResults":1.5}')):
        cognito(name, serialization, body=text)
    for name, member in (("a list for a map", {"ProviderDetails": []}), ("a string for a list", {"IdpIdentifiers": "a"}),
                         ("a number in a map", {"ProviderDetails": {"client_id": 1}}), ("a map in a list", {"IdpIdentifiers": [{}]}),
                         ("a boolean in a map", {"AttributeMapping": {"email": True}})):
        text = json.dumps({"UserPoolId": USER_POOL, "ProviderName": "Abc", "ProviderType": "OIDC"} | member).encode()
        cognito(name, serialization, operation="CreateIdentityProvider", body=text)
    cognito("unsigned", "MissingAuthenticationTokenException", sign=False)
    cognito("a bearer token", "IncompleteSignature", change={"Authorization": "Bearer abc"})
    cognito("no date", "IncompleteSignature", change={"X-Amz-Date": None})
    cognito("another service", "InvalidSignatureException", service="workspaces-web")
    unknown = raw.cognito("ListUsers", body, judge=False)
    LOG.equal("cognito-idp, unknown operation", (unknown[0], code_of(unknown)), (400, "UnknownOperationException"))
    foreign = raw.cognito("x", body, change={"X-Amz-Target": "DynamoDB_20120810.ListTables"}, judge=False)
    LOG.equal("cognito-idp, another service's target", code_of(foreign), "UnknownOperationException")
    cognito("a body of 5 MiB", "RequestEntityTooLargeException", body=b'{"UserPoolId":"' + b"x" * (5 << 20) + b'"}')

    wsw("a signed request", 200, None)
    wsw("unsigned", 403, "MissingAuthenticationTokenException", sign=False)
    wsw("another algorithm", 403, "IncompleteSignature", change={"Authorization": "AWS3 x"})
    wsw("another service", 403, "InvalidSignatureException", service="cognito-idp")
    good = raw.signed("workspaces-web", "GET", path)["Authorization"]
    for name, old, new, code in (("no signature", ", Signature=", ", Sig=", "IncompleteSignature"),
                                 ("no credential", "Credential=", "Cred=", "IncompleteSignature"),
                                 ("no signed headers", "SignedHeaders=", "Headers=", "IncompleteSignature"),
                                 ("a short signature", good[-4:], "", "IncompleteSignature"),
                                 ("a wrong terminator", "/aws4_request", "/aws5_request", "InvalidSignatureException"),
                                 ("host not signed", "SignedHeaders=host;", "SignedHeaders=", "InvalidSignatureException"),
                                 ("four parts", "/us-east-1/", "/", "IncompleteSignature")):
        wsw(name, 403, code, change={"Authorization": good.replace(old, new)})
    for name, text in (("no JSON", b"{"), ("a number for a string", b'{"identityProviderName":1}'),
                       ("a list for a map", b'{"identityProviderDetails":[]}'), ("a string in tags", b'{"tags":["a"]}')):
        wsw(name, 400, serialization, method="POST", where="/identityProviders", operation="CreateIdentityProvider", body=text)
    wsw("a body of 5 MiB", 413, "RequestEntityTooLargeException", method="POST", where="/identityProviders",
        operation="CreateIdentityProvider", body=b'{"portalArn":"' + b"x" * (5 << 20) + b'"}')
    for method, where in (("GET", "/identityProviders"), ("PUT", f"/identityProviders/{PORTAL}"), ("GET", "/"), ("POST", path),
                          ("GET", "/portals//identityProviders"), ("DELETE", "/identityProviders/")):
        answer = raw.wsw("", method, where, judge=False)
        LOG.equal(f"workspaces-web, {method} {where[:24]}", (answer[0], code_of(answer)), (404, "UnknownOperationException"))
    wsw("a path that is not UTF-8", 400, "MalformedHttpRequestException", where="/identityProviders/%ff", operation="GetIdentityProvider")


def suite(endpoint):
    clean(client(endpoint, "cognito-idp"), client(endpoint, "workspaces-web"))
    Cognito(endpoint).run()
    WorkSpacesWeb(endpoint).run()
    protocols(endpoint)


if __name__ == "__main__":
    main(suite)
