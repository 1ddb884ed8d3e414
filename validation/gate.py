"""A gate's verdict: what was measured, and the limit that it is held to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """One verdict: a measure of a subject, the limit it is held to, and why the limit stands there.

    found: in words, what makes up the value; empty where the measure says it all.
    """

    subject: str
    measure: str
    value: float
    limit: float
    at_least: bool
    reason: str
    found: str = ""

    @property
    def passed(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit
