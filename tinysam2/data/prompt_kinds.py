"""The kinds of prompts that are simulated from an object's true mask."""

from tinysam2.core.errors import InputError

PROMPTS = ("mask", "box", "click-1", "click-3")
"""What may be said of an object on its first frame."""


def checked_prompt(kind: str) -> str:
    """One of `PROMPTS`; `InputError` names them where it is not."""
    if kind not in PROMPTS:
        raise InputError(f"unknown prompt '{kind}'; the prompts are {', '.join(PROMPTS)}")
    return kind
