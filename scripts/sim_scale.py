"""One round of up to 10,000 labs with small keys, in one process: time and memory of every stage.

    PYTHONPATH=tests:scripts python scripts/sim_scale.py [--sizes 100,300,1000,3000,10000]
        [--out sim-scale.json] [--svg sim-scale.svg]

Everything is real but the size of the key (512 bits) and the network: the charter, signatures,
proofs, fold, close, products, endorsement, opening, and the verification of the whole bundle. Each
size runs in a process of its own. CPU seconds of one thread; memory is what the process has after
the stage, and all parties are in that one process. A charter and a close of more than about 1,500
labs are longer than the format allows, so the script lifts their limits for itself.
"""

import argparse
import base64
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fermata.crypto.paillier import PublicKey, product
from fermata.crypto.threshold.dealer import deal
from fermata.protocol.charter.parse import parse_charter
from fermata.protocol.fold.proofs import proven_round, report_check, verify_report
from fermata.protocol.fold.references import first_entry, next_leaf
from fermata.protocol.fold.reports import check_sealed
from fermata.protocol.fold.round_rules import parts_of
from fermata.protocol.roles import coordinator
from fermata.protocol.verify.verifier import verify_bundle
from fermata.protocol.wire.codec import key_record_to_wire
from fermata.protocol.wire.envelope import seal_statement
from fermata.wire.v1 import statement_pb2
from harness.bundles import bundle_of
from harness.chains import Chain
from harness.deployments import (
    COORDINATOR,
    MODULUS_BITS_MIN,
    Deployment,
    auditor_names,
    entropy_of,
    lab_names,
    party_keys,
    seal_charter_file,
)

MODULUS_BITS, AUDITORS, THRESHOLD = 512, 3, 2
SIZES = (100, 300, 1000, 3000, 10_000)
#: The stages that are drawn, with what each is.
STAGES = {
    "charter": "read the charter",
    "start": "log charter and key",
    "report": "all labs: encrypt, prove, sign",
    "check": "coordinator: check each proof",
    "fold": "fold the reports",
    "close": "close: open parts in one batch",
    "aggregate": "products",
    "endorse": "one auditor: whole batch, products",
    "opening": "parts, combined and checked",
    "verify": "verify the bundle",
}
#: Lengths that the format limits; the longest of these logs needs sixteen times as much.
LIMITS, TIMES = ("CHARTER_BYTES_MAX", "ENVELOPE_BYTES_MAX", "LEAF_BYTES_MAX"), 16
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, LEGEND = 900, 430, 64, 56, 46, 260
INKS = ("#1b6ca8", "#0f8a5f", "#b3541e", "#7a3e9d", "#a8324a", "#5f6b1f", "#22757d", "#8a5a00")


def lift_limits() -> None:
    """Lets charters and envelopes of this process be longer than the format allows."""
    for module in list(sys.modules.values()):
        for name in LIMITS:
            if module.__name__.startswith("fermata.") and hasattr(module, name):
                setattr(module, name, getattr(module, name) * TIMES)


class Watch:
    """CPU seconds and memory in MB after it, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.memory_mb: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of the block to a stage."""
        start = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - start
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.memory_mb[name] = pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def charter_of(labs: int, keys: dict[str, bytes]) -> bytes:
    """One panel with one metric of 16 bits; every lab is an organisation of its own."""
    headroom = max(10, math.ceil(math.log2(labs)))
    lines = [
        'format = 1\ndeployment = "scale"\ntitle = "Simulation of many labs"',
        f"[cryptography]\nmodulus_bits = {MODULUS_BITS}\nthreshold = {THRESHOLD}",
        f"headroom_bits = {headroom}",
        '[rounds]\ncadence = "number"\nfirst = "1"\ninterval_s = 3600\nwindow_s = 3600',
        "heartbeat_s = 3600\n[disclosure]\ncohort_min = 5",
    ]
    for party, key in keys.items():
        table = "[coordinator]" if party == COORDINATOR else f"[[{party.split('-')[0]}]]"
        public = base64.b64encode(key).decode()
        lines.append(f'{table}\nid = "{party}"\norganisation = "{party}"\nsigning_key = "{public}"')
    lines.append('[[panel]]\nid = "all"')
    lines.append('[[metric]]\nid = "m0"\npanel = "all"\nunit = ""\nmin = "0"')
    lines.append('max = "65535"\nresolution = "1"')
    lines.append('[[aggregate]]\nmetric = "m0"\nstatistics = ["sum"]')
    return ("\n".join(lines) + "\n").encode()


def deployment_of(labs: int, watch: Watch) -> Deployment:
    """A deployment of so many labs, whose auditors have a dealer's key."""
    keys = party_keys(0, labs, AUDITORS)
    keys = {name: keys[name] for name in (COORDINATOR, *auditor_names(AUDITORS), *lab_names(labs))}
    data = charter_of(labs, {name: key.public_key for name, key in keys.items()})
    with watch.stage("charter"):
        charter = parse_charter(data, MODULUS_BITS_MIN)
    dealt = deal(MODULUS_BITS, THRESHOLD, AUDITORS, entropy_of(0, "dealer"), charter.sha256)
    envelope = seal_charter_file(data, keys)
    record = key_record_to_wire(
        dealt.record, dealt.modulus_proof, dealt.factor_proof, first_entry(envelope)
    )
    statement = statement_pb2.Statement(charter_sha256=charter.sha256, key_record=record)
    return Deployment(
        seed=0,
        charter_data=data,
        charter=charter,
        keys=keys,
        shares=dict(zip(charter.auditors, dealt.shares, strict=True)),
        record=dealt.record,
        key_record=record,
        charter_envelope=envelope,
        key_envelope=seal_statement(statement, {a: keys[a] for a in charter.auditors}),
    )


def reported(chain: Chain, watch: Watch) -> None:
    """Every lab's report, made, checked alone and folded."""
    deployment = chain.deployment
    charter, key, table = deployment.charter, chain.state.keyed().key, deployment.table
    for number, lab in enumerate(charter.labs):
        values = {"m0": str(number)}
        with watch.stage("report"):
            statement = chain.report_statement(lab, values)
            envelope = chain.seal(statement)
        report = statement.report
        with watch.stage("check"):
            parts = parts_of(charter, chain.round, lab, report)
            data = chain.fetch(report.sealed_sha256)
            sealed = check_sealed(key, parts, report.sealed_sha256, data)
            proofs = {panel: part.proof for panel, part in sealed.items()}
            verify_report(report_check(charter, key, report.round, lab, parts, proofs, table))
        with watch.stage("fold"):
            verdict = chain.put_leaf(next_leaf(chain.tree, envelope))
        if not verdict.accepted:
            raise SystemExit(f"a report was refused: {verdict}")


def closed(chain: Chain, watch: Watch) -> None:
    """The coordinator's close, with its own batch of open parts and its products."""

    def multiply(public_key: PublicKey, factors: Sequence[int]) -> int:
        with watch.stage("aggregate"):
            return product(public_key, factors)

    with watch.stage("close"):
        state = chain.state.keyed()
        round_ = proven_round(chain.deployment.charter, state.key, chain.round, chain.cache)
        statement = coordinator.close_statement(state, round_, chain.sealed, multiply)
        chain.put_ok(chain.seal(statement))
    watch.seconds["close"] -= watch.seconds["aggregate"]


def run(labs: int) -> dict[str, object]:
    """One round of so many labs. Raises SystemExit if the bundle is not valid."""
    watch = Watch()
    deployment = deployment_of(labs, watch)
    chain = Chain(deployment)
    with watch.stage("start"):
        chain.start()
    chain.open_round()
    reported(chain, watch)
    closed(chain, watch)
    auditors = deployment.charter.auditors
    with watch.stage("endorse"):
        chain.endorse(auditors[0])
    chain.endorse(*auditors[1:])
    with watch.stage("opening"):
        chain.open_part(*auditors[:THRESHOLD])
    files = bundle_of(chain)
    with watch.stage("verify"):
        verified = verify_bundle(files, None, MODULUS_BITS_MIN)
    if not verified.is_valid:
        raise SystemExit(f"the bundle of {labs} labs is not valid: {verified.checks}")
    opening = chain.state.rounds[0].opening
    expected = sum(range(labs))
    if opening is None or opening.results[0].value != expected:
        raise SystemExit(f"the sum must be {expected}, got {opening}")
    return {
        "labs": labs,
        "seconds": watch.seconds,
        "memory_mb": watch.memory_mb,
        "charter_bytes": len(deployment.charter_data),
        "bundle_bytes": sum(map(len, files.values())),
    }


def curve(points: Sequence[tuple[float, float]], ink: str, top: float) -> str:
    """A line with its points, in pixels."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{ink}"/>' for x, y in points)
    line = f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="2"/>'
    return f"<g>{line}{dots}</g>" if top else line


def axes(x0: float, width: float, title: str, xs: Sequence[int], decades: range) -> list[str]:
    """The frame of one chart: labs to the right, a power of ten each step up; both logarithmic."""
    parts = [f'<text x="{x0}" y="{TOP - 18}" font-weight="600">{title}</text>']
    for labs in xs:
        x = along(labs, xs, x0, width)
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 22}" text-anchor="middle">{labs:,}</text>')
    for power in decades:
        y = up(10.0**power, decades)
        parts.append(f'<line x1="{x0}" y1="{y:.1f}" x2="{x0 + width}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    middle = x0 + width / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">labs</text>')
    return parts


def along(labs: int, xs: Sequence[int], x0: float, width: float) -> float:
    """Where a number of labs lies."""
    least, most = math.log10(xs[0]), math.log10(xs[-1])
    return x0 + width * (math.log10(labs) - least) / (most - least or 1.0)


def up(value: float, decades: range) -> float:
    """Where a value lies."""
    share = (math.log10(value) - decades[0]) / (decades[-1] - decades[0])
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def draw(rows: Sequence[dict[str, object]]) -> str:
    """CPU seconds of each stage by number of labs, and the memory after the last stage."""
    xs = [int(str(row["labs"])) for row in rows]
    wide, narrow = WIDTH - LEFT - LEGEND - 230, 130
    right = LEFT + wide + LEGEND + 60
    times, sizes = range(-4, 4), range(1, 5)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' font-family="sans-serif" font-size="12">',
        "<title>One round by number of labs: CPU time of each stage, and memory</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *axes(LEFT, wide, "CPU seconds of a round", xs, times),
        *axes(right, narrow, "memory, MB", xs, sizes),
    ]
    for index, (stage, words) in enumerate(STAGES.items()):
        ink, points = INKS[index % len(INKS)], []
        for labs, row in zip(xs, rows, strict=True):
            seconds = row["seconds"]
            spent = max(float(seconds[stage]), 1e-4) if isinstance(seconds, dict) else 1e-4
            points.append((along(labs, xs, LEFT, wide), up(spent, times)))
        dashes = ' stroke-dasharray="5 4"' if index >= len(INKS) else ""
        parts.append(f"<g{dashes}>{curve(points, ink, 1)}</g>")
        y = TOP + 12 + 22 * index
        x = LEFT + wide + 16
        parts.append(f'<line x1="{x}" y1="{y}" x2="{x + 22}" y2="{y}" stroke="{ink}"{dashes}/>')
        parts.append(f'<text x="{x + 28}" y="{y + 4}">{words}</text>')
    memory = []
    for labs, row in zip(xs, rows, strict=True):
        kept = row["memory_mb"]
        most = max(kept.values()) if isinstance(kept, dict) else 1.0
        memory.append((along(labs, xs, right, narrow), up(float(most), sizes)))
    parts += [curve(memory, INKS[0], 1), "</svg>"]
    return "\n".join(parts) + "\n"


def print_table(rows: Sequence[dict[str, object]]) -> None:
    """CPU seconds by stage and size."""
    print(f"{'CPU s':36}" + "".join(f"{row['labs']:>10}" for row in rows))
    for stage, words in STAGES.items():
        cells = [float(s[stage]) for row in rows if isinstance(s := row["seconds"], dict)]
        print(f"{words:36}" + "".join(f"{seconds:>10.3f}" for seconds in cells))
    for name in ("charter_bytes", "bundle_bytes"):
        print(f"{name:36}" + "".join(f"{row[name]:>10}" for row in rows))
    most = [max(m.values()) for row in rows if isinstance(m := row["memory_mb"], dict)]
    print(f"{'memory, MB':36}" + "".join(f"{mb:>10.0f}" for mb in most))


def main() -> None:
    """Runs each size in a process of its own; prints, writes and draws the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--one", type=int, help="this size alone, in this process, as JSON")
    parser.add_argument("--out", type=Path, help="the rows; sizes that it has are not run again")
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    if options.one:
        lift_limits()
        print(json.dumps(run(options.one)))
        return
    kept = json.loads(options.out.read_text()) if options.out and options.out.exists() else {}
    known = {row["labs"]: row for row in kept.get("sizes", ())}
    rows = []
    for size in map(int, options.sizes.split(",")):
        if size not in known:
            command = [sys.executable, __file__, "--one", str(size)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{size} labs: {done.stderr}")
            known[size] = json.loads(done.stdout)
        rows.append(known[size])
        if options.out:
            everything = [known[labs] for labs in sorted(known)]
            options.out.write_text(json.dumps({"sizes": everything}, indent=1) + "\n")
    print_table(rows)
    if options.svg:
        options.svg.write_text(draw(rows))


if __name__ == "__main__":
    main()
