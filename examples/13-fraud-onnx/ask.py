"""Asks about pages on which no version was trained until Ctrl-C, then tells what each revision made of them."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict

from river.datasets import Phishing

HELD_OUT = 250


def main() -> None:
    """Ask one page a request, and end with a line for each revision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=40, help="requests a second")
    parser.add_argument("--host", default="phishing.example.com")
    asked = parser.parse_args()
    told: dict[str, Counter[str]] = defaultdict(Counter)
    try:
        for page, phishing in itertools.cycle(list(Phishing())[-HELD_OUT:]):
            revision, flagged = answer(list(page.values()), asked.host)
            told[revision].update(requests=1, flagged=flagged is True, right=flagged is phishing)
            time.sleep(1 / asked.rate)
    except KeyboardInterrupt:
        for revision, seen in told.items():
            print(f"{revision}  {seen['requests']} requests, {seen['flagged']} flagged, {seen['right']} right")


def answer(page: list[float], host: str) -> tuple[str, bool | None]:
    """Name the revision that answered, and tell whether it flagged the page; None where it failed."""
    row = {"name": "X", "datatype": "FP32", "shape": [1, len(page)], "data": page}
    request = urllib.request.Request(
        f"http://{os.environ['GATEWAY']}/v2/models/phishing/infer",
        data=json.dumps({"inputs": [row]}).encode(),
        headers={"Host": host},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as got:
            probabilities = json.load(got)["outputs"][0]["data"]
            return got.headers["x-serinus-revision"], probabilities[1] >= 0.5
    except urllib.error.HTTPError as failed:
        return failed.headers["x-serinus-revision"] or f"HTTP {failed.code}", None


if __name__ == "__main__":
    main()
