#!/usr/bin/env bash
# Holds the service against its own OpenAPI document: openapi-spec-validator reads the document, schemathesis sends what
# it makes of it, and each route is asked once as it should be. Fails on a 5xx, on an answer that the document does not
# have, and on a route that never answered with 2xx.
#
#   tests/openapi.sh             # one to three minutes; needs python3 and PyPI, else it says SKIP and why
#   EXAMPLES=200 tests/openapi.sh  # more requests of each kind
#
# The device is simulated, and everything is on loopback.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() { printf 'SKIP: %s: the service is not held against its OpenAPI document\n' "$*"; exit 0; }

command -v curl >/dev/null || skip "no curl"
python3 -c 'import venv, ensurepip' 2>/dev/null || skip "no python3 with venv"
venv=$PWD/target/openapi-venv
if ! [ -x "$venv/bin/schemathesis" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'schemathesis>=4,<5' openapi-spec-validator \
        || { rm -rf "$venv"; skip "PyPI has not given schemathesis and openapi-spec-validator"; }
fi

cargo build --locked
agent=$PWD/target/debug/balena-agent
work=$(mktemp -d)
pids=()
finish() {
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill "${pids[i]}" 2>/dev/null || true
        wait "${pids[i]}" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

"$agent" simulate --env-file "$work/device.env" >"$work/device.log" 2>&1 &
pids+=($!)
for _ in $(seq 300); do [ -s "$work/device.env" ] && break; sleep 0.1; done
set -a
# shellcheck source=/dev/null
. "$work/device.env"
set +a
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
mkdir "$work/state"
AGENT_LISTEN=127.0.0.1:$port AGENT_STATE_DIRECTORY=$work/state AGENT_REQUEST_RATE=10000 \
    "$agent" run >"$work/agent.log" 2>&1 &
pids+=($!)
for _ in $(seq 300); do curl -sf "$url/ready" >/dev/null && break; sleep 0.1; done
curl -sf "$url/ready" >/dev/null || { echo "the service does not get ready:"; cat "$work/agent.log"; exit 1; }
token="Bearer $(cat "$work/state/admin-token")"

curl -sf -H "authorization: $token" "$url/agent/v1/openapi.json" >"$work/openapi.json"
"$venv/bin/openapi-spec-validator" "$work/openapi.json"

# It keeps what it found in the working directory.
cd "$work"
"$venv/bin/schemathesis" run "$work/openapi.json" --url "$url" -H "Authorization: $token" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --phases examples,coverage,fuzzing --max-examples "${EXAMPLES:-30}" --request-timeout 60 --continue-on-failure \
    --warnings off --no-color --report har --report-har-path "$work/calls.har"

# Each route as it should be asked. What ends the simulated device comes last.
ask() {
    local method=$1 path=$2 body=${3:-} accept=${4:-application/json} status
    # A stream does not end: curl's exit code is that of its time limit then.
    status=$(curl -s -m 5 -o /dev/null -w '%{http_code}' -X "$method" -H "authorization: $token" -H "accept: $accept" \
        -H 'content-type: application/json' ${body:+-d "$body"} "$url$path") || true
    echo "$status $method $path" | tee -a "$work/asked"
}
for path in /live /ready /status /metrics /agent/v1/state /agent/v1/ledger /agent/v1/openapi.json /agent/v1/locks; do
    ask GET "$path"
done
ask GET /events '' text/event-stream
# Leases that schemathesis left would refuse the actions.
python3 - "$url" "$token" <<'PYTHON'
import json, sys, urllib.request
url, token = sys.argv[1:]
def call(method, path):
    headers = {"authorization": token, "content-type": "application/json"}
    return json.load(urllib.request.urlopen(urllib.request.Request(url + path, headers=headers, method=method)))
for lease in call("GET", "/agent/v1/locks")["leases"]:
    if lease["state"] == "held":
        call("DELETE", "/agent/v1/locks/" + lease["name"])
PYTHON
ask POST /agent/v1/locks '{"name": "first", "ttl": "1m"}'
ask PUT /agent/v1/locks/first '{"ttl": 60}'
ask DELETE /agent/v1/locks/first
for action in stop start restart; do ask POST "/agent/v1/services/helper/$action" '{}'; done
for action in identify update restart; do ask POST "/agent/v1/$action" '{}'; done
id=$(curl -s -H "authorization: $token" -H 'content-type: application/json' -d '{}' "$url/agent/v1/identify" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
ask GET "/agent/v1/actions/$id"
for action in reboot purge shutdown; do
    # The one before has to end first.
    for _ in $(seq 100); do curl -sf "$url/ready" >/dev/null && break; sleep 0.1; done
    ask POST "/agent/v1/$action" "{\"confirm\": \"$BALENA_DEVICE_UUID\"}"
done

python3 - "$work" <<'PYTHON'
import collections, json, re, sys
from urllib.parse import urlsplit

work = sys.argv[1]
paths = json.load(open(f"{work}/openapi.json"))["paths"]
routes = [(method.upper(), path) for path, methods in paths.items() for method in methods if method != "parameters"]
patterns = {route: re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route[1]))) for route in routes}
answers = collections.defaultdict(collections.Counter)
calls = [(entry["response"]["status"], entry["request"]["method"], urlsplit(entry["request"]["url"]).path)
         for entry in json.load(open(f"{work}/calls.har"))["log"]["entries"]]
calls += [(int(status), method, path) for status, method, path in map(str.split, open(f"{work}/asked"))]
for status, method, path in calls:
    for route, pattern in patterns.items():
        if route[0] == method and pattern.fullmatch(path):
            answers[route][status] += 1
            break
bad = [f"{status} {method} {path}" for status, method, path in calls if status >= 500]
for route in routes:
    counts = ", ".join(f"{count} × {status}" for status, count in sorted(answers[route].items()))
    print(f"{route[0]:7}{route[1]}: {counts}")
    if not any(200 <= status < 300 for status in answers[route]):
        bad.append(f"{route[0]} {route[1]} never answered with 2xx")
print(f"{len(calls)} requests to {len(routes)} routes")
if bad:
    sys.exit("\n".join(["failed:", *bad]))
PYTHON
