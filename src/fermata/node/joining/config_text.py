"""The commented configuration of a new node, by role."""

from fermata.types import READERS, Role

#: Stands in a configuration until ``fermata join`` puts the coordinator's address there.
NO_ADDRESS = "<the coordinator's host:port; fermata join fills it in>"

_HEAD = """\
# The configuration of {party}'s node. Relative paths are relative to this file.
charter = "charter.toml"
party = "{party}"
"""
_READER = """\
# Reads the log and writes nothing; the charter's roster does not list it.
role = "{role}"
"""
_KEYS = """
[keys]
# Opens the other key files: keep a copy of it where nobody else reads it.
identity = "keys/identity.txt"
"""
_SHARE = """\
# The share of the threshold key, which fermata join puts here.
share = "keys/share.age"
"""
_LISTEN = """
[listen]
# Where this machine listens for the log, and for parties that join or enrol.
address = "0.0.0.0:7440"
enrolment = "0.0.0.0:7441"
# The name under which the parties' machines reach this one; join files carry it.
public = "{host}"
# The deployment's certificate authority: tokens, certificates, the deny-list.
authority = "authority"

# A dashboard in the browser.
# [dashboard]
# address = "127.0.0.1:8443"
"""
_LOG = """
[log]
address = "{log}"
"""
_COPY = """
# Serves this node's copy of the log to labs, if the charter says silence = "hold".
# [listen]
# address = "0.0.0.0:7440"
"""
_LAB = """
[lab]
# A table with the columns round, metric and value; docs/sources.md has other sources.
metrics = "metrics.csv"
# wait: until the file has lines for the period; abstain: say at once that there are none.
absent = "wait"
# true: the reports say that your lab would enter the sums as the only one that does.
alone = false

# Whom the node asks while the log is silent, if the charter says silence = "hold".
# [silence.auditors]
# auditor-1 = "log.auditor-1.example:7440"
"""
_HOOK = """
# What gets a notice of every change of the pause: a program, or a url.
# [hook]
# command = ["/opt/pause/on-change"]
"""
_TELEMETRY = """
# Metrics and health; without log_file, events go to standard error.
# [telemetry]
# address = "127.0.0.1:9440"
# log_file = "node.log"
"""


def config_text(role: Role, party: str, log: str = "", host: str = "") -> str:
    """A new node's ``fermata.toml``.

    ``log``: the coordinator's address, NO_ADDRESS if it is empty. ``host``: the coordinator's own
    name for join files.
    """
    parts = [_HEAD.format(party=party)]
    if role in READERS:
        parts += [_READER.format(role=role)]
    else:
        parts += [_KEYS]
    parts += [_SHARE] if role == Role.AUDITOR else []
    if role == Role.COORDINATOR:
        parts += [_LISTEN.format(host=host)]
    else:
        parts += [_LOG.format(log=log or NO_ADDRESS)]
    parts += [_COPY] if role == Role.AUDITOR else []
    parts += [_LAB] if role == Role.LAB else []
    parts += [_HOOK] if role in (Role.LAB, Role.AUDITOR) else []
    parts += [_TELEMETRY] if role in (Role.COORDINATOR, Role.LAB, Role.AUDITOR) else []
    return "".join(parts)
