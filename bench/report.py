"""The table of what was measured, and whether the README's promises are kept."""

import datetime
import json
import platform
import subprocess
from pathlib import Path

TITLES = {
    "local": "Start, one call to the supervisor, end",
    "start": "Start and construct only",
    "gets": "A device 200 times, one after the other",
    "at_once": "A device 64 times at once",
    "list": "10,000 devices in one answer",
    "tags": "A tag of a device 1,000 times, one after the other",
    "logs": "100,000 lines of a log",
}
OURS = "balena-agent"


def write(measured, agent):
    """The Markdown text, and whether every promise is kept."""
    lines = ["# Measured beside the others", "", f"By `bench/run`: medians of {measured.runs} runs in turn (three times as many of whole processes).", ""]
    lines += [f"* {line}" for line in machine()]
    lines += ["", "## In short", "", *short(measured)]
    for (work, scheme), rows in grouped(measured.took).items():
        title = TITLES[work] + (f", {scheme}" if scheme else "")
        lines += ["", f"## {title}", "", "| | wall | CPU | peak memory | connections | wall, of ours | CPU, of ours | memory, of ours |", "|---|---|---|---|---|---|---|---|"]
        ours = rows[OURS]
        for name, took in rows.items():
            ratios = [times(a, b) for a, b in ((took.wall, ours.wall), (took.cpu, ours.cpu), (took.peak, ours.peak))]
            connections = "" if took.connections is None else str(took.connections)
            lines.append(f"| {name} | {seconds(took.wall)} | {seconds(took.cpu)} | {mib(took.peak)} | {connections} | {' | '.join(ratios)} |")
    lines += ["", "## `balena-agent run`, nothing happening", "", f"{mib(measured.idle['VmRSS'])} resident, {mib(measured.idle['VmHWM'])} at most.", ""]
    kept = list(promises(measured, agent))
    lines += ["## Promises", "", "| promise | measured | |", "|---|---|---|"]
    lines += [f"| {promise} | {figure} | {'kept' if good else '**broken**'} |" for promise, figure, good in kept]
    return "\n".join(lines) + "\n", all(good for _, _, good in kept)


def short(measured):
    """The table that the README shows."""
    groups = grouped(measured.took)
    yield f"| | {OURS} | Python SDK | JS SDK | the floor |"
    yield "|---|---|---|---|---|"
    rows = (
        ("start, one call to the supervisor, end", "local", "", "wall", "curl"),
        ("start and construct only", "start", "", "wall", None),
        ("a device 200 times over TLS, CPU", "gets", "TLS", "cpu", "bare reqwest"),
        ("a device 64 times at once over TLS, CPU", "at_once", "TLS", "cpu", "bare reqwest"),
        ("10,000 devices in one answer, CPU", "list", "HTTP", "cpu", "bare reqwest"),
        ("a tag of a device 1,000 times over TLS, CPU", "tags", "TLS", "cpu", "bare reqwest"),
        ("100,000 lines of a log, CPU", "logs", "HTTP", "cpu", "bare hyper"),
    )
    for title, work, scheme, of, floor in rows:
        group = groups[work, scheme]
        cells = []
        for name in (OURS, "Python SDK", "JS SDK", floor):
            took = group.get(name)
            if took is None:
                cells.append("")
                continue
            ratio = "" if name == OURS else f" ({times(getattr(took, of), getattr(group[OURS], of))})"
            cells.append(f"{name + ': ' if name == floor else ''}{seconds(getattr(took, of))}{ratio}, {mib(took.peak)}")
        yield f"| {title} | {' | '.join(cells)} |"


def grouped(took):
    groups = {}
    for (work, scheme, name), one in took.items():
        groups.setdefault((work, scheme), {})[name] = one
    order = list(TITLES)
    return dict(sorted(groups.items(), key=lambda group: (order.index(group[0][0]), group[0][1])))


def promises(measured, agent):
    """(promise, figure, whether it is kept), of what could be measured."""
    groups = grouped(measured.took)

    def at_most(promise, limit, work, scheme, of, other):
        rows = groups[work, scheme]
        if other in rows:
            ratio = getattr(rows[OURS], of) / getattr(rows[other], of)
            yield promise, f"{ratio:.2f} ×", ratio <= limit

    def at_least(promise, limit, work, scheme, of, other):
        rows = groups[work, scheme]
        if other in rows:
            ratio = getattr(rows[other], of) / getattr(rows[OURS], of)
            yield promise, f"{ratio:.1f} ×", ratio >= limit

    size = agent.stat().st_size / 1e6
    yield "the binary for amd64: 5.0 MB at most", f"{size:.2f} MB", size <= 5.0
    yield from at_most("one local call as a process: not slower than curl", 1.0, "local", "", "wall", "curl")
    resident = groups["local", ""][OURS].peak
    yield "one local call as a process: 4 MiB at most", mib(resident), resident <= 4096
    yield from at_least("one local call as a process: 44 times faster than the Python SDK", 44, "local", "", "wall", "Python SDK")
    yield from at_least("one local call as a process: a 12th of the Python SDK's memory", 12, "local", "", "peak", "Python SDK")
    for scheme in ("HTTP", "TLS"):
        yield from at_least(f"200 devices, {scheme}: a 10th of the Python SDK's CPU", 10, "gets", scheme, "cpu", "Python SDK")
        yield from at_least(f"200 devices, {scheme}: a 4th of the JS SDK's CPU", 4, "gets", scheme, "cpu", "JS SDK")
        yield from at_most(f"200 devices, {scheme}: 1.25 times bare reqwest's CPU at most", 1.25, "gets", scheme, "cpu", "bare reqwest")
    yield "a warm local call: 1.3 times bare hyper's CPU at most", f"{measured.local_call:.2f} ×", measured.local_call <= 1.3
    yield from at_least("100,000 log lines: a 3rd of the Python SDK's CPU", 3, "logs", "HTTP", "cpu", "Python SDK")
    yield "`run`, nothing happening: 5 MiB at most", mib(measured.idle["VmHWM"]), measured.idle["VmHWM"] <= 5120


def machine():
    """What it ran on, and the versions of all."""
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    cores = sum(line.startswith("processor") for line in Path("/proc/cpuinfo").read_text().splitlines())
    yield f"{model}, {cores} cores, {platform.system()} {platform.release()}, {datetime.date.today()}"
    versions = (("Python", ["python3", "--version"]), ("Node.js", ["node", "--version"]), ("", ["curl", "--version"]), ("", ["rustc", "--version"]))
    yield ", ".join(said for name, command in versions if (said := version(name, command)))
    clients = Path(__file__).resolve().parent / "clients"
    javascript = json.loads((clients / "package.json").read_text())["dependencies"]["balena-sdk"]
    yield f"{(clients / 'requirements.txt').read_text().strip()} of PyPI, balena-sdk@{javascript} of npm"


def version(name, command):
    try:
        first = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError):
        return None
    words = first.split(" ")
    return " ".join(words[:2]) if words[0].lower() in ("python", "curl", "rustc") else f"{name} {first}"


def seconds(value):
    return f"{value * 1e3:.2f} ms" if value < 0.1 else f"{value * 1e3:.0f} ms"


def mib(kib):
    return f"{kib / 1024:.1f} MiB"


def times(value, ours):
    return f"{value / ours:.2f} ×" if value < ours * 10 else f"{value / ours:.0f} ×"
