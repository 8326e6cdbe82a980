"""Does the proto say what AWS's own service models say, and nothing else besides the proxy's own fields?

    proto_mirrors_model.py DESCRIPTOR_SET COGNITO_MODEL WORKSPACES_WEB_MODEL

DESCRIPTOR_SET is a binary google.protobuf.FileDescriptorSet (the build's, or `buf build -o x.binpb`), the models are botocore's
service-2.json (target/tools/models/, made by tests/tools/setup.sh). Prints every mismatch and exits 1, or `N checks passed`.
"""

import json
import re
import sys

from google.protobuf import descriptor_pb2

Field = descriptor_pb2.FieldDescriptorProto

# The proxy's own fields are numbered from here; everything below is AWS's.
OWN_FIRST = 100

REQUEST_ID = ("request_id", 100, "string")
VALIDATE_ONLY = ("validate_only", 101, "bool")
UPDATE_MASK = ("update_mask", 102, ".google.protobuf.FieldMask")
PROVIDER_OWN = [("effective_details", 100, "map<string, string>"), ("secret_fingerprints", 101, "map<string, string>")]

# The contract, section 3, as data.
SERVICES = [
    {
        "package": "idpproxy.cognito.v1",
        "operations": [
            "CreateIdentityProvider",
            "DescribeIdentityProvider",
            "UpdateIdentityProvider",
            "DeleteIdentityProvider",
            "ListIdentityProviders",
            "GetIdentityProviderByIdentifier",
        ],
        # AWS's shape -> our message, where the names differ: IdentityProviderType is a structure here, not a type.
        "messages": {"IdentityProviderType": "IdentityProvider"},
        "order": {},
        "own": {
            "CreateIdentityProviderRequest": [REQUEST_ID, VALIDATE_ONLY],
            "UpdateIdentityProviderRequest": [REQUEST_ID, VALIDATE_ONLY, UPDATE_MASK],
            "DeleteIdentityProviderRequest": [REQUEST_ID, VALIDATE_ONLY],
            "IdentityProvider": PROVIDER_OWN,
        },
    },
    {
        "package": "idpproxy.workspacesweb.v1",
        "operations": [
            "CreateIdentityProvider",
            "GetIdentityProvider",
            "UpdateIdentityProvider",
            "ListIdentityProviders",
            "DeleteIdentityProvider",
        ],
        "messages": {},
        # Where the contract puts members in another order than AWS's model: what is listed first, as Cognito has it.
        "order": {
            "ListIdentityProvidersRequest": ["portalArn", "nextToken", "maxResults"],
            "ListIdentityProvidersResponse": ["identityProviders", "nextToken"],
        },
        "own": {
            "CreateIdentityProviderRequest": [REQUEST_ID, VALIDATE_ONLY],
            "UpdateIdentityProviderRequest": [REQUEST_ID, VALIDATE_ONLY, UPDATE_MASK],
            "DeleteIdentityProviderRequest": [REQUEST_ID, VALIDATE_ONLY],
            "IdentityProvider": PROVIDER_OWN,
        },
    },
]


class Checks:
    """Counts what was compared and keeps what differed."""

    def __init__(self):
        self.count = 0
        self.mismatches = []

    def equal(self, what, proto, expected):
        self.count += 1
        if proto != expected:
            self.mismatches.append(f"{what}: proto has {proto!r}, expected {expected!r}")
        return proto == expected


def snake(name):
    """UserPoolId -> user_pool_id, portalArn -> portal_arn."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def camel(name):
    """The json_name that protobuf gives by default."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def wire_name(name, member):
    """The member's name in JSON. For members in a path or query, locationName is about HTTP; in JSON input they keep their name."""
    if member.get("location") in ("uri", "querystring", "header"):
        return name
    return member.get("locationName", name)


class Package:
    """One proto package, its messages and its only service, over all its files."""

    def __init__(self, descriptor_set, name):
        files = [file for file in descriptor_set.file if file.package == name]
        self.name = name
        self.messages = {message.name: message for file in files for message in file.message_type}
        self.enums = [enum.name for file in files for enum in file.enum_type]
        self.services = [service for file in files for service in file.service]

    def type_of(self, message, field):
        """The field's type as it is written in a .proto file, with its label."""
        scalars = {
            Field.TYPE_STRING: "string",
            Field.TYPE_BOOL: "bool",
            Field.TYPE_INT32: "int32",
        }
        if field.type == Field.TYPE_MESSAGE:
            entries = {f".{self.name}.{message.name}.{entry.name}": entry for entry in message.nested_type if entry.options.map_entry}
            if field.type_name in entries:
                key, value = (self.type_of(entries[field.type_name], part) for part in entries[field.type_name].field)
                return f"map<{key}, {value}>"
            name = field.type_name.removeprefix(f".{self.name}.")
        else:
            name = scalars.get(field.type, Field.Type.Name(field.type))
        if field.label == Field.LABEL_REPEATED:
            return f"repeated {name}"
        return f"optional {name}" if field.proto3_optional else name


class Mirror:
    """Compares one package with one AWS model."""

    def __init__(self, checks, package, model, contract):
        self.checks, self.package, self.model, self.contract = checks, package, model, contract
        self.seen = set()

    def run(self):
        name = self.package.name
        self.checks.equal(f"{name}: services", [s.name for s in self.package.services], ["IdentityProviderService"])
        methods = {m.name: m for s in self.package.services for m in s.method}
        self.checks.equal(f"{name}: RPCs", sorted(methods), sorted(self.contract["operations"]))
        for operation in self.contract["operations"]:
            if operation in methods:
                self.operation(methods[operation])
        self.checks.equal(f"{name}: messages that AWS does not have", sorted(set(self.package.messages) - self.seen), [])
        self.checks.equal(f"{name}: enums (types are strings)", self.package.enums, [])

    def operation(self, method):
        name = f"{self.package.name}.{method.name}"
        self.checks.equal(f"{name}: streaming", (method.client_streaming, method.server_streaming), (False, False))
        aws = self.model["operations"][method.name]
        for kind, used, suffix in (("input", method.input_type, "Request"), ("output", method.output_type, "Response")):
            message = method.name + suffix
            self.checks.equal(f"{name}: {kind}", used, f".{self.package.name}.{message}")
            # An operation without a shape (Cognito's Delete) has an empty message.
            shape = aws[kind]["shape"] if kind in aws else None
            self.structure(message, shape)

    def structure(self, name, shape):
        if name in self.seen:
            return
        self.seen.add(name)
        where = f"{self.package.name}.{name}"
        if not self.checks.equal(f"{where}: is a message", name in self.package.messages, True):
            return
        message = self.package.messages[name]
        members = self.model["shapes"][shape]["members"] if shape else {}
        order = self.contract["order"].get(name, list(members))
        if not self.checks.equal(f"{where}: order covers AWS's members", sorted(order), sorted(members)):
            order = list(members)

        mirrored = {field.name: field for field in message.field if field.number < OWN_FIRST}
        self.checks.equal(f"{where}: fields below {OWN_FIRST}", sorted(mirrored), sorted(snake(member) for member in members))
        for number, member in enumerate(order, start=1):
            field = mirrored.get(snake(member))
            if field is not None:
                self.member(f"{where}.{field.name}", message, field, number, member, members[member])

        own = [(f.name, f.number, self.package.type_of(message, f), f.json_name) for f in message.field if f.number >= OWN_FIRST]
        expected = [(*own_field, camel(own_field[0])) for own_field in self.contract["own"].get(name, [])]
        self.checks.equal(f"{where}: fields from {OWN_FIRST}", sorted(own, key=lambda f: f[1]), expected)

    def member(self, where, message, field, number, name, member):
        self.checks.equal(f"{where}: number", field.number, number)
        self.checks.equal(f"{where}: json_name", field.json_name, wire_name(name, member))
        self.checks.equal(f"{where}: type", self.package.type_of(message, field), self.expected_type(member["shape"]))

    def expected_type(self, shape_name):
        """The proto type for an AWS shape; goes on into the structures that it names."""
        shape = self.model["shapes"][shape_name]
        kind = shape["type"]
        if kind == "string":
            return "string"
        if kind == "integer":
            return "optional int32"  # 0 is not absent
        if kind == "timestamp":
            return ".google.protobuf.Timestamp"
        if kind == "map":
            return f"map<{self.expected_type(shape['key']['shape'])}, {self.expected_type(shape['value']['shape'])}>"
        if kind == "list":
            return f"repeated {self.expected_type(shape['member']['shape'])}"
        if kind == "structure":
            message = self.contract["messages"].get(shape_name, shape_name)
            self.structure(message, shape_name)
            return message
        return f"(no proto type is agreed for AWS's {kind})"


def main(arguments):
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    descriptor_set = descriptor_pb2.FileDescriptorSet()
    with open(arguments[0], "rb") as file:
        descriptor_set.ParseFromString(file.read())
    checks = Checks()
    for contract, path in zip(SERVICES, arguments[1:]):
        with open(path, encoding="utf-8") as file:
            model = json.load(file)
        Mirror(checks, Package(descriptor_set, contract["package"]), model, contract).run()
    if checks.mismatches:
        print("\n".join(checks.mismatches))
        print(f"{len(checks.mismatches)} of {checks.count} checks failed")
        return 1
    print(f"{checks.count} checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
