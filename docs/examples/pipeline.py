"""Fails a pipeline unless a bundle is valid: pipeline.py BUNDLE CHARTER_HASH"""

import sys

import fermata

verification = fermata.verify(sys.argv[1], charter_hash=sys.argv[2])
for check in verification.checks:
    print(f"V{check.number} {check.status}: {check.title}")
    for finding in check.findings:
        print(f"    {finding}")
for verdict in verification.rejected:
    print(f"evidence: entry {verdict.entry}, of {verdict.author or 'nobody'}: {verdict.reason}")
sys.exit(0 if verification.is_valid else 1)
