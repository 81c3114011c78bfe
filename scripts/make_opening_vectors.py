"""Writes tests/vectors/opening*.json: known answers for threshold opening with Delta = 8!.

    python scripts/make_opening_vectors.py [--check]

``opening.json`` is a dealer's key of 2048 bits, 3 of 5, made from a fixed seed, with ciphertexts,
every auditor's part, and the openings. Each ``opening_bad_*.json`` replaces one value of it and
says how an implementation must answer. ``--check`` writes nothing and fails on a difference.
"""

import copy
from typing import Any

from fermata.crypto.integers import jacobi, random_prime, random_unit
from fermata.crypto.threshold.dealer import DealtKey, deal
from fermata.crypto.threshold.key_record import DELTA, epoch_id, key_id
from fermata.crypto.threshold.opening import check_opening, partial_opening
from vectors.common import SeededEntropy, run, text_of

SEED = "fermata opening vectors 1"
BITS, THRESHOLD, AUDITORS = 2048, 3, 5
CONTEXT = b"fermata opening vectors"
ROSTER = [f"auditor-{i}" for i in range(1, AUDITORS + 1)]


def hexed(value: int) -> str:
    """Lower-case hexadecimal without leading zeros."""
    return f"{value:x}"


def opening_case(key: DealtKey, what: str, message: int, symbol: int) -> dict[str, Any]:
    """One ciphertext whose randomness has that Jacobi symbol, its parts and its opening."""
    n = key.record.n
    entropy = SeededEntropy(f"{SEED}: {what}")
    while jacobi(root := random_unit(entropy, n), n) != symbol:
        pass
    ciphertext = (1 + n * message) * pow(root, n, n * n) % (n * n)
    check_opening(n, ciphertext, message, root)
    parts = {
        str(share.index): hexed(partial_opening(key.record, share, ciphertext, entropy))
        for share in key.shares
    }
    return {
        "what": what,
        "ciphertext": f"{ciphertext:0{BITS // 2}x}",
        "jacobi": symbol,
        "parts": parts,
        "plaintext": hexed(message),
        "root": hexed(root),
        "culprits": [],
    }


def good_vector() -> dict[str, Any]:
    """The content of opening.json."""
    key = deal(BITS, THRESHOLD, AUDITORS, SeededEntropy(SEED), CONTEXT)
    record = key.record
    entropy = SeededEntropy(SEED)
    p, q = random_prime(entropy, BITS // 2), random_prime(entropy, BITS // 2)
    if p * q != record.n:
        raise SystemExit("the dealer no longer draws the primes first")
    packed = sum((1000 + i) << (42 * i) for i in range(48))
    cases = [
        opening_case(key, "packed sums, root of Jacobi symbol 1", packed, 1),
        opening_case(key, "packed sums, root of Jacobi symbol -1", packed, -1),
        opening_case(key, "zero", 0, 1),
        opening_case(key, "the largest plaintext, n-1", record.n - 1, -1),
    ]
    return {
        "what": "opening a Paillier ciphertext by a shared n-th root; integers in hexadecimal",
        "source": "scripts/make_opening_vectors.py; keys made from a public seed, never to be used",
        "delta": DELTA,
        "record": {
            "n": hexed(record.n),
            "threshold": record.threshold,
            "epoch": record.epoch,
            "kappa": hexed(record.kappa),
            "theta": hexed(record.theta),
            "verification": [hexed(v_i) for v_i in record.verification],
            "origin": record.origin,
        },
        "roster": ROSTER,
        "key_id": key_id(record).hex(),
        "epoch_id": epoch_id(record, ROSTER).hex(),
        "primes": [hexed(p), hexed(q)],
        "shares": [hexed(share.value) for share in key.shares],
        "openings": cases,
    }


def bad_vectors(good: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By defect: the path to one value, what replaces it, and the expected answer."""
    n, p = int(good["record"]["n"], 16), int(good["primes"][0], 16)
    case = good["openings"][0]
    ciphertext, part = int(case["ciphertext"], 16), int(case["parts"]["2"], 16)
    wide = BITS // 2
    part_path, ciphertext_path = ["openings", 0, "parts", "2"], ["openings", 0, "ciphertext"]
    v_2 = ["record", "verification", 1]
    other_parts = good["openings"][1]["parts"]
    seventh = {
        str(i): hexed(pow(ciphertext % n, DELTA // 8 * int(s, 16), n))
        for i, s in enumerate(good["shares"], start=1)
    }
    refusals: list[tuple[str, list[Any], Any, str, str]] = [
        ("part_zero", part_path, "0", "InvalidEncoding", "PART_RANGE"),
        ("part_one", part_path, "1", "InvalidEncoding", "PART_RANGE"),
        ("part_minus_one", part_path, hexed(n - 1), "InvalidEncoding", "PART_RANGE"),
        ("part_not_reduced", part_path, hexed(n + part), "InvalidEncoding", "PART_RANGE"),
        ("part_not_unit", part_path, hexed(3 * p), "InvalidEncoding", "PART_NOT_UNIT"),
        (
            "part_of_nobody",
            ["openings", 0, "parts"],
            {**case["parts"], "6": case["parts"]["1"]},
            "InvalidEncoding",
            "PART_INDEX",
        ),
        ("ciphertext_zero", ciphertext_path, "0" * wide, "InvalidEncoding", "CT_RANGE"),
        (
            "ciphertext_n_squared",
            ciphertext_path,
            f"{n * n:0{wide}x}",
            "InvalidEncoding",
            "CT_RANGE",
        ),
        (
            "ciphertext_not_unit",
            ciphertext_path,
            f"{5 * p:0{wide}x}",
            "InvalidEncoding",
            "CT_NOT_UNIT",
        ),
        (
            "ciphertext_unblinded",
            ciphertext_path,
            f"{1 + 77 * n:0{wide}x}",
            "InvalidEncoding",
            "CT_UNBLINDED",
        ),
        (
            "ciphertext_padded",
            ciphertext_path,
            "00" + case["ciphertext"],
            "InvalidEncoding",
            "CT_ENCODING",
        ),
        ("record_threshold_zero", ["record", "threshold"], 0, "InvalidEncoding", "KEY_SHAPE"),
        ("record_threshold_six", ["record", "threshold"], 6, "InvalidEncoding", "KEY_SHAPE"),
        ("record_theta_zero", ["record", "theta"], "0", "InvalidEncoding", "KEY_RANGE"),
        ("record_theta_two", ["record", "theta"], "2", "InvalidEncoding", "KEY_RANGE"),
        ("record_kappa_one", ["record", "kappa"], "1", "InvalidEncoding", "KEY_RANGE"),
        ("record_epoch_4097", ["record", "epoch"], 4097, "InvalidEncoding", "KEY_SHAPE"),
        (
            "record_kappa_of_a_reshare",
            ["record", "kappa"],
            hexed(DELTA**3),
            "InvalidEncoding",
            "KEY_RANGE",
        ),
        (
            "record_verification_tampered",
            v_2,
            hexed(4 * int(good["record"]["verification"][1], 16) % n),
            "InvalidProof",
            "KEY_SHARES",
        ),
        ("record_verification_one", v_2, "1", "InvalidEncoding", "KEY_RANGE"),
        ("record_verification_not_unit", v_2, hexed(9 * p), "InvalidProof", "KEY_NOT_UNIT"),
        (
            "plaintext_off_by_one",
            ["openings", 0, "plaintext"],
            hexed(int(case["plaintext"], 16) + 1),
            "InvalidProof",
            "OPENING",
        ),
        (
            "root_negated",
            ["openings", 0, "root"],
            hexed(n - int(case["root"], 16)),
            "InvalidProof",
            "OPENING",
        ),
    ]
    vectors = {
        name: {"replace": path, "by": value, "refused": {"error": error, "reason": reason}}
        for name, path, value, error, reason in refusals
    }
    vectors["part_wrong"] = {"replace": part_path, "by": hexed(3 * part % n), "culprits": [2]}
    vectors["part_of_another_ciphertext"] = {
        "replace": part_path,
        "by": other_parts["2"],
        "culprits": [2],
    }
    vectors["part_negated"] = {"replace": part_path, "by": hexed(n - part), "culprits": []}
    vectors["parts_too_few"] = {
        "replace": ["openings", 0, "parts"],
        "by": {i: case["parts"][i] for i in ("1", "4")},
        "opened": False,
    }
    vectors["parts_of_delta_7"] = {
        "replace": ["openings", 0, "parts"],
        "by": seventh,
        "opened": False,
    }
    return {
        f"opening_bad_{name}.json": {"of": "opening.json", "opening": 0, **vector}
        for name, vector in vectors.items()
    }


def changed(good: dict[str, Any], vector: dict[str, Any]) -> dict[str, Any]:
    """``good`` with the one value replaced; fails if that changes nothing."""
    whole = copy.deepcopy(good)
    *path, last = vector["replace"]
    place = whole
    for step in path:
        place = place[step]
    if place[last] == vector["by"]:
        raise SystemExit("a bad vector has no defect")
    place[last] = vector["by"]
    return whole


def make() -> dict[str, str]:
    good = good_vector()
    files = {"opening.json": good, **bad_vectors(good)}
    for name, vector in files.items():
        if name != "opening.json":
            changed(good, vector)
    return {name: text_of(vector) for name, vector in files.items()}


if __name__ == "__main__":
    run(__doc__, "opening*.json", make)
