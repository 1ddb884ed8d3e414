"""The one exception that stands for bad input."""


class InputError(ValueError):
    """What the user gave cannot be used; the message is one sentence that names the thing, what is wrong with
    it and what would be right. The command line prints it and exits with status 2.

    What cannot be printed, of a name in a foreign file say, is escaped, so that it stays one line."""

    def __init__(self, sentence: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in sentence))


def require_field(holds: bool, owner: object, name: str, wanted: str) -> None:
    """Raises ValueError, naming the field of a configuration, its value and what it must be, unless `holds`."""
    if not holds:
        value = getattr(owner, name)
        raise ValueError(f"{type(owner).__name__}.{name} is {value!r}; it must be {wanted}")
