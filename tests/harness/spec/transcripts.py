"""The transcripts of docs/spec/bytes.md with hashlib alone: what goes in, and what comes out."""

import hashlib

Q = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
POINT, SCALAR, DIGEST = 48, 32, 32
#: Bits of the link's challenge and its slack (R1.2 of proof.md), and the least length of a fold.
RESPONSE_SLACK, STOP = 144, 4


def be(value, width):
    return value.to_bytes(width, "big")


class Transcript:
    """A running SHA-512 (R4.1 of proof.md)."""

    def __init__(self, protocol):
        self.running = hashlib.sha512()
        self.absorb("protocol", protocol.encode())

    def absorb(self, label, data):
        name = label.encode()
        self.running.update(b"A" + be(len(name), 2) + be(len(data), 8) + name + data)

    def challenge(self, label):
        name = label.encode()
        self.running.update(b"C" + be(len(name), 2) + name)
        digest = self.running.digest()
        self.running.update(digest)
        return digest

    def scalar(self, label):
        return int.from_bytes(self.challenge(label), "little") % Q


def report_prefix(charter, statements, round_id, lab, n, exponent_bits):
    """A report proof's transcript before its first message."""
    found = Transcript("fermata/v1/report-proof")
    found.absorb("charter", charter)
    found.absorb("statements", statements)
    found.absorb("round", round_id)
    found.absorb("lab", lab)
    found.absorb("key", be(n, (n.bit_length() + 7) // 8) + be(exponent_bits, 4))
    return found


class Reader:
    """Takes the fields of an open part (R8.2) one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size, count=1):
        found = [self.data[self.at + i * size : self.at + (i + 1) * size] for i in range(count)]
        self.at += size * count
        return found


def report_challenges(case):
    """All challenges of a case of report_proof.json, from its open part."""
    found = case["statements"]
    n = int(case["n"], 16)
    transcript = report_prefix(
        *(bytes.fromhex(case[k]) for k in ("charter_hash", "statement_hash", "round_id", "lab_id")),
        n, found["modulus_bits"] + 128,
    )  # fmt: skip
    count = len(case["sealed"]["ciphertexts"])
    reader = Reader(bytes.fromhex(case["open_part"]))
    for digest in reader.take(DIGEST, count):
        transcript.absorb("C", digest)
    w, a1, a2, s, *t = reader.take(POINT, 9)
    transcript.absorb("W", w)
    transcript.absorb("U", b"")
    transcript.absorb("A1", a1)
    challenges = {"beta": transcript.scalar("beta")}
    transcript.absorb("A2", a2)
    transcript.absorb("S", s)
    challenges |= {label: transcript.scalar(label) for label in ("y", "z")}
    for place, point in enumerate(t):
        transcript.absorb(f"T{place}", point)
    challenges |= {label: transcript.scalar(label) for label in ("x", "rho")}
    transcript.absorb("DE", *reader.take(POINT))
    transcript.absorb("DU", b"")
    for digest in reader.take(DIGEST, count):
        transcript.absorb("DC", digest)
    challenges["e"] = int.from_bytes(transcript.challenge("e")[:16], "little")
    bounds = [(int(v["bound"]), v["enc"]) for v in found["values"]]
    sizes = [(b.bit_length() + RESPONSE_SLACK + 7) // 8 if enc else SCALAR for b, enc in bounds]
    responses = b"".join(piece for size in sizes for piece in reader.take(size))
    digests = b"".join(reader.take(DIGEST, count))
    transcript.absorb("resp", responses + digests + b"".join(reader.take(SCALAR)))
    transcript.absorb("eval", b"".join(reader.take(SCALAR, 3)))
    challenges["omega"] = transcript.scalar("omega")
    size, challenges["u"] = case["layout"]["size"], []
    while size > STOP:
        for label, point in zip("LR", reader.take(POINT, 2), strict=True):
            transcript.absorb(label, point)
        challenges["u"].append(transcript.scalar("u"))
        size //= 2
    reader.take(SCALAR, 2 * size)
    if reader.at != len(reader.data):
        raise ValueError("the open part has another length")
    return challenges


def value_challenge(charter, statements, round_id, lab, w, index, value, auditor, announcement):
    """The challenge e of a value's opening (R11.2)."""
    transcript = Transcript("fermata/v1/value-opening")
    fields = (charter, statements, round_id, lab, w, be(index, 4), value.to_bytes(32, "little"))
    labels = ("charter", "statements", "round", "lab", "W", "index", "value", "auditor", "A")
    for label, data in zip(labels, (*fields, auditor, announcement), strict=True):
        transcript.absorb(label, data)
    return transcript.scalar("e")
