"""What both conformance suites share: boto3 clients whose every raw answer is compared with botocore's service model.

The service models of botocore are AWS's own machine-readable contract; nothing here was written from the fake's source.
"""

import http.client
import json
import re
import sys
import threading
import traceback
import unicodedata
import urllib.parse
import uuid

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials

USER_POOL = "us-east-1_Sandbox01"
PORTAL = "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001"
NO_PORTAL = "arn:aws:workspaces-web:us-east-1:123456789012:portal/ffffffff-0000-4000-8000-000000000009"

# Codes that AWS's model does not declare for the operation, and why the fake may answer them.
COMMON_ERRORS = {
    "SerializationException": 400,
    "UnknownOperationException": 404,
    "MissingAuthenticationTokenException": 403,
    "IncompleteSignature": 403,
    "InvalidSignatureException": 403,
    "RequestEntityTooLargeException": 413,
    "MalformedHttpRequestException": 400,
}
UNMODELLED = {
    # The token mismatch of Update has no declared code that says it.
    ("workspaces-web", "UpdateIdentityProvider", "ConflictException"): 409,
}
CONTENT_TYPE = {"json": "application/x-amz-json-1.1", "rest-json": "application/json"}


class Wrong(Exception):
    """The fake did something that AWS does not do."""


class Log:
    """One line for each check; counts them."""

    def __init__(self):
        self.checks = 0
        self.answers = 0
        self.lock = threading.Lock()

    def check(self, name, condition, detail=""):
        if not condition:
            raise Wrong(f"{name}: {detail}" if detail != "" else name)
        with self.lock:
            self.checks += 1
        print(f"ok  {name}", flush=True)

    def equal(self, name, found, wanted):
        self.check(name, found == wanted, f"found {found!r}, wanted {wanted!r}")


LOG = Log()


# --- the recursive checker -------------------------------------------------------------------------------------------


def unicode_class(category):
    """A character class body for \\p{X}, which Python's re does not know."""
    if category not in unicode_class.cache:
        ranges, start = [], None
        for point in range(sys.maxunicode + 2):
            inside = point <= sys.maxunicode and unicodedata.category(chr(point)).startswith(category)
            if inside and start is None:
                start = point
            elif not inside and start is not None:
                ranges.append(f"\\U{start:08x}-\\U{point - 1:08x}")
                start = None
        unicode_class.cache[category] = "".join(ranges)
    return unicode_class.cache[category]


unicode_class.cache = {}


def matches(pattern, text):
    if pattern not in matches.cache:
        translated = re.sub(r"\\p\{(\w)\}", lambda found: unicode_class(found.group(1)), pattern)
        matches.cache[pattern] = re.compile(f"(?:{translated})", re.ASCII)
    return matches.cache[pattern].fullmatch(text) is not None


matches.cache = {}


def compare(shape, value, path):
    """Raises Wrong unless `value` is what `shape` allows: no unknown member, no missing one, types, lengths, patterns."""
    kind = shape.type_name

    def must(condition, what):
        if not condition:
            raise Wrong(f"{path}: {what} (the model's shape is {shape.name})")

    def bounded(number, what):
        meta = shape.metadata
        must(number >= meta.get("min", number), f"{what} {number} is less than {meta.get('min')}")
        must(number <= meta.get("max", number), f"{what} {number} is more than {meta.get('max')}")

    if kind == "structure":
        must(isinstance(value, dict), f"{type(value).__name__} instead of an object")
        wire = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()
                if "location" not in member.serialization}
        for key, inner in value.items():
            must(key in wire, f"the model knows no member {key!r}")
            compare(wire[key][1], inner, f"{path}.{key}")
        for name in shape.required_members:
            must(any(wire_name in value for wire_name, (known, _) in wire.items() if known == name),
                 f"the required member {name!r} is missing")
    elif kind == "map":
        must(isinstance(value, dict), f"{type(value).__name__} instead of a map")
        bounded(len(value), "number of entries")
        for key, inner in value.items():
            compare(shape.key, key, f"{path}(key)")
            compare(shape.value, inner, f"{path}[{key!r}]")
    elif kind == "list":
        must(isinstance(value, list), f"{type(value).__name__} instead of a list")
        bounded(len(value), "number of items")
        for position, inner in enumerate(value):
            compare(shape.member, inner, f"{path}[{position}]")
    elif kind == "string":
        must(isinstance(value, str), f"{type(value).__name__} instead of a string")
        bounded(len(value), "length")
        must(not shape.enum or value in shape.enum, f"{value!r} is none of {shape.enum}")
        pattern = shape.metadata.get("pattern")
        must(not pattern or matches(pattern, value), f"{value[:200]!r} does not match {pattern}")
    elif kind == "timestamp":
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        must(number, f"{value!r} is no number of seconds since 1970")
        must(1.5e9 < value < 1e10, f"{value!r} is not in seconds")
        must(abs(value * 1000 - round(value * 1000)) < 1e-3, f"{value!r} is finer than milliseconds")
    elif kind in ("integer", "long"):
        must(isinstance(value, int) and not isinstance(value, bool), f"{type(value).__name__} instead of an integer")
        bounded(value, "value")
    elif kind == "boolean":
        must(isinstance(value, bool), f"{type(value).__name__} instead of a boolean")
    else:
        must(False, f"the checker does not know {kind}")


def judge_answer(operation, status, headers, body):
    """Compares one raw answer with the model of its operation."""
    model = operation.service_model
    protocol = model.metadata["protocol"]
    where = f"{model.service_name}.{operation.name}"
    headers = {key.lower(): value for key, value in headers.items()}
    with LOG.lock:
        LOG.answers += 1

    def must(condition, what):
        if not condition:
            raise Wrong(f"raw answer of {where}: {what}")

    try:
        uuid.UUID(headers.get("x-amzn-requestid", ""))
    except ValueError:
        must(False, f"x-amzn-RequestId is {headers.get('x-amzn-requestid')!r}, not a UUID")
    must(headers.get("content-type") == CONTENT_TYPE[protocol], f"content type {headers.get('content-type')!r}")
    must("date" in headers, "no Date header")
    if status < 300:
        must("x-amzn-errortype" not in headers, "a success with x-amzn-ErrorType")
        must(status == operation.http.get("responseCode", 200), f"status {status}")
        if operation.output_shape is None:
            must(body == b"", "an operation without output has a body")
        else:
            compare(operation.output_shape, json.loads(body), where)
        return
    judge_error(operation, status, headers, body, must, where)


def judge_error(operation, status, headers, body, must, where):
    model = operation.service_model
    rpc = model.metadata["protocol"] == "json"
    code = headers.get("x-amzn-errortype", "")
    must(re.fullmatch("[A-Z][A-Za-z]+", code), f"x-amzn-ErrorType is {code!r}")
    document = json.loads(body)
    if rpc:
        must(document.pop("__type", None) == code, "__type is not the code of the header")
    must(isinstance(document.get("message"), str) and document["message"], "an error without `message`")
    declared = {shape.name: shape for shape in operation.error_shapes}
    if code in declared:
        shape = declared[code]
        compare(shape, document, f"{where} {code}")
        wanted = shape.metadata.get("error", {}).get("httpStatusCode", 400)
        for name, member in shape.members.items():
            if member.serialization.get("location") == "header" and code == "ThrottlingException":
                value = headers.get(member.serialization["name"].lower(), "")
                must(re.fullmatch("[1-9][0-9]*", value), f"{member.serialization['name']} is {value!r}")
    else:
        known = COMMON_ERRORS.get(code, UNMODELLED.get((model.service_name, operation.name, code)))
        must(known, f"{code} is declared neither for this operation nor as a common error")
        wanted = known
    if rpc and 400 <= wanted < 500 and wanted != 413:
        wanted = 400
    must(status == wanted, f"{code} has status {status}, wanted {wanted}")


# --- clients ---------------------------------------------------------------------------------------------------------


def client(endpoint, service, region="us-east-1", validate=True, judge=True):
    """A boto3 client without retries, every answer of which is judged before boto3 reads it."""
    config = botocore.config.Config(
        retries={"total_max_attempts": 1}, parameter_validation=validate, read_timeout=20, max_pool_connections=40,
    )
    made = boto3.session.Session().client(
        service, endpoint_url=endpoint, region_name=region, config=config,
        aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="any key works",
    )

    def before_parse(operation_model, response_dict, **_):
        judge_answer(operation_model, response_dict["status_code"], response_dict["headers"], response_dict["body"])

    if judge:
        made.meta.events.register(f"before-parse.{service}", before_parse)
    return made


class Raw:
    """Requests by hand, for what boto3 would not send."""

    def __init__(self, endpoint):
        self.url = urllib.parse.urlsplit(endpoint)
        self.endpoint = endpoint.rstrip("/")
        self.models = {service: client(endpoint, service, judge=False).meta.service_model
                       for service in ("cognito-idp", "workspaces-web")}

    def send(self, method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def signed(self, service, method, path, body=b"", headers=None, region="us-east-1"):
        """The headers of a signed request."""
        request = botocore.awsrequest.AWSRequest(method, self.endpoint + path, data=body, headers=headers or {})
        request.headers["Host"] = self.url.netloc
        key = botocore.credentials.Credentials("AKIDEXAMPLE", "any key works")
        botocore.auth.SigV4Auth(key, service, region).add_auth(request)
        return dict(request.headers.items())

    def cognito(self, operation, body, sign=True, change=None, region="us-east-1", judge=True, service="cognito-idp"):
        headers = {"Content-Type": CONTENT_TYPE["json"], "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}"}
        if sign:
            headers = self.signed(service, "POST", "/", body, headers, region)
        headers.update(change or {})
        headers = {name: value for name, value in headers.items() if value is not None}
        answer = self.send("POST", "/", body, headers)
        if judge:
            judge_answer(self.models["cognito-idp"].operation_model(operation), *answer)
        return answer

    def wsw(self, operation, method, path, body=b"", sign=True, change=None, judge=True, service="workspaces-web"):
        headers = {"Content-Type": CONTENT_TYPE["rest-json"]}
        if sign:
            headers = self.signed(service, method, path, body, headers)
        headers.update(change or {})
        headers = {name: value for name, value in headers.items() if value is not None}
        answer = self.send(method, path, body, headers)
        if judge:
            judge_answer(self.models["workspaces-web"].operation_model(operation), *answer)
        return answer


def code_of(answer):
    return {name.lower(): value for name, value in answer[1].items()}.get("x-amzn-errortype")


def refused(name, code, call, message=None, **members):
    """`call` must fail with the typed exception `code`, with this message and these members. Gives the answer."""
    try:
        call()
    except Wrong:
        raise
    except Exception as error:  # noqa: BLE001 - the type is what is judged
        LOG.equal(f"{name}: {code}", type(error).__name__, code)
        response = error.response
        LOG.equal(f"{name}: Error.Code", response["Error"]["Code"], code)
        if message is not None:
            found = response["Error"]["Message"]
            good = message.fullmatch(found) if isinstance(message, re.Pattern) else found == message
            LOG.check(f"{name}: message", good, f"found {found!r}, wanted {message!r}")
        for member, wanted in members.items():
            LOG.equal(f"{name}: {member}", response.get(member), wanted)
        return response
    raise Wrong(f"{name}: succeeded, wanted {code}")


def together(count, call):
    """Runs `call(number)` in as many threads at once; gives results and errors."""
    results, gate = [None] * count, threading.Barrier(count)

    def run(number):
        gate.wait()
        try:
            results[number] = call(number)
        except Exception as error:  # noqa: BLE001 - handed to the caller
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def clean(cognito, wsw):
    """Deletes every provider of the sandbox resources."""
    for page in cognito.get_paginator("list_identity_providers").paginate(UserPoolId=USER_POOL):
        for provider in page["Providers"]:
            cognito.delete_identity_provider(UserPoolId=USER_POOL, ProviderName=provider["ProviderName"])
    while found := wsw.list_identity_providers(portalArn=PORTAL)["identityProviders"]:
        for provider in found:
            wsw.delete_identity_provider(identityProviderArn=provider["identityProviderArn"])


def main(suite):
    """Runs a suite against the endpoint of the command line."""
    if len(sys.argv) != 2:
        print(f"usage: {sys.argv[0]} http://127.0.0.1:PORT", file=sys.stderr)
        sys.exit(64)
    try:
        suite(sys.argv[1])
    except Wrong as wrong:
        print(f"WRONG  {wrong}", file=sys.stderr)
        sys.exit(1)
    except Exception as unexpected:  # noqa: BLE001 - an error where an answer was wanted
        traceback.print_exc()
        print(f"WRONG  unexpected {type(unexpected).__name__}: {unexpected}", file=sys.stderr)
        sys.exit(1)
    print(f"{LOG.answers} raw answers compared with the model")
    print(f"{LOG.checks} checks passed")
