"""What `ship` is asked for: platforms and targets that fit each other, and a disk that is full."""

import errno

import pytest

from tinysam2.core.errors import InputError
from tinysam2.core.targets import target
from tinysam2.inputs.options import ALL
from tinysam2.inputs.shipping import GivenBundles, disk_errors_told


@pytest.mark.parametrize(
    ("platform", "runtimes", "platforms", "targets"),
    [
        (ALL, (), ["ios", "android"], ["coreml", "executorch", "tflite"]),
        ("android", (), ["android"], ["executorch", "tflite"]),
        (ALL, ("coreml",), ["ios"], ["coreml"]),
        ("ios", ("executorch",), ["ios"], ["executorch"]),
    ],
)
def test_the_targets_and_platforms_that_are_wanted(platform, runtimes, platforms, targets):
    wanted = GivenBundles(platform, tuple(target(name) for name in runtimes))
    assert wanted.platforms() == platforms
    assert [chosen.name for chosen in wanted.targets()] == targets


def test_a_runtime_that_is_not_the_platforms_is_refused():
    with pytest.raises(InputError, match="tflite is not shipped for ios; choose from coreml, executorch"):
        GivenBundles("ios", (target("tflite"),))


def test_a_full_disk_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="the disk is full"), disk_errors_told(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_another_error_of_the_system_is_left_as_it_is(tmp_path):
    with pytest.raises(PermissionError), disk_errors_told(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")
