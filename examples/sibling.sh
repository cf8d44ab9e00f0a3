#!/bin/sh
# A service beside the agent, with curl: holds the update lock while it works, and follows the events for a moment.
#
#   BALENA_AGENT_ADDRESS  unix:/run/balena-agent/agent.sock, the client's socket, or http://agent:48485
#   BALENA_AGENT_TOKEN    the client's token; a socket needs none
#   WORK                  the command to run under the lock
#
# Ends with 75 if the lock can't be had now, with the code of the command otherwise.
set -eu

name=sibling-sh
address=${BALENA_AGENT_ADDRESS:-http://127.0.0.1:48485}
case $address in
    unix:*) socket=${address#unix:} url=http://localhost ;;
    *) socket='' url=$address ;;
esac

# Calls the agent: METHOD PATH [BODY]. Prints the body, and fails with the body on stderr unless the status is 2xx.
call() {
    set -- "$1" "$2" "${3-}"
    {
        [ -z "$socket" ] || printf 'unix-socket = "%s"\n' "$socket"
        # Through stdin, so that no other process can read the token from the command line.
        [ -z "${BALENA_AGENT_TOKEN-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$BALENA_AGENT_TOKEN"
        [ -z "$3" ] || printf 'header = "Content-Type: application/json"\ndata = "%s"\n' "$(printf %s "$3" | sed 's/["\\]/\\&/g')"
    } | curl --silent --show-error --fail-with-body --max-time 40 --config - --request "$1" "$url$2"
}

# Takes the lock, or renews it.
hold() {
    call PUT "/agent/v1/locks/$name" '{"ttl": "60s", "reason": "an example of a shell script"}'
}

lease=$(hold) || { echo "not now: $lease" >&2; exit 75; }
echo "locked: $lease"

# Renews while the command runs: the answer says when.
renew() {
    while :; do
        after=$(printf %s "$lease" | sed -n 's/.*"renew_after": *\([0-9]*\).*/\1/p')
        sleep "${after:-20}" >/dev/null 2>&1
        lease=$(hold) || { echo "the lock is lost: $lease" >&2; exit 1; }
    done
}
renew &
renewal=$!
trap 'kill "$renewal" 2>/dev/null || true' EXIT

code=0
sh -c "${WORK:-echo working; sleep 2}" || code=$?

kill "$renewal" 2>/dev/null || true
call DELETE "/agent/v1/locks/$name" >/dev/null
echo "released"

# The events of the next second, as server-sent events.
{
    [ -z "$socket" ] || printf 'unix-socket = "%s"\n' "$socket"
    [ -z "${BALENA_AGENT_TOKEN-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$BALENA_AGENT_TOKEN"
    printf 'header = "Accept: text/event-stream"\n'
} | curl --silent --no-buffer --max-time 1 --config - "$url/events" || true
exit "$code"
