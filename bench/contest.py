"""Everyone in turn, with the same servers: what each work took each of them."""

import json
import os
import shutil
import statistics
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Works of which no two steps go on at once: client and server take turns on one core. To wake the other core costs more
# than a call, and who has to is a matter of luck.
IN_TURN = ("gets", "tags")
# In each run everyone does it once before the next run begins.
WORKS = ("gets", "at_once", "list", "tags", "logs")
IDLE = 20


@dataclass
class Took:
    """Medians of all runs: seconds, KiB, and connections that the server accepted."""

    wall: float
    cpu: float
    peak: int
    connections: int | None = None


@dataclass
class Measured:
    """What was measured: by process or work, scheme and name."""

    took: dict = field(default_factory=dict)
    idle: dict = field(default_factory=dict)
    local_call: float = 0.0
    runs: int = 0


class Server:
    """The server of all works, on these cores, until it is left."""

    def __init__(self, program, tls, cores):
        command = [program, "server", tls / "server.pem", tls / "server.key"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores)
        )
        plain, secure = self.process.stdout.readline().split()
        self.url = {"HTTP": f"http://127.0.0.1:{plain}", "TLS": f"https://localhost:{secure}"}

    def connections(self):
        with urllib.request.urlopen(self.url["HTTP"] + "/connections", timeout=10) as answer:
            return int(answer.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)


def spent(command, environment, cores):
    """Wall and CPU of a process from its start to its end."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (1, 2)]
    os.sched_setaffinity(0, cores)
    start = time.perf_counter()
    process = os.posix_spawnp(command[0], [str(word) for word in command], environment, file_actions=quiet)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - start
    if status:
        raise RuntimeError(f"{command} ends with {os.waitstatus_to_exitcode(status)}")
    return wall, usage.ru_utime + usage.ru_stime


def peak(command, environment):
    """The most memory that a process ever held (KiB). It writes into a full pipe, so it is there when it has done its work."""
    reader, writer = os.pipe()
    os.write(writer, b"." * 65536)
    process = subprocess.Popen(command, env=environment, stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)
    highest, since = 0, time.monotonic()
    # Until it sleeps on the pipe for good.
    while time.monotonic() - since < 4:
        status = status_of(process.pid)
        if status["VmHWM"] > highest:
            highest, since = status["VmHWM"], max(since, time.monotonic() - 3)
        time.sleep(0.02)
    while os.read(reader, 65536):
        pass
    os.close(reader)
    if process.wait(30):
        raise RuntimeError(f"{command} ends with {process.returncode}")
    return highest


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if name in ("VmHWM", "VmRSS")}


def simulated_device(agent, scratch):
    """A device to ask, and the variables that a container on it has."""
    variables = scratch / "device.env"
    variables.unlink(missing_ok=True)
    process = subprocess.Popen(
        [agent, "simulate", "--env-file", variables], env={"TMPDIR": str(scratch)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not variables.exists():
        time.sleep(0.05)
        if process.poll() is not None:
            raise RuntimeError("the simulated device does not start")
    return process, dict(line.split("=", 1) for line in variables.read_text().splitlines())


def hold(runs, agent, program, python, javascript, tls, scratch, say):
    """All works of everyone."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    measured = Measured(runs=runs)
    base = {
        "PATH": os.environ["PATH"],
        "HOME": str(scratch),
        "BENCH_HOME": str(scratch / "home"),
        "NODE_PATH": str(javascript),
        **{name: str(tls / "authority.pem") for name in ("BALENA_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")},
    }
    processes(measured, agent, python, javascript, scratch, base, say)
    works(measured, program, python, javascript, tls, base, say)
    return measured


def processes(measured, agent, python, javascript, scratch, base, say):
    """From the start of a process to its end, and `run` while nothing happens."""
    device, variables = simulated_device(agent, scratch)
    try:
        environment = {**base, **variables}
        url = f"{variables['BALENA_SUPERVISOR_ADDRESS']}/v1/device?apikey={variables['BALENA_SUPERVISOR_API_KEY']}"
        started, called = {"balena-agent": [agent, "--version"]}, {"balena-agent": [agent, "device", "state"]}
        if shutil.which("curl"):
            called["curl"] = ["curl", "--silent", "--show-error", "--fail", url]
        if python:
            script = "from balena import Balena; balena = Balena()"
            called["Python SDK"] = [python, "-c", f"{script}; print(balena.models.device.get_supervisor_state())"]
            started["Python SDK"] = [python, "-c", f"{script}; print()"]
            started["python3, nothing else"] = [python, "-c", "print()"]
        if javascript:
            started["JS SDK"] = ["node", "-e", "require('balena-sdk').getSdk({}); console.log()"]
            started["node, nothing else"] = ["node", "-e", "console.log()"]
        for work, commands in (("start", started), ("local", called)):
            times = {name: [] for name in commands}
            for run in range(-1, 3 * measured.runs):
                for name, command in commands.items():
                    took = spent(command, environment, os.sched_getaffinity(0))
                    # The first fills caches.
                    if run >= 0:
                        times[name].append(took)
            for name, command in commands.items():
                measured.took[work, "", name] = middle(times[name], [peak(command, environment) for _ in range(3)])
                say(f"{work}: {name}: {measured.took[work, '', name]}")
        service = subprocess.Popen([agent, "run", "--listen", "127.0.0.1:0"], env=environment, stderr=subprocess.DEVNULL)
        try:
            time.sleep(IDLE)
            measured.idle = status_of(service.pid)
        finally:
            service.terminate()
            service.wait(20)
    finally:
        device.terminate()
        device.wait(20)


def works(measured, program, python, javascript, tls, base, say):
    """What a program does that has started."""
    clients = {"balena-agent": [program, "client", "agent"], "bare hyper": [program, "client", "hyper"], "bare reqwest": [program, "client", "reqwest"]}
    if python:
        clients["Python SDK"] = [python, HERE / "clients" / "python_sdk.py"]
    if javascript:
        clients["JS SDK"] = ["node", HERE / "clients" / "javascript_sdk.js"]
    all_cores = os.sched_getaffinity(0)
    for work in WORKS:
        cores = {min(all_cores)} if work in IN_TURN else all_cores
        with Server(program, tls, cores) as server:
            for scheme, url in server.url.items():
                times = {name: [] for name in clients if fits(name, work, scheme)}
                for run in range(-1, measured.runs):
                    for name in times:
                        before = server.connections()
                        took = client(clients[name], work, url, base, cores)
                        took["connections"] = server.connections() - before
                        if run >= 0:
                            times[name].append(took)
                for name, all_of_it in times.items():
                    took = middle([(one["wall"], one["cpu"]) for one in all_of_it], [one["peak_kib"] for one in all_of_it])
                    took.connections = statistics.median_low(one["connections"] for one in all_of_it)
                    measured.took[work, scheme, name] = took
                    say(f"{work}, {scheme}: {name}: {took}")


def fits(name, work, scheme):
    """bare hyper is one connection without TLS; Twisted, which the Python SDK reads logs with, trusts only its own authorities."""
    if name == "bare hyper":
        return scheme == "HTTP" and work != "at_once"
    return not (name == "Python SDK" and work == "logs" and scheme == "TLS")


def client(command, work, url, environment, cores):
    done = subprocess.run(
        [*command, work, url], env=environment, capture_output=True, text=True, timeout=300, preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    if done.returncode:
        raise RuntimeError(f"{command} {work} {url} ends with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def middle(times, peaks):
    return Took(statistics.median(wall for wall, _ in times), statistics.median(cpu for _, cpu in times), int(statistics.median(peaks)))
