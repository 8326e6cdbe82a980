"""Holds examples/service_config.json against grpcio, the library whose rules it is written in: how often is a call sent?

    python service_config.py examples/service_config.json
"""

import json
import re
import sys
import threading
from concurrent import futures

import grpc

UNAVAILABLE, EXHAUSTED, UNKNOWN = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNKNOWN
READS = {"DescribeIdentityProvider", "ListIdentityProviders", "GetIdentityProviderByIdentifier", "GetIdentityProvider"}


class Refusing(grpc.GenericRpcHandler):
    """Refuses every call and counts."""

    def __init__(self):
        self.calls = 0
        self.code = UNAVAILABLE
        self.pushback = None
        self.released = threading.Event()
        self.released.set()

    def service(self, _details):
        def refuse(_request, context):
            self.calls += 1
            self.released.wait()
            if self.pushback is not None:
                context.set_trailing_metadata((("grpc-retry-pushback-ms", self.pushback),))
            context.abort(self.code, "refused")

        return grpc.unary_unary_rpc_method_handler(refuse)


def expected(method, code, pushback):
    """How often a call is sent: what examples/README.md promises."""
    if pushback == "-1" or code is UNKNOWN:
        return 1
    if method in READS:
        return 4
    if code is UNAVAILABLE:
        return 3 if method == "UpdateIdentityProvider" else 1
    return 3


def main(path):
    with open(path, encoding="utf-8") as file:
        config = file.read()
    refusing = Refusing()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), handlers=[refusing])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    checks = 0
    names = [name for entry in json.loads(config)["methodConfig"] for name in entry["name"]]
    for name in names:
        for code, pushback in [
            (UNAVAILABLE, "1"),
            (UNAVAILABLE, "-1"),
            (EXHAUSTED, "1"),
            (EXHAUSTED, "-1"),
            (UNKNOWN, None),
            (UNKNOWN, "1"),
        ]:
            refusing.calls, refusing.code, refusing.pushback = 0, code, pushback
            with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.service_config", config)]) as channel:
                call = channel.unary_unary(f"/{name['service']}/{name['method']}")
                try:
                    call(b"")
                    sys.exit("not refused")
                except grpc.RpcError as error:
                    if error.code() is not code:
                        sys.exit(f"{name} answers {error.code()}: {error.details()}")
            wanted = expected(name["method"], code, pushback)
            if refusing.calls != wanted:
                sys.exit(f"{name}, {code.name}, pushback {pushback}: sent {refusing.calls} times, not {wanted}")
            checks += 1
    # Every method has a deadline: in a short form of it, a call that is not answered ends by itself.
    refusing.released.clear()
    short, times = re.subn(r'"timeout": "(10|30)s"', '"timeout": "0.1s"', config)
    if times != 3:
        sys.exit(f"{times} of 3 entries have a deadline")
    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.service_config", short)]) as channel:
        for name in names:
            try:
                channel.unary_unary(f"/{name['service']}/{name['method']}")(b"", timeout=60)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    sys.exit(f"{name} has no deadline: {error.code()} {error.details()}")
                checks += 1
    refusing.released.set()
    server.stop(None)
    print(f"{checks} checks passed")


main(sys.argv[1])
