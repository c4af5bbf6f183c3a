# SPDX-License-Identifier: BSD-3-Clause
"""The suites behind tests/run: runs their programs, adds up what they say.

A program prints a line a test: "ok NAME", "not ok NAME: why", "skip NAME: why", or TAP; or it ends
with "N passed, N failed, N skipped" itself. One that prints none of these is one test. Its exit
status must agree.
"""
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"

# The slowest program takes a fifth of this on two cores.
PROGRAM_SECONDS_MAX = 300
BUILD_SECONDS_MAX = 1200
PROGRAMS_AT_A_TIME = 2

TAP_SKIP = re.compile(r"(?:not )?ok \d+ # SKIP (?P<name>.*)")
SUMMARY = re.compile(r"(?P<passed>\d+) passed, (?P<failed>\d+) failed(?:, (?P<skipped>\d+) skipped)?")
RUNS_ALONE = re.compile(r"^# Runs alone: ", re.MULTILINE)
RESULT = re.compile(r"(?P<kind>ok|not ok|skip) (?:\d+ - )?(?P<name>.+?)(?:: (?P<why>.*))?")


@dataclass
class Outcome:
    """What one program said."""
    program: str
    output: str
    status: int
    seconds: float

    def results(self):
        """[(kind, test, why)]: at least one, and a failure if the program did not end well."""
        results = []
        for line in map(str.strip, self.output.splitlines()):
            if match := TAP_SKIP.fullmatch(line):
                results.append(("skip", match["name"], "see the test"))
            elif match := SUMMARY.fullmatch(line):
                for kind, group in (("ok", "passed"), ("not ok", "failed"), ("skip", "skipped")):
                    results += [(kind, self.program, "see below")] * int(match[group] or 0)
            elif match := RESULT.fullmatch(line):
                results.append((match["kind"], match["name"], match["why"] or ""))
        if self.status != 0 and not any(kind == "not ok" for kind, _, _ in results):
            results.append(("not ok", self.program, f"exit status {self.status}"))
        return results or [("ok", self.program, "")]


def run(command, seconds):
    """(output, status). What takes too long is ended, with all that it started."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=dict(os.environ, FAIRLEAD_BUILD=str(BUILD)),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True)
    try:
        return process.communicate(timeout=seconds)[0], process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)  # scripts clean up on it
    try:
        output = process.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output = process.communicate()[0]
    return f"{output}\nstill running after {seconds} s", 124


def run_program(name, command, seconds=PROGRAM_SECONDS_MAX):
    start = time.monotonic()
    output, status = run(command, seconds)
    return Outcome(name, output, status, time.monotonic() - start)


def set_up(build, *options):
    """None, or how it failed. A build directory that is there keeps its other options."""
    step = "configure" if (build / "build.ninja").exists() else "setup"
    outcome = run_program(
        f"meson {step}", ["meson", step, build, "-Dtests=true", *options], BUILD_SECONDS_MAX)
    return outcome if outcome.status else None


def meson_suite(label, build, options, *selection, wrapper=()):
    """Programs of `meson test`: run in one go, reported one by one."""
    def outcomes(_):
        failure = set_up(build, *options)
        if failure:
            yield failure
            return
        log = build / "meson-logs/testlog.json"
        log.unlink(missing_ok=True)
        whole = run_program(
            label, [*wrapper, "meson", "test", "-C", build, *selection], BUILD_SECONDS_MAX)
        if not log.exists():  # it did not come to run anything
            whole.status = whole.status or 1
            yield whole
            return
        for test in map(json.loads, log.read_text().splitlines()):
            output = f"{test.get('stdout') or ''}\n{test.get('stderr') or ''}"
            if test["result"] == "SKIP":
                output += f"\nskip {test['name']}: see its output"
            status = int(test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL"))
            name = test["name"].split(" / ")[-1]
            yield Outcome(f"{label}/{name}", output, status, test["duration"])
    return outcomes


def program_suite(commands, alone=()):
    """Programs of their own: {name: command}. They mostly wait, so several run at a time; then those
    of `alone`, one by one. What they say comes in the order of their names all the same."""
    def outcomes(wanted):
        names = [name for name in commands if is_wanted(wanted, name)]
        with ThreadPoolExecutor(PROGRAMS_AT_A_TIME) as pool:
            yield from pool.map(lambda name: run_program(name, commands[name]),
                                [name for name in names if name not in alone])
        for name in names:
            if name in alone:
                yield run_program(name, commands[name])
    return outcomes


def both(*suites):
    """Suites under one name."""
    def outcomes(wanted):
        for suite in suites:
            yield from suite(wanted)
    return outcomes


def netns_scripts():
    """All of them, and those that say in a line of their own why they run alone."""
    paths = sorted((ROOT / "tests/netns").glob("*.sh"))
    commands = {f"netns/{path.stem}": [path] for path in paths if os.access(path, os.X_OK)}
    alone = {name for name, (path,) in commands.items() if RUNS_ALONE.search(path.read_text())}
    return commands, alone


def packet_groups():
    """A file of cases, or a folder of such files, is a program: together they take too long."""
    names = {path.stem for path in (ROOT / "tests/packet/cases").iterdir()} - {"__pycache__"}
    return {f"packet/{name}": [ROOT / "tests/packet/run", f"{name}/"] for name in sorted(names)}


# Where addresses are more random than ThreadSanitizer knows, it does not start.
FIXED_ADDRESSES = ("setarch", "--addr-no-randomize")
SANITIZERS = {"asan": "address,undefined", "tsan": "thread"}


def sanitizer(name):
    """Its directory and options. Most of the time goes into building: -O1 takes a third less of it."""
    return ROOT / f"build-{name}", [
        f"-Db_sanitize={SANITIZERS[name]}", "-Db_lundef=false", "-Doptimization=1"]


SUITES = {
    "lint": meson_suite("lint", BUILD, [], "--suite", "lint"),
    "unit": meson_suite("unit", BUILD, [], "--suite", "unit"),
    "fuzz": meson_suite("fuzz", BUILD, [], "--suite", "fuzz"),
    "asan": meson_suite("asan", *sanitizer("asan"), "--suite", "unit", "--suite", "fuzz"),
    "tsan": meson_suite("tsan", *sanitizer("tsan"), "flow_threads", "fragment_notes",
        "fragment_buffer", wrapper=FIXED_ADDRESSES),
    "config": both(
        meson_suite("config", BUILD, [], "--suite", "config", "--no-suite", "unit"),
        program_suite({"config/daemon": [
            ROOT / "tests/config/run-cases", BUILD / "app/fairlead/fairlead"]})),
    "packet": program_suite({
        **packet_groups(),
        "packet/tcpdump-captures": [ROOT / "tests/packet/tcpdump-captures"]}),
    "netns": program_suite(*netns_scripts()),
    "gate": program_suite({"gate": [ROOT / "perf/gate/run"]}),
    "quickstart": program_suite({"quickstart": [ROOT / "app/quickstart"]}),
}


def is_wanted(wanted, name):
    """Whether this suite, one of it, or the suite that it belongs to was asked for."""
    return not wanted or any(
        name == w or name.startswith(w + "/") or w.startswith(name + "/") for w in wanted)


def show(outcome):
    """Prints what came out; returns how many passed, failed and were skipped."""
    results = outcome.results()
    count = {wanted: sum(kind == wanted for kind, _, _ in results)
             for wanted in ("ok", "not ok", "skip")}
    verdict = "FAILED" if count["not ok"] else "ok" if count["ok"] else "skipped"
    print(f"{outcome.program:<28} {count['ok']:>4} passed {outcome.seconds:>7.1f} s  {verdict}")
    for kind, test, why in results:
        if kind != "ok":
            print(f"    {kind} {test}: {why}")
    if count["not ok"]:
        print("\n".join(f"    | {line}" for line in outcome.output.splitlines()[-40:]))
    sys.stdout.flush()
    return count.values()


def build():
    """The failure, if there is one."""
    outcome = set_up(BUILD)
    if not outcome:
        outcome = run_program("build", ["ninja", "-C", BUILD], BUILD_SECONDS_MAX)
    print(f"{'build':<28} {'':>11} {outcome.seconds:>7.1f} s", flush=True)
    return outcome if outcome.status else None


def outcomes_of(wanted):
    failure = build()
    if failure:
        yield failure
        return
    for name, suite in SUITES.items():
        if not is_wanted(wanted, name):
            continue
        for outcome in suite(wanted):
            if is_wanted(wanted, outcome.program):
                yield outcome


def main(wanted):
    if wanted == ["--list"]:
        print("\n".join(SUITES))
        return 0
    unknown = [name for name in wanted if name.split("/")[0] not in SUITES]
    if unknown:
        print(f"tests/run: no {', '.join(unknown)}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    os.environ["CMOCKA_MESSAGE_OUTPUT"] = "TAP"
    passed = failed = skipped = 0
    for outcome in outcomes_of(wanted):
        ok, not_ok, skip = show(outcome)
        passed, failed, skipped = passed + ok, failed + not_ok, skipped + skip
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
