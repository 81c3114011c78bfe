"""A node's exchange with every board of the charter's list: SU16. A thread for each, since one that
does not answer must hold up no other."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fermata.errors import FermataError, TransportError
from fermata.log.merkle import Tree
from fermata.node.run.succession.board_client import BoardClient, Leaves
from fermata.node.run.succession.coordinators import Claim, Place
from fermata.protocol.charter.parse import Charter
from fermata.protocol.succession.heard import Heard, hear
from fermata.protocol.succession.leave import Left
from fermata.protocol.succession.views import Views
from fermata.protocol.wire.ports import ClockMs, Entropy
from fermata.wire.v1 import board_service_pb2 as wire

#: A node goes to each board so often in ``succession_s``; SU16 asks for four times.
TIMES = 6
#: However long ``succession_s`` is, and however short.
PAUSE_MAX_S, PAUSE_MIN_S = 600.0, 0.05
#: How often it looks at the clock meanwhile, in seconds.
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Own:
    """What an auditor leaves on boards: its words; and what it hands in, up to the head of its
    Leave, from its own copy."""

    words: wire.BoardWords
    left: Left | None
    tree: Tree
    leaves: Leaves


@dataclass(eq=False)
class Exchange:
    """Goes to all boards in turns of ``pause_s()`` by ``clock_ms``, and keeps what each said last.
    Thread-safe.

    ``own`` gives what this node posts, None if it posts nothing: only auditors do, once they have
    something. ``on_news`` is called when a board said something new; ``on_refused`` with the
    coordinator and the reason when a board refused this node's words, once each. ``local``: the
    words of this node's own board, if it serves one. ``also`` is called at each visit, from the
    thread of its place, and so is ``give``, with the sealed parts that its coordinator lacks.
    """

    places: Sequence[Place]
    views: Callable[[], Views]
    own: Callable[[], Own | None]
    pause_s: Callable[[], float]
    entropy: Entropy
    clock_ms: ClockMs
    on_news: Callable[[], None] = lambda: None
    on_refused: Callable[[str, str], None] = lambda coordinator, reason: None
    local: Callable[[], Sequence[wire.BoardWords]] = lambda: ()
    also: Callable[[Place], None] = lambda place: None
    give: Callable[[str, BoardClient, Sequence[bytes]], None] = lambda place, board, lacking: None
    _said: dict[str, wire.GetBoardResponse] = field(default_factory=dict, init=False)
    _refused: set[tuple[str, str]] = field(default_factory=set, init=False)
    _asked: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._heard: tuple[tuple[bytes, ...], bytes, Heard] | None = None

    def start(self) -> None:
        """Begins to go to the boards."""
        for place in self.places:
            name = f"board-{place.coordinator}"
            thread = threading.Thread(target=self._run, args=(place,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Ends the threads; their connections are closed before. May be called twice."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def heard(self) -> Heard:
        """What all boards said last, and the node's own says, as far as it holds."""
        views = self.views()
        said = [wire.GetBoardResponse(words=self.local())]
        with self._lock:
            said += [self._said[place] for place in sorted(self._said)]
            heard = self._heard
        key = tuple(answer.SerializeToString(deterministic=True) for answer in said)
        # Signatures are checked once; boards say the same most of the time.
        if heard is not None and (heard[0], heard[1]) == (key, views.charter.sha256):
            return heard[2]
        made = hear(views, (answer.words for answer in said))
        with self._lock:
            self._heard = key, views.charter.sha256, made
        return made

    def words(self) -> list[wire.BoardWords]:
        """What all boards said last, not checked."""
        with self._lock:
            return [words for said in self._said.values() for words in said.words]

    def claims(self) -> list[Claim]:
        """Which logs the coordinators say that they have, by id."""
        with self._lock:
            said = sorted(self._said.items())
        return [Claim(coordinator, its.view, its.handover) for coordinator, its in said]

    def _run(self, place: Place) -> None:
        while not self._stopping.is_set():
            board = place.board
            try:
                self.visit(place)
            except TransportError:
                place.turn(board)
            except FermataError as error:
                # Its board refuses this node as such: it has another charter, or a deny-list.
                self._tell(place, error.reason)
            self._note_asked(place)
            self._wait(0.5 + self.entropy(1)[0] / 510)

    def _note_asked(self, place: Place) -> None:
        with self._lock:
            is_new = place.coordinator not in self._asked
            self._asked.add(place.coordinator)
        if is_new:
            self.on_news()

    @property
    def has_asked(self) -> bool:
        """Whether every board has been asked once since the start, whether it answered or not."""
        with self._lock:
            return self._asked.issuperset(place.coordinator for place in self.places)

    def _wait(self, share: float) -> None:
        """Waits for a share of the pause, by the node's clock, like everything that auditors count;
        a clock that is set back makes it wait no longer, and a pause that gets shorter neither."""
        began_ms = self.clock_ms()
        while not self._stopping.wait(min(share * self.pause_s(), LOOK_S)):
            if not 0 <= self.clock_ms() - began_ms < share * self.pause_s() * 1000:
                return

    def visit(self, place: Place) -> None:
        """Goes to one board once. Raises what its calls raise."""
        board, own = BoardClient(place.board), self.own()
        if own is not None:
            try:
                board.post(own.words)
                self._hand_in(board, own)
            except TransportError:
                raise
            except FermataError as error:
                self._tell(place, error.reason)
        said = board.read()
        lacking = list(said.lacking)
        # Which ones a board names changes with each answer, and is news to nobody else.
        said.ClearField("lacking")
        with self._lock:
            is_news = self._said.get(place.coordinator) != said
            self._said[place.coordinator] = said
        if is_news:
            self.on_news()
        self.give(place.coordinator, board, lacking)
        self.also(place)

    def _hand_in(self, board: BoardClient, own: Own) -> None:
        """SU23: to every board, since the coordinator of the view may keep them to itself."""
        left = own.left
        if left is not None and left.head is not None:
            board.hand_in(left.view, left.head, own.tree, own.leaves)

    def _tell(self, place: Place, reason: str) -> None:
        with self._lock:
            is_new = (place.coordinator, reason) not in self._refused
            self._refused.add((place.coordinator, reason))
        if is_new:
            self.on_refused(place.coordinator, reason)


def pause_by(charter: Charter) -> float:
    """Seconds between two turns under a charter; see ``pause_s``."""
    terms = charter.succession
    return pause_s(terms.succession_ms) if terms is not None else PAUSE_MAX_S


def pause_s(succession_ms: int) -> float:
    """Seconds between two turns; at most a quarter of ``succession_s``, with the jitter."""
    return min(PAUSE_MAX_S, max(PAUSE_MIN_S, succession_ms / 1000 / TIMES))
