#!/usr/bin/env python3
"""Everything that must hold, with its time: builds with gcc and with clang, checks the rules of the house, runs all tests
plain and under the sanitizers, and the demo. Fails when a step fails or takes longer than
its budget. The last line is "N passed, N failed, N skipped", summed over all steps.
"""
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = f"-j{os.cpu_count() or 1}"
STEPS = [  # name, command, budget in seconds
    ("build, gcc", ["make", JOBS, "all", "CC=gcc"], 300),
    ("build, clang", ["make", JOBS, "all", "CC=clang", "BUILD=build-clang"], 300),
    ("house rules", ["make", "check-style", "CC=gcc"], 120),
    ("check", ["make", "check", "CC=gcc"], 8 * 60),
    ("check-asan", ["make", "check-asan", "CC=gcc"], 10 * 60),
    ("check-tsan", ["make", "check-tsan", "CC=gcc"], 8 * 60),
    ("demo", ["make", "demo", "CC=gcc"], 3 * 60),
]
WHOLE = 40 * 60


def run(command, limit):
    """Run and show a command; returns (exit status, seconds, counts of its last "N passed, ..." line or None)."""
    start = time.monotonic()
    counts = None
    process = subprocess.Popen(["timeout", "--kill-after=10", str(limit)] + command, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        found = re.match(r"(\d+) passed, (\d+) failed, (\d+) skipped$", line)
        counts = [int(n) for n in found.groups()] if found else counts
    return process.wait(), time.monotonic() - start, counts


def main():
    os.chdir(ROOT)
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    data = os.path.join(ROOT, "..", "shared", "data")
    if "LODESTONE_DATA" not in os.environ and os.path.isdir(data):
        os.environ["LODESTONE_DATA"] = os.path.abspath(data)
    total = [0, 0, 0]
    rows = []
    begin = time.monotonic()
    for name, command, budget in STEPS:
        print(f"\n==== {name}: {' '.join(command)}", flush=True)
        status, seconds, counts = run(command, 2 * budget)  # over the budget fails, but shows by how much
        good = status == 0 and seconds <= budget
        why = "ok" if good else "over its budget" if status in (0, 124) else f"exit status {status}"
        if counts is None:  # a step that runs no tests is one itself
            counts = [int(good), int(not good), 0]
        elif not good and (status == 0 or not counts[1]):
            counts[1] += 1
        total = [a + b for a, b in zip(total, counts)]
        rows.append((name, seconds, budget, why))
        if name == "build, gcc" and status != 0:
            break
    whole = time.monotonic() - begin
    over = whole > WHOLE
    total[1] += over
    rows.append(("whole", whole, WHOLE, "over its budget" if over else "ok"))
    print("\nstep            seconds   budget")
    for name, seconds, budget, why in rows:
        print(f"{name:14} {seconds:8.1f} {budget:8d}  {why}")
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
