#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""progress.py NAME LOG STEPS SRC: watch a kernel build on standard input.

Everything goes to LOG; to the terminal go warnings, errors and how far it is: one line that is
rewritten on a terminal, one line every 20 seconds elsewhere. STEPS remembers how many steps a
build from nothing took. Exit status 0 if make's last words were not an error.
"""
import os
import re
import sys
import time

STEPS_GUESS = {"lean": 1420, "debug": 1950, "stock": 1400, "off": 480}
STEP = re.compile(r"^  ([A-Z][A-Z0-9_+-]*)(?: \[M\])? +(\S+)")
TROUBLE = re.compile(r"(: |^)(fatal error|error|warning|undefined reference|multiple definition)\b|"
                     r"^make(\[\d+\])?: \*\*\*", re.I)
CONTEXT = re.compile(r"^ *(\d+ )?\||: (note|In function|In member function)|^In file included")


def main():
    name, log, steps_file, src = sys.argv[1:5]
    try:
        with open(steps_file) as f:
            total = int(f.read())
    except (OSError, ValueError):
        total = STEPS_GUESS.get(name, 1700)
    tty = sys.stdout.isatty()
    begin = shown = time.monotonic()
    done, failed, trouble = 0, False, 0

    def clear():
        if tty:
            sys.stdout.write("\r\033[K")

    with open(log, "w", errors="replace") as out:
        for line in sys.stdin.buffer:
            line = line.decode(errors="replace")
            out.write(line)
            out.flush()
            if line.startswith("make") and "***" in line:
                failed = True
            step = STEP.match(line)
            if step:
                done += 1
                trouble = 0
                now = time.monotonic()
                if now - shown >= (0.5 if tty else 20):
                    shown = now
                    took = int(now - begin)
                    text = "   %d:%02d  step %d of about %d  %s" % (
                        took // 60, took % 60, done, max(total, done), step.group(2))
                    clear()
                    sys.stdout.write(text[:78] if tty else text + "\n")
                    sys.stdout.flush()
            elif TROUBLE.search(line) or (trouble and CONTEXT.search(line)):
                trouble += 1
                if trouble < 40:
                    clear()
                    print(line.replace(os.path.realpath(src) + "/", "").rstrip(), flush=True)
    clear()
    took = int(time.monotonic() - begin)
    if failed:
        return 1
    if done > 0.9 * total:
        with open(steps_file, "w") as f:
            f.write(str(done))
    print("   %d:%02d  %d steps done" % (took // 60, took % 60, done) if done else
          "   nothing to do")
    return 0


if __name__ == "__main__":
    sys.exit(main())
