#!/usr/bin/env python3
"""Check that layers point one way: a file includes only from its own layer and from layers below it.

The program (src/cli) and the examples see lodestone.h only, apart from the system's headers. src/kernel/x86 is private
to src/kernel. A layer may name lodestone.h for statuses and hooks. Prints one line a breach; exit status 1 if any.
"""
import os
import re
import subprocess
import sys

LAYERS = ["base", "kernel", "graph", "data", "search", "mine", "model", "objective", "eval", "train", "bench", "retrieve", "serve"]


def files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "src", "include", "examples", "tests", "bench"],
                            capture_output=True, text=True, check=True).stdout.split("\n")
    return [f for f in listed if re.search(r"\.(c|h|inc)$", f) and os.path.exists(f)]


def problem(path, header):
    """What is wrong with `path` including "header", or None."""
    parts = path.split("/")
    target = header.split("/")[0]
    if header == "lodestone.h":
        return None
    if parts[0] in ("examples", "include"):
        return "may include lodestone.h only"
    if parts[0] == "src" and parts[1] == "cli":
        return None if target == "cli" else "the program may include lodestone.h and its own headers only"
    if target == "cli":
        return "only the program includes src/cli"
    if parts[0] != "src":
        return None  # tests and benches may see everything
    if target not in LAYERS:
        return f"'{target}' is no layer; write \"LAYER/file.h\""
    if not os.path.exists(os.path.join("src", header)):
        return "no such file"
    if header.startswith("kernel/x86/") and parts[1] != "kernel":
        return "src/kernel/x86 is private to src/kernel"
    if parts[1] not in LAYERS:
        return f"src/{parts[1]} is no layer known to tools/check_layers.py"
    if LAYERS.index(target) > LAYERS.index(parts[1]):
        return f"{parts[1]} stands below {target}"
    return None


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    breaches = 0
    for path in files():
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
                wrong = problem(path, found.group(1)) if found else None
                if wrong:
                    breaches += 1
                    print(f'{path}:{number}: includes "{found.group(1)}": {wrong}')
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
