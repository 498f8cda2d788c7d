#!/usr/bin/env python3
"""Holds tests to a budget of 20 s an entry of ctest, from the file that ctest wrote (JUnit's form).

Usage: check_test_times.py build/dev/tests.xml

Prints the entries above the budget, and the slowest in any case. Exits 1 when one takes three times the
budget: split it (SHARDS of weir_test), or test the same on a smaller model.
"""
import sys
import xml.etree.ElementTree

BUDGET = 20.0
LIMIT = 3 * BUDGET


def times(path):
    """[(seconds, name)], slowest first."""
    cases = xml.etree.ElementTree.parse(path).getroot().iter("testcase")
    return sorted(((float(case.get("time", 0)), case.get("name")) for case in cases), reverse=True)


def main(path):
    entries = times(path)
    if not entries:
        sys.exit(f"{path}: holds no test")
    print(f"{len(entries)} tests, {sum(seconds for seconds, _ in entries):.0f} s; budget {BUDGET:.0f} s each")
    for i, (seconds, name) in enumerate(entries):
        if seconds > BUDGET or i < 5:
            note = "  TOO SLOW" if seconds > LIMIT else "  above the budget" if seconds > BUDGET else ""
            print(f"{seconds:8.1f} s  {name}{note}")
    return 1 if entries[0][0] > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
