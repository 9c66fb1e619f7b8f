"""`make fuzz`: every parser of the authority and of the face checks for a bounded time, one after the other."""

import argparse
import subprocess
import sys

AUTHORITY = ("ocsp", "tsa", "csr", "certificate", "cms", "revocation", "ber", "xml")
MEDIA = ("picture", "pdf", "clip", "mrz", "reader")
TARGETS = (*AUTHORITY, *MEDIA)


def main() -> int:
    """Give 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", default=TARGETS, metavar="target", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each of them")
    given = parser.parse_args()
    found = []
    for name in given.targets:
        print(f"==== {name}, {given.seconds} s ====", flush=True)
        harness = "tests.fuzz.media" if name in MEDIA else "tests.fuzz.harness"
        command = [sys.executable, "-m", harness, name, f"-max_total_time={given.seconds}"]
        if subprocess.run(command, check=False).returncode:
            found.append(name)
    print(f"Found something in: {', '.join(found)}" if found else "Found nothing.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
