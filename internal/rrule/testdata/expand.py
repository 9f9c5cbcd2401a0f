"""Reads lines of JSON, each a rule and its start in UTC, and prints the first occurrences within 50 years by python-dateutil."""

import datetime
import json
import sys

import dateutil.rrule

for line in sys.stdin:
    case = json.loads(line)
    start = datetime.datetime.fromisoformat(case["start"]).replace(tzinfo=datetime.timezone.utc)
    end = case["end"]
    # Where dateutil stops looking; otherwise a rule without occurrences takes seconds.
    datetime.MAXYEAR = start.year + 51
    first = []
    for at in dateutil.rrule.rrulestr(case["rule"], dtstart=start):
        text = at.strftime("%Y-%m-%dT%H:%M:%S")
        if text > end or len(first) == case["limit"]:
            break
        first.append(text)
    print(json.dumps(first), flush=True)
