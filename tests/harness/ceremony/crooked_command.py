"""The program ``fermata`` whose relay hands some auditors other envelopes than were handed in.

CEREMONY_OTHER is a folder with a folder for each victim, which has files named like items.
"""

import os
import sys
from pathlib import Path

from fermata.cli.main import run
from fermata.node.ceremony.items import Name
from fermata.node.ceremony.relay_folder import RelayFolder
from fermata.wire.v1 import ceremony_service_pb2 as wire


class CrookedFolder(RelayFolder):
    def fetch(self, caller, request):
        answer = super().fetch(caller, request)
        name = Name.read(self.plan(caller, request.ceremony), request.name)
        other = Path(os.environ["CEREMONY_OTHER"]) / caller / name.file
        if answer.size and other.is_file():
            data = other.read_bytes()
            return wire.FetchPieceResponse(size=len(data), data=data)
        return answer


if __name__ == "__main__":
    import fermata.node.ceremony.relaying as relaying

    relaying.RelayFolder = CrookedFolder
    sys.exit(run())
