"""One run from one seed: a phase of faults, a calm phase in which all must recover, a verdict."""

from dataclasses import dataclass, field

from fermata.errors import FermataError
from fermata.log.checkpoint import signed_alone
from fermata.protocol.verify.bundle import build_bundle
from fermata.protocol.verify.check_texts import FAILED
from fermata.protocol.verify.verifier import verify_bundle
from fermata.sim.faults import Crash, Tally
from fermata.sim.network import CALM, Odds
from fermata.sim.reference.watch import Violation
from fermata.sim.setup.deployment import COORDINATOR, MODULUS_BITS_MIN, shape_of
from fermata.sim.world import World

#: Turns of the fault phase, per node and round of the charter.
TURNS_PER_NODE = 6
TURN_MS_MAX = 40_000
#: What a turn may be, and how often in a thousand.
TURNS = (
    ("step", 810), ("correct", 40), ("release", 40), ("crash", 50), ("cut", 20), ("clock", 30),
    ("outage", 10),
)  # fmt: skip
#: A lit fuse burns for at most this many calls.
FUSE_CALLS_MAX = 40
#: Calls that a node makes while it starts.
START_CALLS_MAX = 4
#: How far auditors' clocks are off. All others', and that of one auditor, may be anywhere within
#: a day, since nothing follows from them.
SKEW_MS_MAX, WRONG_MS_MAX = 150_000, 86_400_000
#: How long nobody has a turn; twice the time between heartbeats makes the log's time jump (T3).
OUTAGE_MS_MAX = 4 * 3_600_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run. ``lines`` describe it: seconds since the start, who, what.

    ``seen``: what the log's time did, and what became of the pause, the duties and the committee,
    if the charter has them. ``standing`` counts what became of panels, figures, joiners and
    leavers.
    """

    seed: int
    lines: tuple[str, ...]
    violations: tuple[Violation, ...]
    faults: Tally
    phases: tuple[str, ...]
    entries: int
    seen: frozenset[str] = frozenset()
    standing: Tally = field(default_factory=Tally)

    @property
    def text(self) -> str:
        """The run as text for people."""
        return "".join(f"{line}\n" for line in self.lines)


def run(seed: int) -> Outcome:
    """Simulates one deployment; the same seed gives the same outcome, line by line."""
    shape = shape_of(seed)
    world = World(seed, shape)
    world.tell("run", f"seed {seed}: {shape}, drills every {shape.drill_s} s")
    _trouble(world)
    _calm(world)
    is_over = world.settle()
    _let_time_pass(world)
    if not (is_over and world.settle()):
        phases = ", ".join(world.phases()) or "no round"
        world.watch.violate("liveness", f"after the calm phase: {phases}")
    _witness(world)
    _judge(world)
    for violation in world.watch.violations:
        world.tell("violation", str(violation))
    return Outcome(
        seed=seed,
        lines=tuple(world.lines),
        violations=tuple(world.watch.violations),
        faults=world.tally,
        phases=tuple(world.phases()),
        entries=len(world.watch.leaves),
        seen=frozenset(world.terms_watch.seen | world.time_watch.seen | world.watch.drills.seen),
        standing=world.watch.standing.seen,
    )


def _trouble(world: World) -> None:
    """The fault phase: any node may have the next turn, and any fault may occur."""
    dice = world.dice
    world.network.odds = Odds(
        lost=dice.below(60), reply_lost=dice.below(60),
        duplicated=dice.below(150), delayed=dice.below(150),
    )  # fmt: skip
    names = tuple(world.nodes)
    turns = TURNS_PER_NODE * len(names) * world.deployment.shape.rounds
    for _ in range(turns):
        world.now_ms += dice.below(TURN_MS_MAX)
        name = dice.pick(names)
        kind = dice.weighted(TURNS)
        if kind == "crash":
            world.nodes[name].fuse.light(dice.between(1, FUSE_CALLS_MAX), dice.chance(500))
        elif kind == "cut":
            _cut_or_heal(world, name)
        elif kind == "clock":
            _change_clock(world, name)
        elif kind == "outage":
            _stand_still(world)
        elif kind == "release" and world.network.held_up:
            world.network.release(dice.below(len(world.network.held_up)))
            world.check(COORDINATOR)
        elif kind == "correct":
            _correct(world, dice.pick(world.charter.labs))
        if kind == "crash" and name == COORDINATOR:
            # Its fuse burns down in the requests of others, or in a later turn of its own.
            continue
        if world.nodes[name].driver is None and dice.chance(150):
            world.nodes[name].fuse.light(dice.between(1, START_CALLS_MAX), dice.chance(500))
        # The coordinator is needed for everything, so it gets more turns than the others.
        world.step(COORDINATOR if dice.chance(150) else name)


def _cut_or_heal(world: World, name: str) -> None:
    cut_off = world.network.cut_off
    if cut_off and (name in cut_off or len(cut_off) > 2):
        cut_off.clear()
        world.tell("network", "is whole again")
    elif name != COORDINATOR:
        cut_off.add(name)
        world.tally["partition"] += 1
        world.tell("network", f"{name} is cut off")


def _change_clock(world: World, name: str) -> None:
    is_wrong = name not in world.charter.auditors[1:]
    bound = WRONG_MS_MAX if is_wrong else SKEW_MS_MAX
    world.skew_ms[name] = world.dice.between(-bound, bound)
    if name == world.charter.auditors[0]:
        world.time_watch.liars.add(name)
        world.tally["clock of an auditor wrong"] += 1
    else:
        world.tally["clock changed"] += 1
    world.tell(name, f"has a clock {world.skew_ms[name] / 1000:+.3f} s off")


def _stand_still(world: World) -> None:
    world.now_ms += world.dice.below(OUTAGE_MS_MAX)
    world.tally["outage"] += 1
    world.tell("network", "nobody had a turn for a while")


def _correct(world: World, lab: str) -> None:
    """A person at the lab corrects its report; the node's process may crash during it."""
    try:
        slot = world.nodes[lab].correct()
    except Crash as crash:
        world.crashed(crash)
        return
    except FermataError as error:
        world.tell(lab, f"cannot correct its report: {error.reason}")
        return
    if slot:
        world.tell(lab, f"corrects its report: {slot}")


def _calm(world: World) -> None:
    """Ends all faults; delayed requests still arrive."""
    world.tell("network", "all is calm from here")
    world.watch.drills.calm_from = len(world.watch.leaves)
    world.network.odds = CALM
    world.network.cut_off.clear()
    world.skew_ms.clear()
    for node in world.nodes.values():
        node.fuse.put_out()
    world.step(COORDINATOR)
    while world.network.held_up:
        world.network.release(0)
        world.check(COORDINATOR)


def _let_time_pass(world: World) -> None:
    """After all trouble, every auditor's clock is right, and so is the log's."""
    charter = world.watch.state.charter
    if charter is None:
        return
    world.now_ms += charter.heartbeat_s * 1000
    for name in (COORDINATOR, *charter.auditors):
        world.step(name)
    if world.watch.state.time_ms != world.now_ms:
        behind_ms = world.now_ms - world.watch.state.time_ms
        world.watch.violate("liveness", f"the log's time is {behind_ms} ms behind the true one")


def _witness(world: World) -> None:
    """Lets the auditors cosign the last head, with heartbeats that came after their turn."""
    for name in world.charter.auditors:
        world.step(name)


def _judge(world: World) -> None:
    """Checks at the end: I4, I9, and that nobody honest was stopped or blamed (I10, I11)."""
    for name, reason in world.halts.items():
        world.watch.violate("I10", f"{name} halted: {reason}")
    for verdict in world.watch.verdicts:
        if not verdict.accepted:
            world.watch.violate("I11", f"entry {verdict.entry} blames {verdict.author or 'nobody'}")
    for round_ in world.watch.state.rounds:
        for culprit in sorted(round_.culprits):
            world.watch.violate("I11", f"round {round_.number} blames {culprit}")
    world.canaries.saw("the run's text", (line.encode() for line in world.lines))
    world.time_watch.check_starts()
    world.terms_watch.check_end(world.watch.state, world.now_ms)
    world.watch.standing.check_end(world.watch.state)
    for leak in world.canaries.leaks():
        world.watch.violate("I4", leak)
    _check_bundle(world)


def _check_bundle(world: World) -> None:
    """I9: from the coordinator's files alone, anyone derives the same results."""
    node, watch = world.nodes[COORDINATOR], world.watch
    if node.writer is None:
        return
    writer, charter = node.writer, world.charter
    key = charter.parties[COORDINATOR].signing_key
    note = signed_alone(writer.checkpoint(), charter.log_origin, key)
    try:
        files = build_bundle(watch.state, watch.leaves, note, writer.witnesses(), node.disk)
    except FermataError as error:
        watch.violate("I9", f"no bundle: {error.reason}")
        return
    replayed = watch.refold()
    if replayed != watch.state:
        watch.violate("I8", "the log, folded from its start, gives another state")
    verification = verify_bundle(files, world.charter.sha256, MODULUS_BITS_MIN)
    for check in verification.checks:
        if check.status == FAILED:
            watch.violate("I9", f"V{check.number}: {'; '.join(check.findings)}")
    if verification.state != watch.state:
        watch.violate("I9", "the verifier derives another state")
