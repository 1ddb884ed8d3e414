"""How well weights track videos that were kept out of training."""

from collections.abc import Callable
from dataclasses import dataclass

from tinysam2.data.sequence import AnnotatedSequence, FirstFrames
from tinysam2.data.tracked import ObjectTracker
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.scoring.evaluation import check_scored, mean_j

HELD_OUT_FRAMES = 30
"""Frames of each held-out video that are tracked: a quick look, not a benchmark's score."""


@dataclass(frozen=True)
class HeldOut:
    """Videos that are tracked now and then and not trained on, and what makes a tracker of a model.

    Raises InputError where the first `HELD_OUT_FRAMES` frames of a video have nothing to score.
    """

    videos: tuple[AnnotatedSequence, ...]
    new_tracker: Callable[[TinySAM2], ObjectTracker]

    def __post_init__(self) -> None:
        for video in self._starts():
            check_scored(video)

    def mean_j(self, model: TinySAM2) -> float:
        """Mean J over the objects of the videos' first frames, 0 to 1, scored as `tinysam2 evaluate` does.

        model: in evaluation mode, on the CPU.
        """
        return mean_j(lambda: self.new_tracker(model), self._starts())

    def _starts(self) -> list[AnnotatedSequence]:
        return [FirstFrames(video, HELD_OUT_FRAMES) for video in self.videos]
