"""How the sum of a metric grew: growth.py BUNDLE METRIC [CHARTER_HASH]"""

import sys

import fermata

try:
    bundle = fermata.open_bundle(sys.argv[1], *sys.argv[3:4])
except fermata.FermataError as error:
    sys.exit(f"{error} [{error.reason}]")

rows = bundle.results.to_numpy()
wanted = (rows["metric"] == sys.argv[2]) & (rows["statistic"] == "sum") & (rows["group"] == "")
before = None
for row in rows[wanted]:
    change = "" if before is None else f"{row['value'] / before['value'] - 1:+.1%}"
    print(f"{row['period']}  {row['text']} {row['unit']}, {row['cohort']} organisations  {change}")
    before = row

for found in bundle.rounds:
    if found.refusal:
        print(f"{found.period}  nothing came out: {found.refusal}")
