#!/usr/bin/env python3
"""Run groups of tests and count them: run_tests.py --build build unit levels fuzz cli examples style

Groups: `unit` are the cmocka programs (one process each, counted test by test; a build that looks for races leaves
some out), `levels` those of graphs, search and training again at each lower instruction level that this machine has (tests of kernels see all of them in one run), `fuzz` replays the corpus of
every fuzz target, `cli` are the cases of tests/cli, `examples` runs the programs of examples/ in an empty folder,
`style` are the scripts that check the rules of the house. Each thing that runs prints one line with its time; what
failed is shown with its output. The last line is "N passed, N failed, N skipped"; the exit status is 1 if any failed.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import run_cli_tests

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SKIPPED = 77  # exit status of a test that could not run here
LEVELS = ["scalar", "avx2", "avx512", "avx512bf16", "amx"]
AT_LEVELS = ["tests/graph/test_*.c", "tests/search/test_*.c"]
AT_FAST_LEVELS = ["tests/train/test_train.c", "tests/train/test_precision.c"]  # minutes in plain C
# What a build that looks for races leaves out: tests that run on one thread or repeat one thing thousands of times.
WITHOUT_RACES = ["/kernel/", "/oom/", "/base/test_safetensors", "/data/test_dataset", "/bench/test_cases"]
STYLE = [
    ["tools/check_layers.py"],
    ["tools/check_style.py"],
    ["tools/check_headers.sh"],
    ["tools/check_symbols.sh", "{build}"],
]


class Result:
    """What one process amounted to."""

    def __init__(self, name, passed=0, failed=0, skipped=0, output=""):
        self.name, self.passed, self.failed, self.skipped = name, passed, failed, skipped
        self.output = output
        self.seconds = 0.0


def environment(build):
    env = dict(os.environ, LC_ALL="C.UTF-8", TERM="dumb")
    env["LODESTONE"] = os.path.abspath(os.path.join(build, "lodestone"))
    env["LODESTONE_ROOT"] = ROOT
    env["PATH"] = os.path.abspath(build) + os.pathsep + env["PATH"]
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    env.setdefault("TSAN_OPTIONS", "halt_on_error=1:second_deadlock_stack=1")
    return env


def wrapper(build):
    """gcc's ThreadSanitizer cannot live with much address randomisation: run without it where that is allowed."""
    if "tsan" not in os.path.basename(build) or not shutil.which("setarch"):
        return []
    command = ["setarch", os.uname().machine, "-R"]
    probe = subprocess.run(command + ["true"], capture_output=True, check=False)
    return command if probe.returncode == 0 else []


def run(command, timeout, **options):
    """Run a command with its own process group; returns (exit status or None after a timeout, output)."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True, **options)
    try:
        output, _ = process.communicate(timeout=timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        status = None
    return status, output.decode("utf-8", "replace")


def ending(status, timeout):
    if status is None:
        return f"no end after {timeout} s"
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def single(name, command, timeout, **options):
    """A process that is one test."""
    status, output = run(command, timeout, **options)
    if status == 0:
        return Result(name, passed=1, output=output)
    if status == SKIPPED:
        return Result(name, skipped=1, output=output)
    return Result(name, failed=1, output=f"{output}{ending(status, timeout)}\n")


def lower_levels(build):
    """The levels below the one that the program chooses here."""
    out = subprocess.run([os.path.join(build, "lodestone"), "version"], capture_output=True, text=True, check=True,
                         env=dict(os.environ, LODE_CPU="")).stdout
    return LEVELS[:LEVELS.index(re.search(r"^cpu +(\w+)$", out, re.M).group(1))]


def unit(binary, build, timeout, prefix, level=None):
    """A cmocka program, counted by the XML it writes."""
    name = os.path.relpath(binary, build) + (f" at {level}" if level else "")
    with tempfile.TemporaryDirectory(prefix="lodestone-test-") as scratch:
        os.chmod(scratch, 0o755)  # tests of refused folders drop root's rights and must still get here
        env = dict(environment(build), CMOCKA_MESSAGE_OUTPUT="XML", TMPDIR=scratch,
                   CMOCKA_XML_FILE=os.path.join(scratch, "cmocka-%g.xml"))
        if level:
            env["LODE_CPU"] = level
        status, output = run(prefix + [os.path.abspath(binary)], timeout, cwd=ROOT, env=env)
        xml = ""
        for path in sorted(glob.glob(os.path.join(scratch, "cmocka-*.xml"))):
            with open(path, encoding="utf-8", errors="replace") as file:
                xml += file.read()
    # cmocka falls back to the standard error stream when it cannot write its file (two groups of one name).
    xml += "".join(re.findall(r"<testsuites>.*?</testsuites>", output, re.S))
    output = re.sub(r"(<\?xml[^>]*\?>\s*)?<testsuites>.*?</testsuites>\n?", "", output, flags=re.S)
    result = Result(name)
    slow = []
    cases = re.findall(r'<testcase name="([^"]*)" time="([^"]*)"\s*>(.*?)</testcase>', xml, re.S)
    for case, seconds, body in cases:
        if "<failure>" in body or "<error>" in body:
            result.failed += 1
            message = re.sub(r"<!\[CDATA\[|\]\]>|</?(failure|error)>", "", body).strip()
            output += f"FAILED {case}: {message}\n"
        elif "<skipped/>" in body:
            result.skipped += 1
        else:
            result.passed += 1
        if float(seconds) >= 1:
            slow.append(f"{case} {float(seconds):.1f} s")
    # A test may also say that it skipped and return.
    said = len(re.findall(r"^skipped:", output, re.M)) - result.skipped
    said = max(0, min(said, result.passed))
    result.passed, result.skipped = result.passed - said, result.skipped + said
    if status != 0 and result.failed == 0:
        result.failed = 1
        output += ending(status, timeout) + "\n"
    elif status == 0 and not cases:
        result.failed = 1
        output += "ended without having run a test\n"
    result.output = output
    if slow:
        result.name += "  (" + ", ".join(slow) + ")"
    return result


def fuzz(binary, build, timeout, prefix):
    target = os.path.basename(binary).removeprefix("fuzz_")
    corpus = os.path.join(ROOT, "tests/fuzz/corpus", target)
    if not os.path.isdir(corpus):
        return Result(f"fuzz {target}", failed=1, output=f"no corpus in tests/fuzz/corpus/{target}\n")
    files = sorted(os.path.join(corpus, f) for f in os.listdir(corpus))
    return single(f"fuzz {target} ({len(files)} inputs)", prefix + [os.path.abspath(binary)] + files,
                  timeout, cwd=ROOT, env=environment(build))


def example(binary, build, timeout, prefix):
    with tempfile.TemporaryDirectory(prefix="lodestone-example-") as scratch:
        return single("example " + os.path.basename(binary), prefix + [os.path.abspath(binary), scratch],
                      timeout, cwd=scratch, env=environment(build))


def jobs_of(group, build, timeout, prefix):
    """(thunk, ...) of everything in a group."""
    def built(pattern):
        for source in sorted(glob.glob(os.path.join(ROOT, pattern))):
            yield os.path.join(build, os.path.relpath(source, ROOT)[:-2])
    if group == "unit":
        racing = "tsan" in os.path.basename(build)
        return [lambda b=b: unit(b, build, timeout, prefix) for b in built("tests/*/test_*.c")
                if not (racing and any(part in b for part in WITHOUT_RACES))]
    if group == "levels":
        return [lambda b=b, v=v: unit(b, build, timeout, prefix, v)
                for v in lower_levels(build)
                for pattern in AT_LEVELS + (AT_FAST_LEVELS if v != "scalar" else []) for b in built(pattern)]
    if group == "fuzz":
        return [lambda b=b: fuzz(b, build, timeout, prefix) for b in built("tests/fuzz/fuzz_*.c")]
    if group == "examples":
        return [lambda b=b: example(b, build, timeout, prefix) for b in built("examples/*.c")]
    if group == "style":
        commands = [[w.replace("{build}", build) for w in words] for words in STYLE]
        return [lambda c=c: single(c[0], c, timeout, cwd=ROOT) for c in commands]
    return [lambda c=c: Result(*c()) for c in run_cli_tests.jobs(ROOT, environment(build), prefix, timeout)]


def timed(thunk):
    start = time.monotonic()
    try:
        result = thunk()
    except Exception as problem:  # a runner that breaks is a failed test, never a silent one
        result = Result("runner", failed=1, output=f"{type(problem).__name__}: {problem}\n")
    result.seconds = time.monotonic() - start
    return result


def report(result):
    state = "FAILED" if result.failed else "skip" if not result.passed else "ok"
    counts = f"{result.passed}/{result.passed + result.failed}"
    if result.skipped:
        counts += f" {result.skipped} skipped"
    print(f"{state:6} {result.seconds:7.2f} s  {counts:>8}  {result.name}")
    if result.failed:
        lines = result.output.splitlines()
        for line in lines[:20] + (["..."] if len(lines) > 60 else []) + lines[20:][-40:]:
            print(f"       | {line}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--timeout", type=int, default=300, help="seconds that one process may take")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("groups", nargs="+", choices=["unit", "levels", "fuzz", "cli", "examples", "style"])
    options = parser.parse_args()
    os.chdir(ROOT)
    prefix = wrapper(options.build)
    results = []
    for group in options.groups:
        thunks = jobs_of(group, options.build, options.timeout, prefix)
        with ThreadPoolExecutor(options.jobs) as pool:
            for result in pool.map(timed, thunks):
                report(result)
                results.append(result)
    run_cli_tests.clean()
    passed, failed, skipped = (sum(getattr(r, k) for r in results) for k in ("passed", "failed", "skipped"))
    if failed:
        print("failed: " + ", ".join(r.name for r in results if r.failed))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
