"""A whole deployment in one process: nodes, their clocks, the network, and the watches."""

from collections.abc import Callable, Mapping, Sequence

from fermata.crypto.report.proof_cache import ProofCache
from fermata.crypto.threshold.opening import KeyShare
from fermata.errors import FermataError, InvalidProof, StorageError, TransportError
from fermata.memory_store import MemoryStore
from fermata.protocol.roles.log_writer import LogWriter
from fermata.protocol.state.calls import is_over
from fermata.protocol.state.pleas import starving
from fermata.protocol.state.state import COLLECTING, OPENED, REFUSED, Round
from fermata.protocol.wire.codec import decode_entry
from fermata.protocol.wire.ports import Entropy, OnEvent, Outside
from fermata.sim.dice import Dice, stream
from fermata.sim.faults import Crash, Fuse, Tally
from fermata.sim.network import Network, SimLog
from fermata.sim.node import SimNode
from fermata.sim.reference.sums import Opened, check_sums
from fermata.sim.reference.terms_watch import TermsWatch
from fermata.sim.reference.time_watch import TimeWatch
from fermata.sim.reference.watch import Watch
from fermata.sim.setup.canaries import Canaries
from fermata.sim.setup.deployment import COORDINATOR, Shape, deployment_of
from fermata.sim.setup.inputs import ABSENT, Inputs
from fermata.sim.setup.politics import Politics
from fermata.types import Role

#: 2036-01-01T00:00:00Z: the periods of most shapes are over by then.
START_MS = 2_082_758_400_000
#: How far the clock moves after a pass in which something, or nothing, has happened.
BUSY_MS, QUIET_MS = 5_000, 600_000
QUIET_PASSES_MAX, PASSES_MAX = 10, 2_000


class World:
    """Runs the production code of every role over simulated time, disks and network.

    In a calm world all labs report at once, and the only faults are those that a caller causes.
    """

    def __init__(self, seed: int, shape: Shape, *, is_calm: bool = False) -> None:
        self.seed = seed
        self.deployment = deployment_of(shape)
        self.charter = self.deployment.charter
        self.dice = Dice(stream(seed, "scheduler"))
        self.now_ms = START_MS
        self.skew_ms: dict[str, int] = {}
        self.tally = Tally()
        self.lines: list[str] = []
        self.halts: dict[str, str] = {}
        #: What drivers told: node, event, reason.
        self.events: list[tuple[str, str, str]] = []
        self.canaries = Canaries()
        self.inputs = Inputs(seed, self.charter, self.canaries, is_calm)
        self.nodes: dict[str, SimNode] = {}
        self._folded: dict[str, int] = {}
        self._summed: set[int] = set()
        #: By round, the figures behind the reports that count in it, of every closed round.
        self._counted: dict[int, Mapping[str, Mapping[str, str]]] = {}
        #: By round and lab, the same as far as somebody has asked.
        self._figures: dict[tuple[int, str], Mapping[str, str]] = {}
        disk = MemoryStore()
        #: One memory for all nodes of a run, to save time; whoever verifies at its end has none.
        self.cache = ProofCache()
        self.watch = Watch(self.deployment, disk, self.canaries, self.cache)
        chance = Dice(stream(seed, "network"))
        self.network = Network(chance, self.tally, self._writer_for, self.crashed, self.watch)
        self.politics = Politics(seed, self.deployment.charter_data, is_calm)
        self.time_watch = TimeWatch(self.deployment, self.watch)
        self.terms_watch = TermsWatch(self.deployment, self.watch, self.time_watch)
        for name in self.deployment.signing_keys:
            self.nodes[name] = self._make_node(name)
        self.nodes[COORDINATOR].disk = disk
        self.shares: Mapping[str, KeyShare] = self.deployment.shares
        self._plant(self.shares)

    # Making and running nodes.

    def _make_node(self, name: str) -> SimNode:
        role = self.charter.parties[name].role
        return SimNode(
            name,
            Fuse(name, self.tally),
            deployment=self.deployment,
            log=None if name == COORDINATOR else SimLog(self.network, role, name),
            outside=Outside(
                lambda: self.now_ms + self.skew_ms.get(name, 0),
                self._entropy_of(name),
                self._on_event_of(name),
            ),
            inputs=self.inputs,
            is_ready=lambda period: self._is_ready(name, period),
            on_call=lambda call, args: self.watch.saw_call(name, call, args),
            politics=self.politics,
            cache=self.cache,
        )

    def begin_epoch(self, shares: Mapping[str, KeyShare]) -> None:
        """Gives every auditor its share of the key's next epoch, which is in the log now."""
        self.shares = self.watch.shares = shares
        self._plant(shares)
        for auditor, share in shares.items():
            self.nodes[auditor].share = share
            driver = self.nodes[auditor].driver
            if driver is not None:
                driver.share = share

    def _plant(self, shares: Mapping[str, KeyShare]) -> None:
        for auditor, share in shares.items():
            self.canaries.plant_number(f"the key share of {auditor}", share.value)

    def _entropy_of(self, name: str) -> Entropy:
        draw = stream(self.seed, f"entropy/{name}")

        def planted(count: int) -> bytes:
            drawn = draw(count)
            if count >= 16:
                self.canaries.plant_number(f"randomness of {name}", int.from_bytes(drawn, "big"))
            return drawn

        return planted

    def _on_event_of(self, name: str) -> OnEvent:
        def on_event(event: str, fields: Mapping[str, str | int]) -> None:
            self.events.append((name, event, str(fields.get("reason", ""))))
            more = "".join(f" {key}={value}" for key, value in fields.items())
            self.tell(name, event + more)

        return on_event

    def tell(self, name: str, event: str) -> None:
        """Adds a line to the run's text: seconds since the start, who, what."""
        self.lines.append(f"{(self.now_ms - START_MS) / 1000:10.3f}  {name:<10}  {event}")

    def _is_ready(self, lab: str, period: str) -> bool:
        plan, current = self.inputs.plan(lab, period), self.watch.state.current
        if plan.action == ABSENT or current is None:
            return False
        return self.now_ms >= current.opened_ms + plan.delay_ms

    def _writer_for(self, caller: str) -> LogWriter | None:
        return self.nodes[COORDINATOR].writer

    def crashed(self, crash: Crash) -> None:
        """Notes that a node's process has ended: everything that is not on its disk is lost."""
        node = self.nodes[crash.node]
        self.forget(node.name)
        article = {Role.COORDINATOR: "the", Role.AUDITOR: "an"}.get(node.role, "a")
        self.tally[f"crash of {article} {node.role}"] += 1
        self.tell(node.name, "crashes")

    def forget(self, name: str) -> None:
        """Ends a node's process; its next turn starts it again from its disk."""
        self.nodes[name].stop()
        self._folded.pop(name, None)

    def step(self, name: str) -> int:
        """One turn of a node, after which everything is checked; 0 if it changed nothing.

        An error is handled as the node's process would: by another try later, or by a halt.
        """
        node, changed = self.nodes[name], 0
        self.time_watch.saw_clock(name, self.skew_ms.get(name, 0))
        try:
            self._start(node)
            beats = node.beats
            changed = node.step()
            if name != COORDINATOR:
                # A heartbeat that a node reads is no news: nothing follows from most of them.
                changed -= node.beats - beats
        except Crash as crash:
            if node.driver is None:
                self.tally["crash while starting"] += 1
            self.crashed(crash)
            changed = 1
        except TransportError as error:
            self.tell(name, f"does not reach the log: {error.reason}")
            changed = 1
        except (InvalidProof, StorageError) as error:
            self.halts[name] = error.reason
            self.tell(name, f"halts: {error.reason}")
            node.stop()
        except FermataError as error:
            self.tell(name, f"cannot go on yet: {error.reason}")
        self.check(name)
        return changed

    def _start(self, node: SimNode) -> None:
        if node.driver is not None:
            return
        node.start()
        self.tell(node.name, f"starts with {node.disk.entry_count()} entries")
        if node.writer is not None:
            self.watch.check_disk()

    # Looking at what has come of it.

    def check(self, name: str) -> None:
        """Checks the invariants after a turn of this node."""
        self.time_watch.saw_copy(name, self.nodes[name].disk.entry_count(), self.now_ms)
        for verdict in self.watch.check():
            who = f" of {verdict.author}" if verdict.author else ""
            end = "" if verdict.accepted else f" rejected: {verdict.reason}"
            self.tell("log", f"entry {verdict.entry}: {verdict.kind}{who}{end}")
        for looked_at in dict.fromkeys((name, COORDINATOR)):
            driver = self.nodes[looked_at].driver
            if driver is not None and self._folded.get(looked_at) != driver.replica.state.size:
                self._folded[looked_at] = driver.replica.state.size
                self.watch.check_replica(looked_at, driver.replica.state)
        for round_ in self.watch.state.rounds:
            # Terms are about closed rounds; without them a close may list what is never opened.
            is_due = round_.opening is not None or (round_.close and self.deployment.shape.terms)
            if round_.close is not None and is_due and round_.number not in self._counted:
                figures = {lab: self.figures(lab, round_.number) for lab in round_.close.listed}
                self._counted[round_.number] = figures
            if round_.opening is not None and round_.number not in self._summed:
                self._summed.add(round_.number)
                self._check_sums(round_)
        self.terms_watch.follow(self._counted, self.opened, self.now_ms)

    def opened(self, number: int) -> Opened:
        """By panel and groups, the figures that stand in what a round shows."""
        return {
            where: {lab: self.figures(lab, at) for lab, at in standing.items()}
            for where, standing in self.watch.standing.opened(number).items()
        }

    def _check_sums(self, round_: Round) -> None:
        opened = self.opened(round_.number)
        # Where a lab never made what counts (I2), there are no figures to go by.
        if all(figures for standing in opened.values() for figures in standing.values()):
            for what in check_sums(self.charter, round_, opened):
                self.watch.violate("sums", what)
        for result in round_.opening.results if round_.opening is not None else ():
            what = f"{result.statistic} of {result.metric}"
            self.tell("result", f"round {round_.number}: {what} is {result.text}")

    def figures(self, lab: str, number: int) -> Mapping[str, str]:
        """The figures behind a lab's report that counts in a round."""
        if (number, lab) not in self._figures:
            self._figures[number, lab] = self._counted_in(lab, self.watch.state.rounds[number - 1])
        return self._figures[number, lab]

    def _counted_in(self, lab: str, round_: Round) -> Mapping[str, str]:
        leaf = self.watch.leaves[round_.reports[lab].entry]
        envelope = decode_entry(leaf).envelope
        revision = 0
        while (
            draft := self.nodes[lab].disk.draft(f"answer/{round_.number}/{revision}")
        ) is not None:
            if draft.envelope == envelope:
                return self.inputs.figures(lab, round_.period, revision)
            revision += 1
        self.watch.violate("I2", f"round {round_.number} counts a report that {lab} never made")
        return {}

    def port(self, name: str) -> SimLog:
        """The log as a party sees it that does not run the production code."""
        return SimLog(self.network, self.charter.parties[name].role, name)

    def phases(self) -> list[str]:
        """The phase of each round, by the coordinator's disk."""
        quorum = self.charter.endorsement_quorum
        return [round_.phase(quorum) for round_ in self.watch.state.rounds]

    def is_over(self) -> bool:
        """Whether every round of the charter has been opened or refused."""
        state = self.watch.state
        is_last = is_over(self.charter, state.rounds, state.clock, self.now_ms)
        return is_last and all(phase in (OPENED, REFUSED) for phase in self.phases())

    def settle(
        self, names: Sequence[str] | None = None, until: Callable[[], bool] | None = None
    ) -> bool:
        """Gives nodes turns until nothing changes; True if ``until`` (or the end) came true.

        The clock moves slowly while something happens, and leaps when nothing does.
        """
        names = tuple(self.nodes) if names is None else names
        until = until or self.is_over
        quiet = 0
        for _ in range(PASSES_MAX):
            if quiet == QUIET_PASSES_MAX:
                break
            changed = 0
            for name in names:
                if name not in self.halts:
                    changed += self.step(name)
            # A clock that was wrong for a moment may have put a deadline off by as much (time.md).
            quiet = 0 if changed or self._is_deadline_ahead() else quiet + 1
            if not changed and until():
                return True
            self.now_ms += BUSY_MS if changed else self._leap_ms()
        return until()

    def _is_deadline_ahead(self) -> bool:
        """Whether the round that is open waits for a deadline whose time is told."""
        current = self.watch.state.current
        if current is None or self.phases()[-1] != COLLECTING:
            return False
        due_ms = self.watch.state.clock.due_ms(current.deadline)
        return due_ms is not None and due_ms > self.now_ms

    def _leap_ms(self) -> int:
        current = self.watch.state.current
        if current is not None and self.phases()[-1] == COLLECTING:
            state = self.watch.state
            # The close may have to wait for pleas.
            is_over = state.clock.passed(current.deadline) and starving(state, current)
            limit = current.plea_limit if is_over else current.deadline
            due_ms = state.clock.due_ms(limit) or self.now_ms
            return max(BUSY_MS, min(QUIET_MS, due_ms - self.now_ms))
        return QUIET_MS
