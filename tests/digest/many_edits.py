"""Random values, each with one edit of the catalogue: ``python -m tests.digest.many_edits --count 1000000``.

Before and after an edit the digests differ, and processes under other hash seeds find the same digests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from fleche.digest import digest
from tests.digest.test_edits import Edits, get, put, same, spots, value

KINDS = ("type", "boundary", "nesting", "swap", "rename")
ROOT = Path(__file__).parents[2]


def edited(count, salt=""):
    """Yield random values with one edit each, as many for each kind of edit; the same for the same salt."""
    for kind in KINDS:
        rng = random.Random(f"{salt}{kind}")
        change = getattr(Edits(rng), kind)
        done = 0
        while done < count // len(KINDS):
            before = value(rng, 3)
            spot = rng.choice(spots(before))
            old = get(before, spot)
            new = change(old)
            if new is not old and not same(old, new):
                done += 1
                yield before, put(before, spot, new)


def walk(count):
    """Return how many edits were made, how many did not show, and a hash of all digests."""
    made, unseen, whole = 0, 0, hashlib.sha256()
    for before, after in edited(count):
        one, other = digest(before), digest(after)
        made += 1
        unseen += one == other
        whole.update(f"{one}{other}".encode())
    return {"edits": made, "unseen": unseen, "digests": whole.hexdigest()}


def under(seed, count):
    """Do the same in another process, under a hash seed."""
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-m", "tests.digest.many_edits", "--here", "--count", str(count)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--here", action="store_true", help="only walk, in this process")
    options = parser.parse_args()
    if options.here:
        print(json.dumps(walk(options.count)))
        return 0
    start = time.monotonic()
    found = {seed: under(seed, options.count) for seed in options.seeds}
    agree = len({result["digests"] for result in found.values()}) == 1
    edits, unseen = (next(iter(found.values()))[name] for name in ("edits", "unseen"))
    print(f"{edits} edits, {unseen} unseen; seeds {options.seeds} agree: {agree}; {time.monotonic() - start:.0f} s")
    return int(bool(unseen) or not agree)


if __name__ == "__main__":
    sys.exit(main())
