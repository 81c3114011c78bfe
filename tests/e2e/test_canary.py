"""I4: what a lab measures and what a node keeps secret is nowhere but where it belongs."""

import base64
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import pytest

from fermata.node.storage import keystore
from fermata.protocol.charter.periods import period_of
from harness.e2e.deployment import COORDINATOR, FIRST, METRICS, RESOLUTION
from harness.e2e.finished_run import Finished

#: A piece of a longer secret gives it away as well; chance finds no 16 bytes.
PIECE = 16


def value_needles(metric: str, text: str) -> Iterator[bytes]:
    """Forms of one figure: as written, as a float would print it, and encoded."""
    yield text.encode()
    yield text[:14].encode()
    encoded = int((Decimal(text) - Decimal(METRICS[metric][0])) / RESOLUTION)
    yield str(encoded).encode()
    raw = encoded.to_bytes((encoded.bit_length() + 7) // 8, "big")
    assert len(raw) >= 8
    yield from (raw, raw[::-1], raw.hex().encode())


def secret_needles(raw: bytes) -> Iterator[bytes]:
    """Forms of a secret of bytes; of a long one, a piece from its middle."""
    start = max(0, len(raw) // 2 - PIECE)
    piece = raw[start : start + 2 * PIECE]
    yield piece[:PIECE]
    yield piece[:PIECE][::-1]
    yield piece[:PIECE].hex().encode()
    yield piece[:PIECE].hex().upper().encode()
    for shift in range(3):
        yield base64.b64encode(bytes(shift) + piece)[4:24]


def number_needles(number: int) -> Iterator[bytes]:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    yield from secret_needles(raw)
    text = str(number)
    yield text[len(text) // 2 :][:40].encode()


def secrets_of(run: Finished) -> dict[str, tuple[list[bytes], set[str]]]:
    """Every secret: its forms, and the files that may hold it."""
    made = run.fleet.deployment
    found: dict[str, tuple[list[bytes], set[str]]] = {}
    for lab in made.labs:
        for number in range(1, made.shape.rounds + 1):
            for metric, text in made.values(lab, period_of("month", FIRST, number)).items():
                name = f"{lab}'s {metric} of round {number}"
                found[name] = list(value_needles(metric, text)), {f"inputs/{lab}.csv"}
    for party in made.parties:
        seed = made.secret(party, "signing.age", keystore.SIGNING)
        found[f"seed of {party}"] = list(secret_needles(seed)), set()
        number = int.from_bytes(seed, "big")
        found[f"seed of {party}, decimal"] = [str(number).encode()], set()
        identity = made.node(party) / "keys" / "identity.txt"
        line = identity.read_bytes().splitlines()[-1]
        found[f"identity of {party}"] = [line], {str(identity.relative_to(made.folder))}
        key = (made.node(party) / "tls" / "key.pem").resolve()
        lines = key.read_bytes().splitlines()[1:3]
        found[f"TLS key of {party}"] = lines, {str(key.relative_to(made.folder))}
    for auditor in made.auditors:
        value = abs(made.key_share(auditor).value)
        found[f"share of {auditor}"] = list(number_needles(value)), set()
    root = made.secret(COORDINATOR, "../authority/root-key.age", keystore.AUTHORITY)
    found["key of the authority"] = list(secret_needles(root)), set()
    return found


@pytest.fixture(scope="module")
def secrets(finished: Finished) -> dict[str, tuple[list[bytes], set[str]]]:
    return secrets_of(finished)


def test_no_secret_is_in_what_the_run_wrote_and_showed(finished, secrets):
    pieces = finished.pieces
    # What was looked at must be what there is, or finding nothing means nothing.
    for kind in ("store.db", "-wal", ".log", "bundle/tile/", "bundle/sealed/", "cmdline", "page"):
        assert any(kind in where for where in pieces), kind
    assert finished.pages >= 2 * len(finished.fleet.deployment.parties)
    everything = b"\0".join(pieces.values())
    for name, (needles, owners) in secrets.items():
        holders = {
            where.removeprefix("running: ")
            for needle in needles
            if needle in everything
            for where, piece in pieces.items()
            if needle in piece
        }
        assert holders == owners, name


def test_the_search_would_find_a_secret_in_any_of_its_forms(finished, secrets):
    made = finished.fleet.deployment
    share = made.key_share(made.auditors[0]).value
    raw = abs(share).to_bytes((abs(share).bit_length() + 7) // 8, "big")
    needles = secrets[f"share of {made.auditors[0]}"][0]
    forms = [raw, raw[::-1], raw.hex().encode(), str(abs(share)).encode()]
    forms += [base64.b64encode(b"x" * shift + raw) for shift in range(3)]
    for form in forms:
        assert any(needle in form for needle in needles)
    text = made.values("lab-1", FIRST)["alpha"]
    needles = secrets["lab-1's alpha of round 1"][0]
    for form in (text, repr(float(text)), f'{{"alpha": "{text}"}}'):
        assert any(needle in form.encode() for needle in needles)


def test_results_are_the_exact_sums_and_means(finished):
    made = finished.fleet.deployment
    rounds = finished.verified["results"]["rounds"]
    assert [r["number"] for r in rounds] == [1, 2]
    for found in rounds:
        assert found["state"] == "opened"
        sums = made.sums(found["round"])
        for result in found["results"]:
            total = sums[result["metric"]]
            if result["statistic"] == "sum":
                assert Decimal(result["value"]) == total
            else:
                exact = Fraction(total) / len(made.labs)
                # The text of a mean has three digits more than the metric.
                assert abs(Fraction(result["value"]) - exact) <= Fraction(RESOLUTION) / 2000
        assert {(r["metric"], r["statistic"]) for r in found["results"]} == {
            (metric, statistic) for metric in METRICS for statistic in ("sum", "mean")
        }


def test_every_node_stops_in_good_order_on_sigterm(finished):
    assert finished.exit_codes == dict.fromkeys(finished.exit_codes, 0)
    assert set(finished.exit_codes) == set(finished.fleet.deployment.parties)
    for party in finished.exit_codes:
        assert finished.fleet.events(party, "stopped"), party
        assert finished.fleet.stderr(party) == "", party
