"""The recipes of docs/spec/bytes.md for a refresh or a reshare, without the product."""

import hashlib


def sub_share_hash(message):
    return hashlib.sha256(bytes.fromhex(message)).digest()


def reshare_dealt(ceremony, messages):
    parts = [b"fermata/v1/reshare-dealt", bytes.fromhex(ceremony), *map(bytes.fromhex, messages)]
    return hashlib.sha256(b"".join(len(p).to_bytes(8, "big") + p for p in parts)).digest()


def next_epoch(
    ceremony, kind, before, key, origin, dealers, epoch, threshold, kappa, theta, dealt,
    verification, disputes,
):  # fmt: skip
    lines = [
        "fermata/v1/next-epoch", f"ceremony: {ceremony}", f"kind: {kind}", f"before: {before}",
        f"key: {key}", f"origin: {origin}", "dealers: " + " ".join(str(i) for i in dealers),
        f"epoch: {epoch}", f"threshold: {threshold}", f"kappa: {kappa}", f"theta: {theta}",
        f"dealt: {dealt}",
    ]  # fmt: skip
    lines += [f"verification: {v}" for v in verification]
    lines += [f"dispute: {dealer} {receiver} {sha256}" for dealer, receiver, sha256 in disputes]
    return "".join(line + "\n" for line in lines).encode()
