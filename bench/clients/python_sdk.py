"""The works as the Python SDK does them: python_sdk.py WORK URL, with a data directory in BENCH_HOME."""

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

UUID = "8deb12a58e3b6d3920db1c2b6303d1ff"
GETS, AT_ONCE, ROWS, TAGS, LINES = 200, 64, 10_000, 1_000, 100_000


def client(url):
    # The settings file is the one way to name the address of a cloud without TLS.
    from balena import Balena

    home = os.environ["BENCH_HOME"]
    os.makedirs(home, exist_ok=True)
    settings = {
        "builder_url": f"{url}/",
        "pine_endpoint": f"{url}/v6/",
        "api_endpoint": f"{url}/",
        "api_version": "v6",
        "data_directory": home,
        "image_cache_time": "604800000",
        "token_refresh_interval": "3600000",
        "cache_directory": f"{home}/cache",
        "timeout": "30000",
        "device_actions_endpoint_version": "v1",
        "retry_rate_limited_request": "False",
        "token": "0123456789abcdef0123456789abcdef",
    }
    with open(f"{home}/balena.cfg", "w") as file:
        file.write("[Settings]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
    return Balena({"data_directory": home})


def gets(balena):
    for _ in range(GETS):
        balena.models.device.get(UUID)


def at_once(balena):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(balena.models.device.get, [UUID] * AT_ONCE))


def devices(balena):
    assert len(balena.models.device.get_all_by_application(1)) == ROWS


def tags(balena):
    for number in range(TAGS):
        balena.models.device.tags.set(UUID, "site", str(number))


def logs(balena):
    count, done = [0], threading.Event()

    def line(_):
        count[0] += 1
        if count[0] == LINES:
            done.set()

    balena.logs.subscribe(UUID, line, done.set, LINES)
    done.wait(120)
    assert count[0] == LINES, f"{count[0]} lines"


def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def main(work, url):
    balena = client(url)
    balena.models.device.get(UUID)
    wall, cpu = time.perf_counter(), time.process_time()
    {"gets": gets, "at_once": at_once, "list": devices, "tags": tags, "logs": logs}[work](balena)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "peak_kib": peak()}), flush=True)
    # The reactor of the SDK's logs would keep the process.
    os._exit(0)


main(*sys.argv[1:])
