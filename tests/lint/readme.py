#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""README's configuration reference is what the program prints.

usage: readme.py FAIRLEAD README            checks; exit 0 or 1
       readme.py FAIRLEAD README --update   writes it anew
"""
import subprocess
import sys
from pathlib import Path

BEGIN, END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"

program, readme = sys.argv[1], Path(sys.argv[2])
text = readme.read_text()
before, rest = text.split(BEGIN)
written, after = rest.split(END)
printed = subprocess.run([program, "--reference"], check=True, capture_output=True, text=True).stdout
if sys.argv[3:] == ["--update"]:
    readme.write_text(before + BEGIN + printed + END + after)
elif written != printed:
    sys.exit("README.md: the configuration reference is not what fairlead --reference prints; "
             "tests/lint/readme.py build/app/fairlead/fairlead README.md --update")
