"""What can go wrong with a time: a bad pattern, an unknown zone, a text that is no time.

Invariant: every error says what was found, where, and what was expected; positions count characters from 0.
"""


class PatternError(ValueError):
    """Say why a pattern cannot be used.

    ``position`` and ``length`` mark the part of the pattern that is meant.
    """

    def __init__(self, message: str, position: int, length: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.length = length


class ZoneError(ValueError):
    """Say that a zone is unknown; ``nearest`` holds similar names, the best first."""

    def __init__(self, message: str, name: str, nearest: tuple[str, ...]) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.nearest = nearest


class TimeError(ValueError):
    """Say why a text is not a time; ``position`` is the number of characters that were read before the fault.

    ``reason`` is the part of the message that says what was expected there, or what does not exist.
    """

    def __init__(self, message: str, position: int, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.reason = reason


_LONGEST_QUOTE = 80


def quoted(text: str) -> str:
    """Quote a row's text for a message, shortened when it is long."""
    if len(text) > _LONGEST_QUOTE:
        text = text[:_LONGEST_QUOTE] + "…"
    return f'"{text}"'
