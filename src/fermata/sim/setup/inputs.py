"""What the labs of a run measure: a function of seed, lab, period and revision alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from fermata.protocol.charter.claims import witness_of
from fermata.protocol.charter.encoding import encode_panel
from fermata.protocol.charter.parse import Charter
from fermata.sim.dice import Dice, stream
from fermata.sim.setup.canaries import Canaries
from fermata.sim.setup.terms import HEAT

#: Metrics with fewer steps than this are too small to be canaries.
SMALL_MAX = 1000
REPORT, ABSTAIN, ABSENT = "report", "abstain", "absent"
#: In a run with fewer labs nobody stays away for long: nothing would ever come out.
ROAMING_LABS_MIN = 7
#: From what to what the labs' hours of heat are in a period: some trigger, some are calm.
COOL, MILD, HOT = (0, 7), (5, 12), (10, 20)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a lab acts in one round: what it does first, and how long after the OpenRound.

    ``alone``: its report says that it may join a panel's sums by itself.
    """

    action: str
    delay_ms: int
    corrections: int
    alone: bool = False


class Inputs:
    """Plans and figures of all labs. Figures become canaries when they are asked for."""

    def __init__(self, seed: int, charter: Charter, canaries: Canaries, is_calm: bool) -> None:
        self._seed = seed
        self._charter = charter
        self._canaries = canaries
        self._is_calm = is_calm
        self._known: dict[tuple[str, str, int], Mapping[str, str]] = {}
        #: What a period is like, where it is not left to chance, and what a lab has then.
        self.moods: dict[str, tuple[int, int]] = {}
        self.heat: dict[tuple[str, str], int] = {}

    def mood(self, period: str) -> tuple[int, int]:
        """The lowest and the highest heat of all labs in a period."""
        dice = Dice(stream(self._seed, f"mood/{period}"))
        drawn = dice.weighted(((COOL, 50), (MILD, 15), (HOT, 35)))
        return self.moods.get(period, drawn)

    def plan(self, lab: str, period: str) -> Plan:
        """The plan of a lab for a period; in a calm deployment all labs report at once."""
        if self._is_calm:
            return Plan(REPORT, 0, 0)
        dice = Dice(stream(self._seed, f"plan/{lab}/{period}"))
        action = dice.weighted(((REPORT, 86), (ABSTAIN, 9), (ABSENT, 5)))
        corrections = dice.weighted(((0, 70), (1, 22), (2, 8)))
        if self._is_away(lab, self._charter.place(period)):
            action = dice.pick((ABSTAIN, ABSENT))
        alone = Dice(stream(self._seed, f"alone/{lab}")).chance(350)
        return Plan(action, dice.below(self._charter.window_s * 300), corrections, alone)

    def _is_away(self, lab: str, place: int) -> bool:
        """Whether a lab has not come yet, or stays away for a while; most come in one wave."""
        if len(self._charter.labs) < ROAMING_LABS_MIN or self._charter.pause is None:
            return False
        wave = Dice(stream(self._seed, "wave"))
        first, gone, back = wave.between(2, 3), wave.between(2, 5), wave.between(1, 4)
        dice = Dice(stream(self._seed, f"life/{lab}"))
        kind = dice.weighted((("stays", 45), ("comes", 30), ("goes", 25)))
        if kind == "comes":
            return place < first + dice.weighted(((0, 70), (1, 15), (2, 15)))
        return kind == "goes" and gone <= place < gone + back

    def figures(self, lab: str, period: str, revision: int) -> Mapping[str, str]:
        """The lab's values at this revision; none at the first revision of a lab that abstains.

        Every value lies on its metric's grid, so that sums can be compared exactly.
        """
        if revision == 0 and self.plan(lab, period).action == ABSTAIN:
            return {}
        where = (lab, period, revision)
        if where not in self._known:
            self._known[where] = self._draw(lab, period, revision)
        return self._known[where]

    def _draw(self, lab: str, period: str, revision: int) -> Mapping[str, str]:
        dice = Dice(stream(self._seed, f"figures/{lab}/{period}/{revision}"))
        values: dict[str, str] = {}
        what = f"a figure of {lab}"
        for panel in self._charter.panels:
            if lab not in panel.labs:
                continue
            for metric in panel.metrics:
                # The upper nine tenths have all digits, which makes them unique canaries; small
                # metrics take every value.
                most = min((metric.bound, *metric.limits))
                steps = dice.between(most // 10 if most > SMALL_MAX else 0, most)
                if metric.id == HEAT:
                    steps = self.heat.get((lab, period), dice.between(*self.mood(period)))
                value: Decimal = metric.minimum + steps * metric.resolution
                values[metric.id] = format(value, "f")
                for other in metric.equal_to:
                    values[metric.id] = values[other]
                if metric.bound.bit_length() >= 48:
                    self._canaries.plant_text(what, values[metric.id])
                    self._canaries.plant_number(what, steps)
            encoded = encode_panel(panel, values)
            witness = witness_of(panel.claims, panel.metrics, encoded)
            for plaintext in panel.claims.statements.packing.pack(witness):
                self._canaries.plant_number(f"a plaintext of {lab}", plaintext)
        return values
