#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the compiler does not check: bounds of files and functions, banned calls, headers, layers.

usage: check.py SOURCE_ROOT
An exception from a budget carries its reason on the line above: /* WHY long: … */
"""
import re
import sys
from pathlib import Path

FILE_MAX, FUNCTION_MAX = 600, 100
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca)\s*\(")
PREPEND = re.compile(r"\brte_pktmbuf_prepend\s*\(")

root = Path(sys.argv[1])
problems = []


def say(path, line, text):
    problems.append(f"{path.relative_to(root)}:{line}: {text}")


def functions(lines):
    """(first line, last line) of every function body, by the house's brace style."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{" and start is None:
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number
            start = None


def check_file(path):
    text = path.read_text()
    lines = text.split("\n")
    if "SPDX-License-Identifier: BSD-3-Clause" not in "\n".join(lines[:3]):
        say(path, 1, "no SPDX line")
    if len(lines) > FILE_MAX:
        say(path, FILE_MAX, f"{len(lines)} lines, at most {FILE_MAX}")
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            say(path, number, "space at the end of the line")
        match = BANNED.search(line)
        if match:
            say(path, number, f"{match[1]} is banned")
        if PREPEND.search(line) and "encap" not in path.parts:
            say(path, number, "headers are put in front of packets in lib/encap only")
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            say(path, number, "unfinished")
    for start, end in functions(lines):
        if end - start + 1 > FUNCTION_MAX and "WHY long" not in "".join(lines[max(0, start - 4):start]):
            say(path, start, f"function of {end - start + 1} lines, at most {FUNCTION_MAX}")
    if path.suffix == ".h" and not re.search(r"^#ifndef FAIRLEAD_\w+_H$", text, re.M):
        say(path, 1, "no include guard FAIRLEAD_…_H")


def check_layers():
    """Rooms name only rooms that stand above them, and no two headers have one name."""
    rooms = []
    table = (root / "lib/meson.build").read_text()
    for name, body in re.findall(r"^  \['(\w+)', (.*?)\],\n(?=  \[|\])", table, re.M | re.S):
        lists = re.findall(r"\[(.*?)\]", body, re.S)
        for seen in re.findall(r"'(\w+)'", lists[1]):
            if seen not in rooms:
                say(root / "lib/meson.build", 1, f"{name} names {seen}, which stands below it")
        rooms.append(name)
    found = {p.name for p in (root / "lib").iterdir() if p.is_dir()}
    if found != set(rooms):
        say(root / "lib/meson.build", 1, f"rooms and folders differ: {sorted(found ^ set(rooms))}")
    owners = {}
    for header in (root / "lib").glob("*/*.h"):
        if header.name in owners:
            say(header, 1, f"also in {owners[header.name]}")
        owners[header.name] = header.parent.name


def main():
    sources = [p for folder in ("lib", "app", "perf", "tests") for p in (root / folder).rglob("*.[ch]")]
    for path in sorted(sources):
        check_file(path)
    check_layers()
    print("\n".join(problems) or f"lint: {len(sources)} files are in order")
    return 1 if problems else 0


sys.exit(main())
