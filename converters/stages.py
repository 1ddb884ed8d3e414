"""How far several conversions are, in shares of the whole."""

from collections.abc import Callable, Mapping, Sequence

from tinysam2.core.contract import IMAGE_ENCODER, MASK_DECODER, MEMORY_ATTENTION, MEMORY_ENCODER
from tinysam2.core.targets import Target

LOADING = "loading the toolchain"

EXPORT_STAGES: Mapping[str, int] = {
    LOADING: 30,
    f"exporting {IMAGE_ENCODER}": 10,
    f"exporting {MEMORY_ATTENTION}": 15,
    f"exporting {MASK_DECODER}": 20,
    f"exporting {MEMORY_ENCODER}": 10,
}
"""What every conversion begins with -> its share of the time. `Target.stages` has those of the rest. They are seconds
of `nano` in int8 on a busy machine, which prints them: `tinysam2 ship --no-cache`; only their ratios count."""


class Stages:
    """The stages of all targets' conversions, of which each is told as it begins.

    progress: is told the share that is done, from 0 to 1, and what begins.
    """

    def __init__(self, targets: Sequence[Target], progress: Callable[[float, str], None]) -> None:
        self._targets = {target.name: target for target in targets}
        self._stages = {target.name: {**EXPORT_STAGES, **target.stages} for target in targets}
        self._done = dict.fromkeys(self._stages, 0)
        self._total = sum(sum(stages.values()) for stages in self._stages.values())
        self._progress = progress

    @property
    def longest_first(self) -> list[Target]:
        """The targets, so that processes which share them end close together."""
        return sorted(self._targets.values(), key=lambda target: -sum(self._stages[target.name].values()))

    def begin(self, target: Target, stage: str) -> None:
        """A target's stage begins, and those before it are done. One that the target's entry lacks is told alone."""
        stages = list(self._stages[target.name])
        place = ""
        if stage in stages:
            number = stages.index(stage)
            self._done[target.name] = sum(list(self._stages[target.name].values())[:number])
            place = f" ({number + 1} of {len(stages)})"
        self.tell(f"{target.title}: {stage}{place}")

    def end(self, target: Target, figures: str) -> None:
        """A target's conversion is done."""
        self._done[target.name] = sum(self._stages[target.name].values())
        self.tell(f"{target.title}: {figures}")

    def tell(self, step: str) -> None:
        """Tells a step, at the share that is done."""
        self._progress(sum(self._done.values()) / self._total if self._total else 1.0, step)
