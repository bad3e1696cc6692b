#!/usr/bin/env python3
"""Check what STYLE asks of C files and a script can see: layout, sizes, banned calls, asserts, paths.

Layout is clang-format's (version 14; files are as `make format` leaves them). A function has at most 100 lines, a file
at most 1000. Comments and texts are blanked before calls are looked for. A line may carry `// style: REASON` where a
rule must be broken. Prints one line a breach; exit status 1 if there is any.
"""
import os
import re
import shutil
import subprocess
import sys

FUNCTION_LINES = 100
FILE_LINES = 1000

BANNED = {  # call: (layers where it is allowed, what to do instead)
    "strcpy": ((), "copy with a length"),
    "strcat": ((), "build texts with base/text.h"),
    "sprintf": ((), "use snprintf"),
    "vsprintf": ((), "use vsnprintf"),
    "strtok": ((), "it keeps state; walk the text"),
    "gets": ((), "it cannot be used safely"),
    "localtime": ((), "use localtime_r"),
    "gmtime": ((), "use gmtime_r"),
    "ctime": ((), "use strftime"),
    "asctime": ((), "use strftime"),
    "strerror": (("base", "cli"), "use the error helpers of base/error.h"),
    "atoi": ((), "it cannot tell an error; use the parsers of base/text.h or strtol"),
    "atol": ((), "it cannot tell an error; use strtol"),
    "atof": ((), "it cannot tell an error; use strtod"),
    "rand": ((), "use base/random.h"),
    "srand": ((), "use base/random.h"),
    "drand48": ((), "use base/random.h"),
    "alloca": ((), "use an arena"),
    "system": ((), "no shell"),
    "popen": ((), "no shell"),
    "malloc": (("base", "cli"), "allocate through base/memory.h"),
    "calloc": (("base", "cli"), "allocate through base/memory.h"),
    "realloc": (("base", "cli"), "allocate through base/memory.h"),
    "strdup": (("base", "cli"), "allocate through base/memory.h"),
    "asprintf": (("base", "cli"), "build texts with base/text.h"),
    "printf": (("cli",), "the library never prints"),
    "puts": (("cli",), "the library never prints"),
    "putchar": (("cli",), "the library never prints"),
    "perror": ((), "the library never prints"),
    "exit": (("cli",), "the library never exits"),
    "_exit": (("cli",), "the library never exits"),
    "abort": ((), "the library never aborts"),
}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
# Written in pieces so that this file does not name what it looks for.
PATHS = re.compile("|".join(["(?<![\\w.])/" + p for p in ("wo" + "rk/", "ho" + "me/", "ro" + "ot/", "tmp/w" + "t/")]))


def listed(*patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
                         capture_output=True, text=True, check=True).stdout
    return [f for f in out.split("\n") if f and os.path.isfile(f)]


def blank(text):
    """Comments and texts become spaces; lines stay where they are."""
    pattern = r'//(?:[^\n\\]|\\.)*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    def spaces(found):
        return re.sub(r"[^\n]", " ", found.group(0))
    return re.sub(pattern, spaces, text, flags=re.S)


def functions(lines):
    """(first line, count, name) of each function: in this layout a body ends with a brace in the first column."""
    first, name = 0, ""
    inside = False
    for number, line in enumerate(lines, 1):
        if line.startswith("}"):
            if inside:
                yield first, number - first + 1, name
            inside, name = False, ""
        elif inside:
            continue
        elif re.match(r"[A-Za-z_]", line):
            called = re.search(r"(\w+)\s*\(", line)
            first, name = number, called.group(1) if called else ""
        if name and not inside and line.rstrip().endswith(("{", "{}")):
            inside = not line.rstrip().endswith("{}") and "=" not in line.split("(")[0]


def check_file(path, text):
    layer = path.split("/")[1] if path.startswith("src/") else None
    lines = text.split("\n")
    if len(lines) - 1 > FILE_LINES:
        yield 1, f"{len(lines) - 1} lines; at most {FILE_LINES}: one concept a file"
    code = blank(text).split("\n")
    for first, count, name in functions(code):
        if count > FUNCTION_LINES:
            yield first, f"{name} has {count} lines; at most {FUNCTION_LINES}"
    for number, line in enumerate(code, 1):
        if "// style:" in lines[number - 1]:
            continue
        for found in CALL.finditer(line):
            allowed, instead = BANNED[found.group(1)]
            if path.startswith("src/") and layer not in allowed:
                yield number, f"{found.group(1)}(): {instead}"
        if layer and layer != "cli" and re.search(r"\b(stdout|stderr)\b", line):
            yield number, "the library does not touch the standard streams"
        asserted = re.search(r"\bassert\s*\((.*)", line)
        if asserted and re.search(r"\+\+|--|(?<![=!<>+\-*/|&^%])=(?!=)|[+\-*/|&^%]=", asserted.group(1)):
            yield number, "an assert must not change anything: it is gone under NDEBUG"


def check_format(paths):
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not tool:
        yield "clang-format-14 is not installed"
        return
    done = subprocess.run([tool, "--dry-run", "--ferror-limit=3", *paths], capture_output=True, text=True, check=False)
    for line in done.stderr.split("\n"):
        found = re.match(r"(.*?:\d+):\d+: (?:warning|error): code should be clang-formatted", line)
        if found:
            yield f"{found.group(1)}: layout differs from clang-format's (make format)"


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    found = []
    sources = listed("*.c", "*.h", "*.inc")
    for path in sources:
        with open(path, encoding="utf-8") as file:
            found += [f"{path}:{number}: {what}" for number, what in check_file(path, file.read())]
    for path in listed():
        try:
            with open(path, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    if PATHS.search(line):
                        found.append(f"{path}:{number}: names a path of one machine: {line.strip()[:80]}")
        except UnicodeDecodeError:
            pass  # binary samples
    found += check_format([p for p in sources if not p.endswith(".inc")])
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
