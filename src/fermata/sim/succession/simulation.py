"""One run from one seed: coordinators stop, sleep, lie and come back; then all must be well."""

from dataclasses import dataclass, replace

from fermata.errors import FermataError
from fermata.log.checkpoint import signed_alone
from fermata.protocol.standing.retention import judged_size, letting_go
from fermata.protocol.state.calls import is_over
from fermata.protocol.state.state import OPENED, REFUSED
from fermata.protocol.verify.bundle import build_bundle
from fermata.protocol.verify.check_texts import FAILED
from fermata.protocol.verify.log_checks import judged_state
from fermata.protocol.verify.verifier import verify_bundle
from fermata.sim.dice import Dice, stream
from fermata.sim.faults import Tally
from fermata.sim.setup.deployment import MODULUS_BITS_MIN, Shape
from fermata.sim.succession.nodes import Hub, Member, views_of
from fermata.sim.succession.world import Lone, World
from fermata.types import Role

#: Of four three witness, of three all, of five four.
SHAPES = (
    Shape(auditors=4, threshold=2, organisations="abcd", rounds=3, successors=2),
    Shape(auditors=4, threshold=3, organisations="abcd", rounds=3, successors=1),
    Shape(auditors=3, threshold=2, organisations="abcd", rounds=2, successors=3),
    Shape(auditors=5, threshold=3, organisations="abcd", rounds=2, successors=2),
)
#: For how many rounds sealed parts are kept; 0 for ever.
TERMS = (0, 1, 2)
#: What may happen in a turn of the trouble, and how often in a thousand.
FAULTS = {
    "coordinator killed": 6,
    "coordinator back": 12,
    "coordinator paused": 6,
    "coordinator awake": 12,
    "coordinator withholds": 4,
    "coordinator is open again": 8,
    "coordinator signs two logs": 2,
    "crash": 25,
    "cut": 12,
    "healed": 16,
    "clock changed": 4,
}
#: How often in a thousand turns a coordinator begins, or ends, to hand out no sealed part.
PARTS_KEPT = 16
#: The same of what boards and auditors do with the entries of heads.
BOARD_FAULTS = {
    "board lies": 10,
    "board is honest again": 12,
    "auditor keeps its entries": 8,
    "auditor hands them in": 8,
}
#: How often in a thousand turns a leader's last entries come to one auditor alone, which keeps
#: them, and how long this goes on before the leader stops.
LONE, LONE_MS = 6, 900_000
TURNS_PER_NODE, TURN_MS_MAX = 45, 50_000
FUSE_CALLS_MAX, SKEW_MS_MAX = 40, 60_000
#: How far the clock moves after a pass of the calm in which something, or nothing, has happened.
BUSY_MS, QUIET_MS, PASSES_MAX = 5_000, 300_000, 1_500


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a run. ``lines``: seconds since the start, who, what. ``views``: how many
    views had begun after the first."""

    seed: int
    lines: tuple[str, ...]
    violations: tuple[str, ...]
    seen: Tally
    views: int
    entries: int

    @property
    def text(self) -> str:
        """The run as text for people."""
        return "".join(f"{line}\n" for line in self.lines)


def run(seed: int) -> Outcome:
    """Simulates one deployment; the same seed gives the same outcome, line by line."""
    shape = Dice(stream(seed, "succession/shape")).pick(SHAPES)
    shape = replace(shape, kept_rounds=Dice(stream(seed, "succession/terms")).pick(TERMS))
    world = World(seed, shape)
    kept = f"kept_rounds {shape.kept_rounds}"
    world.tell("run", f"seed {seed}: {shape}, {shape.successors} successors, {kept}")
    world.first()
    _trouble(world)
    _calm(world)
    leader = _settle(world)
    for name, reason in world.halts.items():
        world.oracle.violate(f"{name} halted: {reason}")
    if leader is not None:
        _judge(world, leader)
    for violation in world.oracle.violations:
        world.tell("violation", violation)
    state = leader.replica.state if leader is not None else None
    return Outcome(
        seed,
        tuple(world.lines),
        tuple(world.oracle.violations),
        world.tally,
        len(state.handovers) if state is not None else 0,
        state.size if state is not None else 0,
    )


def _trouble(world: World) -> None:
    dice, names = world.dice, tuple(world.nodes)
    world.lost = dice.below(40)
    choices = (*FAULTS.items(), ("", 1000 - sum(FAULTS.values())))
    # In half of the runs coordinators also keep their sealed parts to themselves.
    are_kept = world.parts_dice.chance(500)
    # In half of them one auditor alone may have a leader's last entries.
    is_lone = world.lone_dice.chance(500)
    for _ in range(TURNS_PER_NODE * len(names)):
        world.now_ms += dice.below(TURN_MS_MAX)
        fault = dice.weighted(choices)
        if fault and _happens(world, fault):
            world.tally[fault] += 1
        if are_kept:
            _keep_parts(world)
        _boards(world)
        if is_lone:
            _last_entries(world)
        world.step(dice.pick(names))


def _keep_parts(world: World) -> None:
    """From dice of its own, so that seeds without this fault play what they played before it."""
    if world.parts_dice.chance(PARTS_KEPT):
        hub = world.hubs[world.parts_dice.pick(tuple(world.hubs))]
        hub.keeps_parts = not hub.keeps_parts
        what = "keeps its sealed parts" if hub.keeps_parts else "hands out its sealed parts"
        world.tally[f"coordinator {what}"] += 1
        world.tell(hub.name, what)


def _happens(world: World, fault: str) -> bool:
    """Lets a fault happen to somebody, if it can; returns whether it did."""
    dice = world.dice
    name = dice.pick(tuple(world.hubs))
    hub, who = world.hubs[name], dice.pick(tuple(world.nodes))
    match fault:
        case "coordinator killed" if name not in world.dead:
            hub.stop()
            world.dead.add(name)
        case "coordinator back" if name in world.dead:
            world.dead.remove(name)
        case "coordinator paused" if not hub.is_paused:
            hub.is_paused = True
        case "coordinator awake" if hub.is_paused:
            hub.is_paused = False
        case "coordinator withholds" if not hub.withholds:
            hub.withholds = True
        case "coordinator is open again" if hub.withholds:
            hub.withholds = False
        case "coordinator signs two logs" if not hub.half and hub.driver is not None and hub.leads:
            parties = (*world.charter.auditors, *world.charter.labs)
            hub.half = frozenset(party for party in parties if dice.chance(500))
            world.oracle.is_split = True
        case "crash" if world.nodes[who].driver is not None:
            world.nodes[who].fuse.light(dice.between(1, FUSE_CALLS_MAX), dice.chance(500))
            return True
        case "cut" if (who, name) not in world.cut and who != name:
            world.cut.add((who, name))
            name = f"{who} and {name}"
        case "healed" if world.cut:
            world.cut.clear()
            name = "network"
        case "clock changed":
            world.skew_ms[who] = dice.between(-SKEW_MS_MAX, SKEW_MS_MAX)
            name = who
        case _:
            return False
    world.tell(name, fault)
    return True


def _boards(world: World) -> None:
    """Lets a board begin or end to lie, or an auditor to keep its entries to itself."""
    dice = world.board_dice
    what = dice.weighted((*BOARD_FAULTS.items(), ("", 1000 - sum(BOARD_FAULTS.values()))))
    hub = world.hubs[dice.pick(tuple(world.hubs))]
    auditor = world.members[dice.pick(world.charter.auditors)]
    match what:
        case "board lies" if not hub.lies:
            hub.lies, who = True, hub.name
        case "board is honest again" if hub.lies:
            hub.lies, who = False, hub.name
        case "auditor keeps its entries" if not auditor.keeps:
            auditor.keeps, who = True, auditor.name
        case "auditor hands them in" if auditor.keeps:
            auditor.keeps, who = False, auditor.name
        case _:
            return
    world.tally[what] += 1
    world.tell(who, what)


def _last_entries(world: World) -> None:
    """Lets one auditor alone reach the leader for a while, keep what it reads, and see it stop."""
    lone, dice, leader = world.lone, world.lone_dice, world.leader
    if lone is None and leader is not None and dice.chance(LONE):
        auditor = dice.pick(world.charter.auditors)
        others = frozenset(world.nodes) - {leader.name, auditor}
        world.members[auditor].keeps = True
        cut = frozenset((other, leader.name) for other in others) - world.cut
        world.cut |= cut
        world.lone = Lone(leader.name, world.now_ms + LONE_MS, cut)
        world.tally["one auditor alone with its leader"] += 1
        world.tell(auditor, f"is alone with {leader.name}, and keeps its entries")
    elif lone is not None and world.now_ms >= lone.until_ms:
        world.cut -= lone.cut
        world.hubs[lone.hub].stop()
        world.dead.add(lone.hub)
        world.lone = None
        world.tell(lone.hub, "stops after what one auditor alone has read")


def _calm(world: World) -> None:
    """Ends all faults. In half of the runs one coordinator that is dead never comes back."""
    world.tell("network", "all is calm from here")
    world.lost = 0
    world.cut.clear()
    world.lone = None
    world.skew_ms.clear()
    gone = sorted(world.dead)[: 1 if world.dice.chance(500) else 0]
    world.dead.intersection_update(gone)
    for node in world.nodes.values():
        node.fuse.put_out()
    for hub in world.hubs.values():
        hub.is_paused = hub.withholds = hub.keeps_parts = hub.lies = False
        hub.half = frozenset()
    for member in world.members.values():
        member.keeps = False


def _settle(world: World) -> Hub | None:
    """Gives all nodes turns until every round is over and all have one log; None if it never is."""
    for _ in range(PASSES_MAX):
        changed = sum(world.step(name) for name in world.nodes)
        leader = world.leader
        if leader is not None and _is_well(world, leader):
            return leader
        world.now_ms += BUSY_MS if changed else QUIET_MS
    views = {name: n.running.replica.state.view for name, n in world.nodes.items() if n.driver}
    world.oracle.violate(f"after the calm phase nobody goes on: views {views}")
    return None


def _is_well(world: World, leader: Hub) -> bool:
    state, size = leader.replica.state, leader.replica.tree.size
    quorum = world.charter.endorsement_quorum
    phases = [round_.phase(quorum) for round_ in state.rounds]
    is_last = is_over(world.charter, state.rounds, state.clock, world.now_ms)
    if not is_last or any(phase not in (OPENED, REFUSED) for phase in phases):
        return False
    # What nobody else has, its lab has (SU26).
    if leader.mirror.sealed.lacking:
        return False
    # The Handover of its view is witnessed, and everybody has gone on with it who may.
    start = state.handovers[-1].start if state.handovers else 0
    beyond = {name for name, member in world.members.items() if member.is_beyond(state.view)}
    running = [n for name, n in world.nodes.items() if name not in world.dead | beyond]
    sizes = [n.running.replica.tree.size for n in running if n.driver is not None]
    views = {n.running.replica.state.view for n in running if n.driver is not None}
    members = [member for name, member in world.members.items() if name not in beyond]
    pending = [draft for member in members for draft in member.disk.drafts_pending()]
    # L62: whoever keeps sealed parts has dropped what is let go.
    keepers = [n for n in running if n.role in (Role.COORDINATOR, Role.AUDITOR)]
    if any(_kept_too_long(n, leader) for n in keepers):
        return False
    is_same = len(sizes) == len(running) and views == {state.view} and min(sizes) > start
    return is_same and not pending and start < leader.replica.witnessed.size == size


def _let_go(leader: Hub) -> list[bytes]:
    """SHA-256 of the parts that the leader's log lets go."""
    state = leader.replica.state
    going = letting_go(state, judged_size(state, leader.replica.witnessed.size))
    rounds = [round_ for round_ in state.rounds if round_.number in going.gone]
    named = {report.sealed_sha256 for r in rounds for report in r.reports.values()}
    return sorted(named - going.owed)


def _kept_too_long(node: Hub | Member, leader: Hub) -> bool:
    return any(node.disk.sealed(digest) is not None for digest in _let_go(leader))


def _judge(world: World, leader: Hub) -> None:
    """The log has what it promised, and anyone derives the same results from its files alone."""
    disks = {name: member.disk for name, member in world.members.items()}
    world.oracle.check_end(disks, leader.replica)
    replica, views = leader.replica, views_of(leader.replica)
    origin = views.origin(replica.state.view)
    note = signed_alone(leader.writer.checkpoint(), origin, leader.key.public_key)
    leaves = leader.disk.leaves(0, replica.tree.size)
    witnesses = leader.writer.witnesses()
    try:
        # A part that was with a coordinator alone which is gone for good was given (SU26).
        files = build_bundle(judged_state(replica), leaves, note, witnesses, leader.disk)
    except FermataError as error:
        world.oracle.violate(f"no bundle: {error.reason}")
        return
    world.tally["sealed parts let go"] += len(_let_go(leader))
    verification = verify_bundle(files, world.charter.sha256, MODULUS_BITS_MIN)
    for check in verification.checks:
        if check.status == FAILED:
            world.oracle.violate(f"V{check.number}: {'; '.join(check.findings)}")
