"""Fermata: a coordinated, verifiable, temporary pause, computed from a public log.

For programs: ``fermata.verify(folder)`` and ``fermata.open_bundle(folder)`` (fermata.api), and
``fermata.FermataError``, the base of what they raise. They are loaded when first asked for.

    >>> import fermata
    >>> try:
    ...     fermata.open_bundle("no/such/folder")
    ... except fermata.FermataError as error:
    ...     print(error.reason)
    BUNDLE
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fermata.api import Bundle, Results, open_bundle, verify
    from fermata.errors import FermataError
    from fermata.protocol.verify.check_texts import Check
    from fermata.protocol.verify.verification import Verification
    from fermata.summary.records.drills import DrillRecord
    from fermata.summary.records.pause import ChangeRecord, PauseRecord, RuleRecord
    from fermata.summary.records.rounds import ResultRecord, RoundRecord

__version__ = "0.1.0"
__all__ = [
    "Bundle",
    "ChangeRecord",
    "Check",
    "DrillRecord",
    "FermataError",
    "PauseRecord",
    "ResultRecord",
    "Results",
    "RoundRecord",
    "RuleRecord",
    "Verification",
    "__version__",
    "open_bundle",
    "verify",
]

_HOME = dict.fromkeys(__all__, "fermata.api") | {
    "ChangeRecord": "fermata.summary.records.pause",
    "Check": "fermata.protocol.verify.check_texts",
    "DrillRecord": "fermata.summary.records.drills",
    "FermataError": "fermata.errors",
    "PauseRecord": "fermata.summary.records.pause",
    "ResultRecord": "fermata.summary.records.rounds",
    "RoundRecord": "fermata.summary.records.rounds",
    "RuleRecord": "fermata.summary.records.pause",
    "Verification": "fermata.protocol.verify.verification",
}


def __getattr__(name: str) -> object:
    """Names of ``__all__``. Every import of a part of fermata runs this file, so it loads none."""
    if name not in __all__:
        raise AttributeError(f"module 'fermata' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
