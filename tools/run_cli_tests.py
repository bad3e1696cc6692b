#!/usr/bin/env python3
"""The command-line cases of tests/cli: run_cli_tests.py [BUILD [NAME ...]]

A case NAME is a shell script NAME.sh, run by `sh -eu` in an empty folder with the program first in PATH. Beside it
stand NAME.stdout and NAME.stderr, what it must print: `*` matches anything within a line, a line `...` any number
of lines; a file that is not there means nothing may be printed. A line `# exit N` in the script gives the
exit status (default 0). Exit status 77 skips the case, say for want of data.

prepare.sh runs first, once; cases find what it made in the folder $SHOP, and the project in $SOURCE, neither of which they
may change.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

SKIPPED = 77
_scratch = None
_lock = threading.Lock()
_prepared = {}


def clean():
    global _scratch
    if _scratch:
        shutil.rmtree(_scratch, ignore_errors=True)
        _scratch = None


def scratch(name):
    global _scratch
    with _lock:
        if not _scratch:
            _scratch = tempfile.mkdtemp(prefix="lodestone-cli-")
    folder = os.path.join(_scratch, name)
    os.makedirs(folder)
    return folder


def matches(pattern, text):
    """Whether lines of text meet lines of a pattern, and a sentence about the first difference."""
    parts = []
    for line in pattern.splitlines():
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append("[^\n]*".join(re.escape(piece) for piece in line.split("*")) + "\n")
    if text and not text.endswith("\n"):
        text += "\n"
    if re.fullmatch("".join(parts), text):
        return True, ""
    for count in range(len(parts), -1, -1):
        if re.match("".join(parts[:count]), text):
            wanted = pattern.splitlines()[count] if count < len(parts) else "(nothing more)"
            return False, f"no match for line {count + 1} of what is expected: {wanted}"
    return False, ""


def run_script(script, folder, env, prefix, timeout):
    with open(os.path.join(folder, ".out"), "w+b") as out, open(os.path.join(folder, ".err"), "w+b") as err:
        process = subprocess.Popen(prefix + ["sh", "-eu", script], cwd=folder, env=env, start_new_session=True,
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            status = None
        out.seek(0)
        err.seek(0)
        return status, out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace")


def expected(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def case(script, env, prefix, timeout):
    """(name, passed, failed, skipped, output)"""
    name = os.path.basename(script)[:-3]
    with open(script, encoding="utf-8") as file:
        text = file.read()
    if "$SHOP" in text and _prepared.get("status") != 0:
        return f"cli {name}", 0, 1, 0, "prepare.sh did not succeed\n"
    found = re.search(r"^# exit (\d+)$", text, re.M)
    wanted = int(found.group(1)) if found else 0
    status, out, err = run_script(script, scratch(name), dict(env, SHOP=_prepared.get("folder", "")), prefix, timeout)
    if status == SKIPPED:
        return f"cli {name}", 0, 0, 1, err
    problems = []
    if status != wanted:
        problems.append(f"exit status {status} instead of {wanted}" if status is not None else
                        f"no end after {timeout} s")
    for what, printed in (("stdout", out), ("stderr", err)):
        good, why = matches(expected(f"{script[:-3]}.{what}"), printed)
        if not good:
            problems.append(f"{what}: {why}; printed was:\n{printed}")
    return f"cli {name}", int(not problems), int(bool(problems)), 0, "\n".join(problems) + "\n"


def jobs(root, env, prefix, timeout, names=()):
    """One function a case; the fixture is made before any of them runs."""
    scripts = sorted(glob.glob(os.path.join(root, "tests/cli/*.sh")))
    prepare = os.path.join(root, "tests/cli/prepare.sh")
    if names:
        scripts = [s for s in scripts if os.path.basename(s)[:-3] in names]
    env = dict(env, SOURCE=root)
    made = []
    if os.path.exists(prepare) and any("$SHOP" in expected(s) for s in scripts if s != prepare):
        folder = scratch("prepare")
        status, out, err = run_script(prepare, folder, dict(env, SHOP=folder), prefix, timeout)
        _prepared.update(status=status, folder=folder)
        good = status == 0
        made.append(lambda: ("cli prepare", int(good), int(not good), 0, f"{out}{err}exit status {status}\n"))
    return made + [lambda s=s: case(s, env, prefix, timeout) for s in scripts if s != prepare]


def main():
    import run_tests
    root = run_tests.ROOT
    build = sys.argv[1] if len(sys.argv) > 1 else "build"
    failures = 0
    for job in jobs(root, run_tests.environment(build), run_tests.wrapper(build), 300, sys.argv[2:]):
        name, passed, failed, skipped, output = job()
        failures += failed
        print("FAILED" if failed else "skip" if skipped else "ok", name)
        if failed:
            print(output)
    clean()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
