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

# Takes the lock; 60 s after the last renewal the agent releases it by itself.
lease=$(call POST /agent/v1/locks "{\"name\": \"$name\", \"ttl\": \"60s\", \"reason\": \"an example of a shell script\"}") || {
    echo "not now: $lease" >&2
    exit 75
}
echo "locked: $lease"

# Renews while the command runs: the answer says after how many seconds. While the agent restarts, tries again; a lease
# that has ended is a 409, and stays one.
renew() {
    while :; do
        after=$(printf %s "$lease" | sed -n 's/.*"renew_after": *\([0-9]*\).*/\1/p')
        sleep "${after:-20}" >/dev/null 2>&1
        until lease=$(call PUT "/agent/v1/locks/$name" '{"ttl": "60s"}'); do
            case $lease in *lease_ended*) exit 1 ;; esac
            sleep 1 >/dev/null 2>&1
        done
    done
}
renew &
renewal=$!
trap 'kill "$renewal" 2>/dev/null || true' EXIT

code=0
sh -c "${WORK:-echo working; sleep 2}" || code=$?

kill "$renewal" 2>/dev/null || true
# The answer is the lease as it ended: somebody may have deleted the lock meanwhile.
ended=$(call DELETE "/agent/v1/locks/$name") || { echo "not released, so it ends after its 60 s: $ended" >&2; exit 1; }
case $ended in
    *'"state":"released"'*) echo "released" ;;
    *) echo "the lock was lost: $ended" >&2; exit 1 ;;
esac

# The events of the next second, as server-sent events.
{
    [ -z "$socket" ] || printf 'unix-socket = "%s"\n' "$socket"
    [ -z "${BALENA_AGENT_TOKEN-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$BALENA_AGENT_TOKEN"
    printf 'header = "Accept: text/event-stream"\n'
} | curl --silent --no-buffer --max-time 1 --config - "$url/events" || true
exit "$code"
