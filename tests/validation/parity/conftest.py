"""What the tests of parity share."""

import pytest

from tinysam2.mobile_runtime.backend import Backend
from tinysam2.validation.parity.check import ParityCheck


@pytest.fixture
def check(followed, scene):
    """Follows the float model through the clip with a backend."""

    def follow(backend: Backend) -> ParityCheck:
        check = ParityCheck(backend)
        check.begin(scene)
        for frame in followed:
            for call in frame.calls:
                check.replay(call)
            check.follow(frame.picture, frame.prompts, frame.tracked)
        check.finish()
        return check

    return follow
