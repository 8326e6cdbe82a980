"""A REST client: sends requests over HTTP/1.1 and TLS with Python's own http.client, and prints the answers as JSON.

    python rest_client.py ADDRESS:PORT CA.pem [CERTIFICATE.pem KEY.pem] < REQUESTS

REQUESTS: a JSON list of {"method", "target", "headers", "body"}; the answers are a list of {"status", "headers", "body"}.
"""

import http.client
import json
import ssl
import sys

address, authority, *certificate = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
if certificate:
    context.load_cert_chain(*certificate)


class Connection(http.client.HTTPSConnection):
    """To an address, for the name that the server's certificate has."""

    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = context.wrap_socket(self.sock, server_hostname="idp-proxy.example")


answers = []
for request in json.load(sys.stdin):
    connection = Connection(address)
    connection.request(request["method"], request["target"], request["body"].encode(), request["headers"])
    answer = connection.getresponse()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    answers.append({"status": answer.status, "headers": headers, "body": answer.read().decode()})
    connection.close()
print(json.dumps(answers))
