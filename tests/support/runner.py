#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the tests, stage by stage, and counts them. Started by ./tests/run after its set-up.

A stage is a CMake preset with the tests that make sense in it. ctest runs them and prints its progress; its JUnit
report is read afterwards. A stage that cannot be built counts as one failed test, a stage whose compiler cannot be
had as one skipped test. A test that is skipped (exit code 77) says why in its last line of output.

The stage `seeded` is different: every line of tests/torture/seeds.txt names a bug that can be switched on in the build
and a test. The test has to pass without the bug and to fail with it: proof that it can find such a thing.

The stage `memcheck` runs the unit tests of the single-threaded layers under valgrind, which sees what the sanitizers do
not: decisions that depend on memory nobody has written.

The last line of output is `N passed, N failed, N skipped`; the exit code is 0 only when something passed and nothing failed.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JOBS = max(2, os.cpu_count() or 2)
SKIP_CODE = 77
SEEDED_ATTEMPTS = 3       # a bug in a race may need more than one try to show
SEEDED_TIMEOUT_S = 120    # for each run; a test that hangs with the bug has found it
VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=no"]
VALGRIND_TIMEOUT_S = 600
NOT_UNDER_VALGRIND = {"unit.base.hash"}  # starts itself as /proc/self/exe, which is valgrind then
KINDS = ["unit", "torture", "models", "examples", "e2e", "fuzz", "seeded", "memcheck", "bench", "budget", "style",
         "install", "build"]


@dataclass
class Stage:
    """One preset and its share of the tests. `only` and `without` are ctest label expressions."""
    name: str
    why: str
    preset: str
    only: str = ""
    without: str = ""
    needs: str = ""  # what the compiler must be able to do: a -fsanitize= value
    options: list = field(default_factory=list)


STAGES = [
    Stage("debug", "assertions on; every kind of test", "debug"),
    Stage("release", "as installed", "release", without="^(models|style)$", options=["-DTERN_WERROR=ON"]),
    Stage("asan", "address and undefined-behaviour sanitizers", "asan", without="^(models|style|install)$",
          needs="address,undefined"),
    Stage("tsan", "thread sanitizer", "tsan", only="^(unit|torture|e2e)$", needs="thread"),
    Stage("seeded", "the torture tests find seeded bugs", "seeded"),
    Stage("memcheck", "base, codec and registry under valgrind", "debug", only="^unit$"),
    Stage("fuzz", "short runs of the fuzz targets", "fuzz", only="^fuzz$", needs="address,undefined,fuzzer"),
]
QUICK = [Stage("quick", "the fast tests only", "debug", without="^(torture|models|slow)$")]


@dataclass
class Result:
    """What became of one test: status is passed, failed or skipped."""
    stage: str
    kind: str
    name: str
    status: str
    seconds: float = 0.0
    reason: str = ""


def say(text):
    print(f"tests: {text}", flush=True)


def run(command, **options):
    """Runs a command quietly; returns its exit code and output."""
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **options)
    return done.returncode, done.stdout


def can_compile(compiler, sanitizers):
    """True when the compiler is there and links a program with these sanitizers."""
    if not shutil.which(compiler):
        return False
    body = ("int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n == 7; }"
            if "fuzzer" in sanitizers else "int main(void) { return 0; }")
    done = subprocess.run([compiler, f"-fsanitize={sanitizers}", "-x", "c", "-", "-o", os.devnull], input=body,
                          text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def pick_compiler(stage):
    """The cmake options that choose a compiler able to build the stage, or None when there is none."""
    if not stage.needs:
        return []
    if stage.preset != "fuzz" and can_compile("cc", stage.needs):
        return []
    if can_compile("clang", stage.needs):
        return [] if stage.preset == "fuzz" else ["-DCMAKE_C_COMPILER=clang"]
    return None


def build(stage):
    """Configures and builds. Returns a Result when that fails or cannot be done, else None."""
    start = time.monotonic()
    compiler = pick_compiler(stage)
    if compiler is None:
        return Result(stage.name, "build", "build", "skipped",
                      reason=f"no compiler here can -fsanitize={stage.needs}")
    environment = dict(os.environ)
    if shutil.which("ccache"):
        environment.setdefault("CMAKE_C_COMPILER_LAUNCHER", "ccache")
    say(f"{stage.name}: building build/{stage.preset}")
    for command in (["cmake", "--preset", stage.preset, "-DTERN_TESTS=ON", *compiler, *stage.options],
                    ["cmake", "--build", f"build/{stage.preset}"]):
        code, output = run(command, env=environment)
        if code != 0:
            print(output, flush=True)
            say(f"{stage.name}: {' '.join(command)} failed")
            return Result(stage.name, "build", "build", "failed", time.monotonic() - start, "does not build")
    say(f"{stage.name}: built in {time.monotonic() - start:.0f} s")
    return None


def listed_tests(stage, selection):
    """The stage's tests as ctest describes them: {name: {command, labels, properties}}."""
    code, output = run(["ctest", "--test-dir", f"build/{stage.preset}", "--show-only=json-v1", *selection])
    if code != 0:
        print(output, flush=True)
        return {}
    listed = {}
    for test in json.loads(output[output.index("{"):])["tests"]:
        properties = {each["name"]: each["value"] for each in test.get("properties", [])}
        listed[test["name"]] = {"command": test.get("command", []), "properties": properties,
                                "labels": properties.get("LABELS", [])}
    return listed


def kind_of(test):
    for label in test["labels"]:
        if label in KINDS:
            return label
    return test["labels"][0] if test["labels"] else "other"


def skip_reason(output):
    """The last line of what a skipped test printed."""
    lines = [line.strip() for line in (output or "").splitlines() if line.strip()]
    return re.sub(r"^skip(ped)?:\s*", "", lines[-1], flags=re.I) if lines else "no reason given"


def read_junit(stage, path, listed):
    """Turns ctest's report into results; a test that is missing from it has failed."""
    results = []
    seen = set()
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = case.get("name")
        seen.add(name)
        result = Result(stage.name, kind_of(listed[name]), name, "failed", float(case.get("time") or 0))
        skipped = case.find("skipped")
        failure = case.find("failure")
        if case.get("status") == "run" and failure is None and skipped is None:
            result.status = "passed"
        elif skipped is not None and "SKIP_" in (skipped.get("message") or ""):
            result.status = "skipped"
            result.reason = skip_reason(case.findtext("system-out"))
        elif skipped is not None:
            result.reason = skipped.get("message") or "not run"
        elif failure is not None:
            result.reason = failure.get("message") or "failed"
        else:
            result.reason = case.get("status") or "failed"
        results.append(result)
    for name in listed.keys() - seen:
        results.append(Result(stage.name, kind_of(listed[name]), name, "failed", reason="missing from ctest's report"))
    return results


def run_ctest(stage, regex):
    """Runs a stage's tests with ctest, whose progress goes straight to the terminal."""
    selection = []
    if stage.only:
        selection += ["-L", stage.only]
    if stage.without:
        selection += ["-LE", stage.without]
    if regex:
        selection += ["-R", regex]
    listed = listed_tests(stage, selection)
    if not listed:
        if regex:
            say(f"{stage.name}: no test matches {regex}")
            return []
        return [Result(stage.name, "build", "selection", "failed", reason="the stage has no tests")]
    say(f"{stage.name}: running {len(listed)} tests")
    report = os.path.join(ROOT, "build", stage.preset, f"junit-{stage.name}.xml")
    if os.path.exists(report):
        os.remove(report)
    subprocess.run(["ctest", "--test-dir", f"build/{stage.preset}", "--output-on-failure", "--timeout", "300",
                    "-j", str(JOBS), "--output-junit", report, *selection],
                   cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    if not os.path.exists(report):
        return [Result(stage.name, "build", "report", "failed", reason="ctest wrote no report")]
    return read_junit(stage, report, listed)


def run_directly(test, extra_environment, limit=SEEDED_TIMEOUT_S, before=()):
    """Runs one listed test by itself, `before` in front of its command. Returns its exit code (None when it took longer
    than the limit) and its output."""
    environment = dict(os.environ)
    for pair in test["properties"].get("ENVIRONMENT", []):
        key, _, value = pair.partition("=")
        environment[key] = value
    environment.update(extra_environment)
    with subprocess.Popen([*before, *test["command"]], cwd=test["properties"].get("WORKING_DIRECTORY", ROOT), env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", start_new_session=True) as child:
        try:
            output, _ = child.communicate(timeout=limit)
            return child.returncode, output
        except BaseException as error:
            os.killpg(child.pid, signal.SIGKILL)
            output, _ = child.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                return None, output
            raise


def read_seeds(path):
    """Lines of `bug test`; # starts a comment."""
    pairs = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split("#", 1)[0].split()
            if words:
                pairs.append((words[0], words[1] if len(words) == 2 else ""))
    return pairs


def seeded_clean(name, tests):
    """The test without any bug: it must pass, or what it finds with one proves nothing."""
    start = time.monotonic()
    if name not in tests:
        return Result("seeded", "seeded", name, "failed", reason="seeds.txt names a test that does not exist")
    code, output = run_directly(tests[name], {})
    result = Result("seeded", "seeded", f"{name} without a bug", "passed", time.monotonic() - start)
    if code == SKIP_CODE:
        result.status, result.reason = "skipped", skip_reason(output)
    elif code != 0:
        print(output, flush=True)
        result.status, result.reason = "failed", "hangs" if code is None else f"exit code {code}"
    return result


def seeded_bug(bug, name, tests):
    """The test with the bug switched on: it must fail, in one of a few attempts."""
    start = time.monotonic()
    result = Result("seeded", "seeded", f"{bug} found by {name}", "failed",
                    reason=f"{name} passes although the bug is switched on")
    for attempt in range(1, SEEDED_ATTEMPTS + 1):
        code, _ = run_directly(tests[name], {"TERN_BUG": bug})
        if code == SKIP_CODE:
            result.reason = "the test skips itself"
            break
        if code != 0:
            result.status = "passed"
            result.reason = f"attempt {attempt}: " + ("hangs" if code is None else f"exit code {code}")
            break
    result.seconds = time.monotonic() - start
    return result


def run_seeded(stage, regex):
    path = os.path.join(ROOT, "tests", "torture", "seeds.txt")
    if not os.path.exists(path):
        return [Result(stage.name, "seeded", "seeds.txt", "failed", reason="tests/torture/seeds.txt is missing")]
    pairs = [pair for pair in read_seeds(path) if not regex or re.search(regex, " ".join(pair))]
    if not pairs:
        if regex:
            say(f"{stage.name}: no bug or test matches {regex}")
            return []
        return [Result(stage.name, "seeded", "seeds.txt", "failed", reason="tests/torture/seeds.txt is empty")]
    tests = listed_tests(stage, [])
    clean = {}
    results = []
    for bug, name in pairs:
        if name not in clean:
            clean[name] = seeded_clean(name, tests)
            results.append(clean[name])
            say(f"seeded: {clean[name].name}: {clean[name].status} {clean[name].reason} ({clean[name].seconds:.1f} s)")
        if clean[name].status == "passed":
            result = seeded_bug(bug, name, tests)
        else:
            result = Result("seeded", "seeded", f"{bug} found by {name}", clean[name].status,
                            reason="the test does not pass without the bug either")
        results.append(result)
        say(f"seeded: {result.name}: {result.status}, {result.reason} ({result.seconds:.1f} s)")
    return results


def install_npm_packages():
    """npm ci wherever tests/e2e or a folder in it has a package-lock.json."""
    top = os.path.join(ROOT, "tests", "e2e")
    if not os.path.isdir(top):
        return
    for folder in [top] + sorted(entry.path for entry in os.scandir(top) if entry.is_dir()):
        lock = os.path.join(folder, "package-lock.json")
        if os.path.exists(lock):
            with open(lock, "rb") as contents:
                install_npm_folder(folder, hashlib.sha256(contents.read()).hexdigest())


def install_npm_folder(folder, digest):
    """npm ci, unless what is there was installed from the same lock file: then no network is needed."""
    stamp = os.path.join(folder, "node_modules", ".installed-from")
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as known:
            if known.read() == digest:
                return
    name = os.path.relpath(folder, ROOT)
    if not shutil.which("npm"):
        say(f"npm is missing: the tests that need the packages of {name} will be skipped")
        return
    say(f"fetching the packages of {name} (npm ci)")
    code, output = run(["npm", "ci", "--prefix", folder, "--no-audit", "--no-fund", "--no-update-notifier"])
    if code != 0:
        print(output, flush=True)
        say(f"npm ci failed (no network?): the tests that need the packages of {name} will be skipped")
        shutil.rmtree(os.path.join(folder, "node_modules"), ignore_errors=True)
        return
    with open(stamp, "w", encoding="ascii") as known:
        known.write(digest)


def memcheck_one(name, test):
    start = time.monotonic()
    code, output = run_directly(test, {}, VALGRIND_TIMEOUT_S, VALGRIND)
    result = Result("memcheck", "memcheck", name, "passed", time.monotonic() - start)
    if code == SKIP_CODE:
        result.status, result.reason = "skipped", skip_reason(output)
    elif code != 0:
        print(output, flush=True)
        result.status, result.reason = "failed", "hangs" if code is None else f"exit code {code}"
    say(f"memcheck: {name}: {result.status} {result.reason} ({result.seconds:.1f} s)")
    return result


def run_memcheck(stage, regex):
    if not shutil.which("valgrind"):
        return [Result(stage.name, "memcheck", "memcheck", "skipped", reason="valgrind is not installed")]
    tests = listed_tests(stage, ["-L", stage.only, "-R", r"^unit\.(base|codec|registry)\."])
    tests = {name: test for name, test in tests.items()
             if name not in NOT_UNDER_VALGRIND and re.search(regex, name)}
    if not tests:
        if regex:
            say(f"{stage.name}: no test matches {regex}")
            return []
        return [Result(stage.name, "build", "selection", "failed", reason="the stage has no tests")]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(lambda name: memcheck_one(name, tests[name]), tests))


def run_stage(stage, regex):
    start = time.monotonic()
    say(f"==== {stage.name}: {stage.why}")
    stopped = build(stage)
    if stopped:
        results = [stopped]
    elif stage.name == "seeded":
        results = run_seeded(stage, regex)
    elif stage.name == "memcheck":
        results = run_memcheck(stage, regex)
    else:
        results = run_ctest(stage, regex)
    seconds = time.monotonic() - start
    say(f"==== {stage.name}: {count_line(results)} in {seconds:.0f} s")
    return results, seconds


def count_line(results):
    counts = {status: sum(result.status == status for result in results) for status in ("passed", "failed", "skipped")}
    return f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"


def print_table(title, rows):
    """rows: (name, results, seconds)."""
    print(f"\n{title:<12}{'passed':>8}{'failed':>8}{'skipped':>8}{'seconds':>9}")
    for name, results, seconds in rows:
        counts = [sum(result.status == status for result in results) for status in ("passed", "failed", "skipped")]
        print(f"{name:<12}{counts[0]:>8}{counts[1]:>8}{counts[2]:>8}{seconds:>9.0f}")


def print_summary(results, stages):
    print_table("stage", [(name, [r for r in results if r.stage == name], seconds) for name, seconds in stages])
    kinds = KINDS + sorted({result.kind for result in results} - set(KINDS))
    rows = []
    for kind in kinds:
        mine = [result for result in results if result.kind == kind]
        if mine:
            rows.append((kind, mine, sum(result.seconds for result in mine)))
    print_table("kind", rows)
    for status in ("skipped", "failed"):
        mine = [result for result in results if result.status == status]
        if mine:
            print(f"\n{status}:")
        for result in mine:
            print(f"  {result.stage}: {result.name}: {result.reason}")
    print()
    print(count_line(results), flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/run", description="Runs the tests; everything unless told otherwise.")
    names = [stage.name for stage in STAGES]
    parser.add_argument("stage", nargs="*", help=f"quick (the fast tests), or any of: {', '.join(names)}")
    parser.add_argument("-R", metavar="REGEX", default="", help="only tests whose name matches")
    arguments = parser.parse_args()
    known = {stage.name: stage for stage in STAGES + QUICK}
    for name in arguments.stage:
        if name not in known:
            parser.error(f"no such stage: {name}")
    return [known[name] for name in arguments.stage] or STAGES, arguments.R


def main():
    stages, regex = parse_arguments()
    install_npm_packages()
    results = []
    times = []
    for stage in stages:
        found, seconds = run_stage(stage, regex)
        results += found
        times.append((stage.name, seconds))
    print_summary(results, times)
    passed = any(result.status == "passed" for result in results)
    return 0 if passed and not any(result.status == "failed" for result in results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
