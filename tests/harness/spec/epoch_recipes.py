"""The recipes of docs/spec/bytes.md for refreshes, reshares and drills, without the product."""

import hashlib


def sub_share_hash(message):
    return hashlib.sha256(bytes.fromhex(message)).digest()


def reshare_dealt(ceremony, messages):
    return parts(
        b"fermata/v1/reshare-dealt", bytes.fromhex(ceremony), *map(bytes.fromhex, messages)
    )


def parts(*items):
    return hashlib.sha256(b"".join(len(i).to_bytes(8, "big") + i for i in items)).digest()


def drill_root(n, epoch, number, leaf_hash):
    n, domain = int(n, 16), b"fermata/v1/drill"
    seed = parts(domain, bytes.fromhex(epoch), number.to_bytes(8, "big"), bytes.fromhex(leaf_hash))
    count = (n.bit_length() + 256 + 7) // 8
    found = int.from_bytes(hashlib.shake_256(domain + seed).digest(count), "big") % n
    return found.to_bytes((n.bit_length() + 7) // 8, "big")


def drill_commitment(n, epoch, number, index, nonce, part):
    return parts(
        b"fermata/v1/drill-commitment", bytes.fromhex(epoch), number.to_bytes(8, "big"),
        index.to_bytes(4, "big"), bytes.fromhex(nonce),
        int(part, 16).to_bytes((int(n, 16).bit_length() + 7) // 8, "big"),
    )  # fmt: skip


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
