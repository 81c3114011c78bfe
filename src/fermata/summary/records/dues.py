"""The public account of dues, derived from the closes of the log (docs/spec/dues.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fermata.protocol.charter.parse import Charter
from fermata.protocol.reprs import short_repr
from fermata.protocol.state.calls import last_calls
from fermata.protocol.state.state import Round, State, labs_of_round

#: The basis of dues for a lab that shows no band, which pays what the highest band pays.
NOT_SHOWN = "no band shown"


@short_repr()
@dataclass(frozen=True, slots=True)
class DuesLine:
    """What one lab owes for one round, in which unit, and why: its tier or its band."""

    round: int
    period: str
    lab: str
    basis: str
    amount: Decimal
    unit: str


@short_repr()
@dataclass(frozen=True, slots=True)
class Account:
    """All lines of one unit, their sums by lab and by round, and their total; the three agree."""

    unit: str
    lines: tuple[DuesLine, ...]
    by_lab: Mapping[str, Decimal]
    by_round: Mapping[int, Decimal]
    total: Decimal


def lines_of(charter: Charter, round_: Round, labs: Sequence[str]) -> tuple[DuesLine, ...]:
    """What each of these labs owes for a round; empty before the round's close."""
    if charter.dues is None or round_.close is None:
        return ()
    lines = []
    for lab in labs:
        seen = round_.reports.get(lab)
        if not charter.dues.bands:
            tier = charter.tiers_by_lab[lab]
            basis, amount = f"tier {tier.id}", tier.amount or Decimal(0)
        else:
            band = seen.flags.dues_band if seen else 0
            basis = f"band {band}" if band else NOT_SHOWN
            amount = charter.dues.bands[band - 1].amount
        lines.append(DuesLine(round_.number, round_.period, lab, basis, amount, charter.dues.unit))
    return tuple(lines)


def dues_lines(state: State) -> list[DuesLine]:
    """All lines of the log, each by the charter of its round, or the newest its lab has accepted.

    A period with two calls is owed for once, by its second call.
    """
    return [
        line
        for round_ in last_calls(state.rounds)
        for lab in labs_of_round(state, round_)
        for line in lines_of(_owed_by(state, round_, lab), round_, (lab,))
    ]


def _owed_by(state: State, round_: Round, lab: str) -> Charter:
    """The charter that says what a lab owes for a round: the newest that it has accepted."""
    # S6.1: nobody owes by terms that it has not agreed to, nor gets out of those that it has.
    accepted = round_.close.unconsenting.get(lab) if round_.close is not None else None
    charters = (v.charter for v in state.charters if v.charter.sha256 == accepted)
    return next(charters, state.charter_at(round_.number))


def account_records(state: State) -> tuple[Account, ...]:
    """The accounts of the whole log, one for each unit, as the units came into use.

    The unit of the charter in force is among them from the start, with no lines yet. What was owed
    stays owed after an amendment that changes the unit or does away with dues.
    """
    lines = dues_lines(state)
    units = [line.unit for line in lines]
    if state.charter is not None and state.charter.dues is not None:
        units.append(state.charter.dues.unit)
    return tuple(account_of(unit, lines) for unit in dict.fromkeys(units))


def account_of(unit: str, all_lines: Sequence[DuesLine]) -> Account:
    """The account that sums up those of the lines that are in ``unit``."""
    lines = [line for line in all_lines if line.unit == unit]
    by_lab: dict[str, Decimal] = {}
    by_round: dict[int, Decimal] = {}
    for line in lines:
        by_lab[line.lab] = by_lab.get(line.lab, Decimal(0)) + line.amount
        by_round[line.round] = by_round.get(line.round, Decimal(0)) + line.amount
    total = sum((line.amount for line in lines), Decimal(0))
    return Account(unit, tuple(lines), by_lab, by_round, total)
