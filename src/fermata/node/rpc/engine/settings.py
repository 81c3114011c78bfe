"""The table [engine] of a coordinator's configuration (docs/spec/engine.md, EN4)."""

from typing import Annotated

from msgspec import Meta

from fermata.protocol.charter.toml_source import Strict


class EngineText(Strict, frozen=True):
    """Where proofs are checked: ``url`` as in docs/spec/engine.md, with the cluster's own
    certificates. ``at_once`` reports may wait at the door at a time; they are split into
    ``tasks``, each of which may take ``task_s``."""

    url: str = "local"
    ca: str = "engine/ca.pem"
    certificate: str = "engine/cert.pem"
    key: str = "engine/key.pem"
    at_once: Annotated[int, Meta(ge=1, le=256)] = 64
    tasks: Annotated[int, Meta(ge=1, le=256)] = 4
    connect_s: Annotated[int, Meta(ge=1, le=300)] = 10
    task_s: Annotated[int, Meta(ge=1, le=300)] = 30
