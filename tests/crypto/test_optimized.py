"""With ``python -O`` every check still refuses."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from dataclasses import replace
from harness.crypto.keys import CONTEXT, all_parts, dealt, encrypt_with_root, primes
from fermata.crypto.threshold import factor_proof, modulus_proof, opening
from fermata.crypto import paillier, signing
from fermata.crypto.threshold.key_record import check_key
from fermata.crypto.report.verifier import verify, verify_open
from fermata.errors import VerificationError
from harness.crypto.proof_world import CONTEXT as HERE, public_key, sample, sample_report

if __debug__:
    sys.exit("not optimized")
key = dealt(256)
record, n = key.record, key.record.n
public = paillier.PublicKey(n)
width = public.ciphertext_width
ciphertext = encrypt_with_root(n, 7, 12345)
parts = all_parts(key, ciphertext)
p, q = primes(256)
signer = signing.SigningKey.from_seed(bytes(32))

def parse(value):
    return lambda: paillier.ciphertext_from_bytes(public, value.to_bytes(width, "big"))

def part(value):
    return lambda: opening.combine(record, ciphertext, {**parts, 1: value})

cases = {
    "ciphertext 0": parse(0),
    "ciphertext n": parse(n),
    "ciphertext n^2": parse(n * n),
    "ciphertext unblinded": parse(1 + 5 * n),
    "ciphertext width": lambda: paillier.ciphertext_from_bytes(public, b"1"),
    "part 0": part(0),
    "part 1": part(1),
    "part n": part(n),
    "part p": part(p),
    "part index": lambda: opening.combine(record, ciphertext, {**parts, 6: 5}),
    "plaintext": lambda: opening.check_opening(n, ciphertext, 8, 12345),
    "root": lambda: opening.check_opening(n, ciphertext, 7, n - 12345),
    "root 0": lambda: opening.check_opening(n, ciphertext, 7, 0),
    "share": lambda: opening.check_share(record, replace(key.shares[0], index=2)),
    "share file": lambda: opening.KeyShare.from_bytes(key.shares[0].to_bytes()[:-1]),
    "threshold": lambda: check_key(replace(record, threshold=0)),
    "theta": lambda: check_key(replace(record, theta=2)),
    "verification": lambda: check_key(replace(record, verification=record.verification[::-1])),
    "modulus": lambda: paillier.check_modulus(n + 2, 512),
    "modulus proof context": lambda: modulus_proof.verify(n, key.modulus_proof, b"other"),
    "modulus proof rounds": lambda: modulus_proof.verify(
        n, replace(key.modulus_proof, rounds=()), CONTEXT
    ),
    "factor proof context": lambda: factor_proof.verify(n, key.factor_proof, b"other"),
    "factor proof rounds": lambda: factor_proof.verify(
        n, replace(key.factor_proof, responses=()), CONTEXT
    ),
    "signature": lambda: signing.verify_signature(signer.public_key, bytes(64), b""),
    "zero key": lambda: signing.verify_signature(bytes(32), signer.sign(b""), b""),
    "packing": lambda: paillier.Packing((8,), 2, 256).unpack((1 << 10,)),
}
report, other = sample_report(), sample_report(b"lab-b")
cases |= {
    "report of another": lambda: verify_open(sample(), public_key(), HERE, other.open_part),
    "report cut": lambda: verify_open(sample(), public_key(), HERE, report.open_part[:-1]),
    "report resealed": lambda: verify(
        sample(), public_key(), HERE, report.open_part, other.sealed
    ),
}
refused = 0
for name, case in cases.items():
    try:
        case()
    except VerificationError:
        refused += 1
    else:
        sys.exit(f"{name} was accepted")
wrong = opening.combine(record, ciphertext, {**parts, 2: 777})
if wrong is None or wrong.plaintext != 7 or wrong.culprits != (2,):
    sys.exit("the culprit was not named")
print(refused)
"""


def test_checks_hold_without_assertions() -> None:
    done = subprocess.run(
        [sys.executable, "-O", "-c", SCRIPT],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "29"
