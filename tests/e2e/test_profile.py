"""The real model by each runtime's own clock: nothing with weights is left undelegated without a reason."""

import pytest

from tinysam2.core.artifacts import read_card
from tinysam2.core.contract import program_contract
from tinysam2.core.targets import TARGETS
from tinysam2.validation.profiling.operations import profile_artifacts


@pytest.mark.parametrize("target", [name for name, entry in TARGETS.items() if entry.profiler])
@pytest.mark.parametrize("folder", ["artifacts", "int8_artifacts"])
def test_every_undelegated_operation_with_weights_has_a_written_reason(request, target, folder):
    path = request.getfixturevalue(folder)
    card = read_card(path, TARGETS[target])
    profiles = profile_artifacts(path, card, 2, 1)
    assert [profile.program for profile in profiles] == list(program_contract(card.config))
    for profile in profiles:
        assert len(profile.operations) > 50
        unexplained = [o.name for o in profile.undelegated if o.weights and not o.reason]
        assert unexplained == []
