"""What the rules said, and what became of the pause: pause.py BUNDLE"""

import sys

import fermata

bundle = fermata.open_bundle(sys.argv[1])
print(f"charter {bundle.charter_hash}: compare it with the one that you trust")

for said in bundle.rules:
    answer = {True: "holds", False: "does not hold", None: f"unknown: {said.why}"}[said.holds]
    print(f"{said.period}  {said.rule}: {said.value or '-'} against {said.limit}  {answer}")

for change in bundle.pause.changes:
    print(f"entry {change.entry}: {change.before} -> {change.after}  {change.why}")
print("labs hold" if bundle.pause.is_holding else "labs may go on")

for found in bundle.rounds:
    for lab, shown in found.compliance.items():
        print(f"{found.period}  {lab}: {shown}")
