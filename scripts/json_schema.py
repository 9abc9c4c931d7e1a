#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""json_schema.py SCHEMA - say what is not as the schema has it in each line, a JSON document, of
standard input

Prints "LINE: PATH: MESSAGE". It is the Python that Debian's modules belong to.
"""
import json
import sys

import jsonschema


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as schema:
        validator = jsonschema.Draft202012Validator(json.load(schema))
    bad = 0
    for number, text in enumerate(sys.stdin, 1):
        try:
            problems = [f"{error.json_path}: {error.message}"
                        for error in validator.iter_errors(json.loads(text))]
        except ValueError as error:
            problems = [f"no JSON: {error}"]
        for problem in problems:
            print(f"{number}: {problem}")
        bad += bool(problems)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
