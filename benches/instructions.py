#!/usr/bin/env python3
"""The regression gate: instructions of a call, counted by callgrind, against the committed figures.

    benches/instructions.py            fails if a figure has grown by more than LIMIT
    benches/instructions.py --update   writes the figures anew

Instructions do not depend on what else the machine does. Valgrind shows every program the same processor, so that code
which chooses by the processor's features chooses the same everywhere. The figures are those of the Rust version in the
file's first line; another compiler makes other code of the same, so with it the limit is wider.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIGURES = ROOT / "benches/instructions.txt"
TOOLS = ROOT / "target/tools/valgrind"
# Of a figure.
LIMIT = 0.03
LIMIT_WITH_OTHER_RUST = 0.25
# A figure is the difference of two runs, so that start and end of the program do not count. Loading policies takes some more
# or less each time, as hash maps have random keys: there it takes many calls for that not to show.
STAGES = {"parse": (100, 600), "policy": (100, 40_100), "policy-new": (100, 3_100), "status": (100, 600)}
# And each start gathers entropy, which takes as long as it takes.
PIPELINE = (100, 1_100)


def valgrind():
    """The machine's, else Debian's under target/, which needs no rights to install."""
    if shutil.which("valgrind"):
        return ["valgrind"], {}
    binary = TOOLS / "usr/bin/valgrind.bin"
    if not binary.exists():
        TOOLS.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "valgrind"], cwd=TOOLS, check=True)
        package = next(TOOLS.glob("valgrind_*.deb"))
        subprocess.run(["dpkg", "-x", package, TOOLS], check=True)
    return [str(binary)], {"VALGRIND_LIB": str(TOOLS / "usr/libexec/valgrind")}


def build():
    """The benchmark and the proxy, in the profile that is made for this."""
    command = ["cargo", "build", "--locked", "--profile", "gate", "--bench", "speed", "--bin", "idp-proxy"]
    built = subprocess.run([*command, "--message-format=json-render-diagnostics"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found = {}
    for line in built.stdout.splitlines():
        artifact = json.loads(line)
        if artifact.get("executable"):
            found[artifact["target"]["name"]] = artifact["executable"]
    return found["speed"], found["idp-proxy"]


def callgrind(scratch, more=None):
    program, environment = valgrind()
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(scratch), **environment, **(more or {})}
    return [*program, "--tool=callgrind", "--callgrind-out-file=/dev/null", "--error-exitcode=99"], environment


def collected(text):
    found = re.search(r"Collected : (\d+)", text)
    assert found, text[-2000:]
    return int(found.group(1))


def stage(speed, name, calls, scratch):
    command, environment = callgrind(scratch)
    ended = subprocess.run([*command, speed, "gate", name, str(calls)], env=environment, cwd=scratch, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 0, ended.stderr
    return collected(ended.stderr)


def pipeline(speed, proxy, aws, calls, scratch):
    """The whole proxy, everything on, while another process calls it."""
    policies = subprocess.run([speed, "policies", "100"], check=True, stdout=subprocess.PIPE).stdout
    (scratch / "policies").mkdir(exist_ok=True)
    (scratch / "policies/teams.cedar").write_bytes(policies)
    more = {
        "IDP_PROXY__SERVER__LISTEN": "127.0.0.1:0",
        "IDP_PROXY__SERVER__ADMIN_LISTEN": "off",
        "IDP_PROXY__SERVER__DEADLINE_MAX_MS": "60000",
        "IDP_PROXY__IDENTITY__MESH__HEADER": "x-forwarded-client-cert",
        "IDP_PROXY__IDENTITY__MESH__TRUSTED_PEERS": '["127.0.0.1/32"]',
        "IDP_PROXY__POLICY__DIRECTORY": str(scratch / "policies"),
        "IDP_PROXY__AUDIT__SINK": str(scratch / "audit.jsonl"),
        "AWS_ENDPOINT_URL": f"http://{aws}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDBENCH",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    for key in ("COGNITO_WRITE", "COGNITO_READ", "COGNITO_PER_POOL", "WORKSPACESWEB"):
        # Buckets that never empty.
        more["IDP_PROXY__QUOTA__" + key] = "100000"
    command, environment = callgrind(scratch, more)
    log = scratch / "proxy.log"
    with log.open("w") as out:
        running = subprocess.Popen([*command, proxy, "serve"], env=environment, cwd=scratch, stderr=out, stdout=subprocess.DEVNULL)
    address = None
    while address is None:
        assert running.poll() is None, log.read_text()
        time.sleep(0.05)
        found = re.search(r'"listen":"([^"]+)"', log.read_text())
        address = found and found.group(1)
    subprocess.run([speed, "gate", address, str(calls)], check=True)
    running.send_signal(signal.SIGTERM)
    assert running.wait(120) == 0, log.read_text()
    return collected(log.read_text())


def measure():
    speed, proxy = build()
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        for name, (few, many) in STAGES.items():
            counts = [stage(speed, name, calls, scratch) for calls in (few, many)]
            figures[name] = round((counts[1] - counts[0]) / (many - few))
        with subprocess.Popen([speed, "canned", "http"], stdout=subprocess.PIPE, text=True) as aws:
            address = aws.stdout.readline().strip()
            counts = [pipeline(speed, proxy, address, calls, scratch) for calls in PIPELINE]
            aws.kill()
        figures["pipeline"] = round((counts[1] - counts[0]) / (PIPELINE[1] - PIPELINE[0]))
    return figures


def main():
    rust = subprocess.run(["rustc", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    found = measure()
    if "--update" in sys.argv:
        lines = [f"{name} {figure}" for name, figure in found.items()]
        FIGURES.write_text("\n".join([rust, *lines]) + "\n")
    first, *lines = FIGURES.read_text().splitlines()
    committed = {name: int(figure) for name, figure in (line.split() for line in lines)}
    assert committed.keys() == found.keys(), "instructions.txt names other stages: --update writes it anew"
    limit = LIMIT if first == rust else LIMIT_WITH_OTHER_RUST
    grown = []
    for name, figure in found.items():
        change = figure / committed[name] - 1
        print(f"{name:<12} {figure:>9} instructions a call, {change:+.1%} of {committed[name]}")
        if change > limit:
            grown.append(name)
    if first != rust:
        print(f"the limit is {limit:.0%}: the figures are of {first}, this is {rust}")
    if grown:
        sys.exit(f"more than {limit:.0%} above benches/instructions.txt: {', '.join(grown)}. If it is worth it: --update")


if __name__ == "__main__":
    main()
