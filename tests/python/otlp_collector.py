"""A collector for tests: OpenTelemetry's own gRPC service and types. Prints the port, then one JSON line for each span.

    otlp_collector.py [KEY.pem CERTIFICATE.pem]
"""

import concurrent.futures
import json
import sys

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2


def say(line):
    print(json.dumps(line), flush=True)


def plain(attributes):
    """Attributes as a dictionary; a key that occurs twice is a mistake."""
    found = {}
    for attribute in attributes:
        assert attribute.key not in found, attribute.key
        found[attribute.key] = getattr(attribute.value, attribute.value.WhichOneof("value"))
    return found


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        for of_resource in request.resource_spans:
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    say({
                        "name": span.name,
                        "kind": trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                        "status": trace_pb2.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
                        "trace_id": span.trace_id.hex(),
                        "span_id": span.span_id.hex(),
                        "parent_span_id": span.parent_span_id.hex(),
                        "trace_state": span.trace_state,
                        "start_ns": span.start_time_unix_nano,
                        "end_ns": span.end_time_unix_nano,
                        "attributes": plain(span.attributes),
                        "resource": plain(of_resource.resource.attributes),
                        "schema": of_scope.schema_url,
                        "headers": metadata,
                        # For searches: all that the span holds, in whatever member.
                        "whole": MessageToDict(span),
                    })
        return trace_service_pb2.ExportTraceServiceResponse()


def main():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 64 << 20)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), server)
    if len(sys.argv) > 1:
        key, certificate = (open(path, "rb").read() for path in sys.argv[1:])
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    say({"port": port})
    # Ends with whoever started it.
    sys.stdin.read()
    server.stop(None).wait()


main()
