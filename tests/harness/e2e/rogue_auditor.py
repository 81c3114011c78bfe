"""An auditor whose every part is wrong, and which is honest in all else."""

from fermata.cli.main import main
from fermata.protocol.roles import auditor

honest_part = auditor.partial_opening


def wrong_part(record, share, ciphertext, entropy):
    return 2 * honest_part(record, share, ciphertext, entropy) % record.n


auditor.partial_opening = wrong_part
main()
