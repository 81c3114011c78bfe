"""A participant whose process dies at one save of its state."""

from fermata.node.ceremony.state_file import StateFile


class Killed(BaseException):
    """The process is gone."""


class KilledState(StateFile):
    """Dies at one save, before or after it."""

    at, after = 0, False
    count = 0

    def save(self, kept):
        self.count += 1
        dies = self.count == self.at
        if dies and not self.after:
            raise Killed
        super().save(kept)
        if dies:
            raise Killed
