#!/usr/bin/env python3
"""A service beside the agent, with Python's standard library: holds the update lock while it works, and follows the
events for a moment.

    BALENA_AGENT_ADDRESS  unix:/run/balena-agent/agent.sock, the client's socket, or http://agent:48485
    BALENA_AGENT_TOKEN    the client's token; a socket needs none
    WORK                  the command to run under the lock

Ends with 75 if the lock can't be had now, with the code of the command otherwise.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.parse

NAME = "sibling-py"
TTL = "60s"


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def connection(timeout):
    address = os.environ.get("BALENA_AGENT_ADDRESS", "http://127.0.0.1:48485")
    if address.startswith("unix:"):
        return SocketConnection(address.removeprefix("unix:"), timeout)
    url = urllib.parse.urlsplit(address)
    return http.client.HTTPConnection(url.hostname, url.port or 80, timeout=timeout)


def headers():
    token = os.environ.get("BALENA_AGENT_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


class Refused(Exception):
    """The agent said no; the text is its reason, the kind a word for it."""

    def __init__(self, status, text):
        super().__init__(f"{status} {text.decode(errors='replace')}")
        try:
            self.kind = json.loads(text).get("kind")
        except ValueError:
            self.kind = None


def call(method, path, body=None):
    """Calls the agent. Returns the decoded body."""
    agent = connection(timeout=40)
    try:
        sent = None if body is None else json.dumps(body)
        typed = {} if body is None else {"Content-Type": "application/json"}
        agent.request(method, path, sent, {**headers(), **typed})
        response = agent.getresponse()
        text = response.read()
        if response.status >= 300:
            raise Refused(response.status, text)
        return json.loads(text)
    finally:
        agent.close()


class Lease:
    """The update lock, renewed in the background until the end of the block. `TTL` after the last renewal the agent
    releases it by itself."""

    def __init__(self, reason):
        self.granted = call("POST", "/agent/v1/locks", {"name": NAME, "ttl": TTL, "reason": reason})
        self.lost = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.renew, daemon=True)

    def renew(self):
        # The answer says after how many seconds.
        pause = self.granted.get("renew_after") or 20
        while not self.over.wait(pause):
            try:
                renewed = call("PUT", f"/agent/v1/locks/{NAME}", {"ttl": TTL})
                pause = renewed.get("renew_after") or 20
            except (Refused, OSError, http.client.HTTPException) as error:
                if isinstance(error, Refused) and error.kind == "lease_ended":
                    return
                pause = 1  # the agent restarts: it continues the lease

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        ended = call("DELETE", f"/agent/v1/locks/{NAME}")
        # Somebody may have deleted the lock meanwhile.
        if ended["state"] != "released":
            self.lost = ended.get("ended", ended["state"])


def follow(seconds):
    """Prints the events of the next seconds, as server-sent events."""
    agent = connection(timeout=seconds)
    try:
        agent.request("GET", "/events", headers={**headers(), "Accept": "text/event-stream"})
        response = agent.getresponse()
        while line := response.readline():
            print(line.decode().rstrip(), flush=True)
    except TimeoutError:
        pass
    finally:
        agent.close()


def main():
    try:
        lease = Lease("an example in Python")
    except (Refused, OSError) as error:
        print("not now:", error, file=sys.stderr)
        return 75
    with lease:
        print("locked:", json.dumps(lease.granted), flush=True)
        code = subprocess.call(["sh", "-c", os.environ.get("WORK", "echo working; sleep 2")])
    if lease.lost:
        print("the lock was lost:", lease.lost, file=sys.stderr)
        return 1
    print("released", flush=True)
    follow(1)
    return code


if __name__ == "__main__":
    sys.exit(main())
