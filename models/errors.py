"""The one exception that stands for bad input."""


class InputError(ValueError):
    """What the user gave cannot be used; the message is one sentence that names the thing, what is wrong with
    it and what would be right. The command line prints it and exits with status 2."""
