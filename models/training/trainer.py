"""The training loop: unroll, weigh, step, average, log, keep; it goes on where it was stopped."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

from tinysam2.core.errors import InputError
from tinysam2.data.sequence import AnnotatedSequence
from tinysam2.models.network.prompt_encoder import FramePrompt
from tinysam2.models.network.tinysam2 import TinySAM2
from tinysam2.models.training.clips import ClipSampler, TrainingClip
from tinysam2.models.training.curves import draw_curves
from tinysam2.models.training.distillation import Teacher
from tinysam2.models.training.footage import CANVAS, Footage
from tinysam2.models.training.held_out import HeldOut
from tinysam2.models.training.losses import ClipLoss, frame_terms, hard_iou, mean_terms
from tinysam2.models.training.optimiser import MuonAdamW
from tinysam2.models.training.parallel import Execution, Processes, TrainedStep
from tinysam2.models.training.run_folder import CURVES, WEIGHTS, RunFolder
from tinysam2.models.training.settings import TrainingSettings
from tinysam2.models.training.unroll import unroll, with_bank
from tinysam2.models.weights.checkpoint import save_checkpoint

NORM_STATE = ("running_mean", "running_var", "num_batches_tracked")
"""Buffers of BatchNorm that every part of a batch moves."""

LOG_EVERY = 20
"""Steps that one row of the log is the mean of."""


def train(
    model: TinySAM2,
    videos: tuple[AnnotatedSequence, ...],
    settings: TrainingSettings,
    folder: RunFolder,
    *,
    held_out: HeldOut | None = None,
    teacher: Teacher | None = None,
    execution: Execution | None = None,
) -> Path:
    """Trains a model on videos and returns the file of the averaged weights.

    model: where the run begins, unless the folder holds a state to go on from. held_out: what the averaged weights
    are judged by, now and then. execution: one process on the CPU where it is not given.
    Raises InputError where the videos cannot be trained on, or a state is damaged.
    """
    execution = execution or Execution()
    run = _Run(model, settings, folder, teacher, execution.processes, execution.device)
    footage = Footage(videos, round(CANVAS * model.config.image_size))
    sampler = ClipSampler(footage, settings, model.config, run.processes.rank, run.processes.count)
    run.resume()
    for parts in _batches(sampler, range(run.step, settings.steps), execution.workers):
        run.take_step(parts)
        last = run.step == settings.steps
        if held_out and (run.step % settings.validate_every == 0 or last):
            run.validate(held_out)
        if run.step % settings.checkpoint_every == 0 or last:
            run.keep()
        execution.progress(TrainedStep(run.step, run.rows[-1] if run.rows else {}))
    return folder.file(WEIGHTS)


def _batches(sampler: ClipSampler, steps: range, workers: int) -> Iterator[list[TrainingClip]]:
    # Batches come whole out of the sampler; the loader only fetches them ahead.
    remaining = Subset(sampler, steps)
    loader = DataLoader(remaining, batch_size=None, num_workers=workers, prefetch_factor=2 if workers else None)
    done = 0
    try:
        for parts in loader:
            yield parts
            done += 1
    except InputError:
        if workers:
            # A worker's error carries its traceback in the sentence; the same clips made here raise the sentence alone.
            sampler[steps[done]]
        raise


class _Run:
    """Everything that changes from step to step."""

    def __init__(
        self,
        model: TinySAM2,
        settings: TrainingSettings,
        folder: RunFolder,
        teacher: Teacher | None,
        processes: Processes,
        device: torch.device,
    ) -> None:
        # torch's types leave memory_format out where a device is given.
        self.model: TinySAM2 = model.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.by_bank = [with_bank(model, bank) for bank in settings.banks] or [model]
        self.settings, self.folder, self.processes, self.device = settings, folder, processes, device
        self.teacher = teacher.to(device) if teacher else None
        self.parameters = [*model.parameters(), *(teacher.trained_parameters() if teacher else ())]
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)
        self.optimiser = MuonAdamW(self.parameters, settings.learning_rate, settings.weight_decay)
        self.norms = [b for name, b in model.named_buffers() if name.endswith(NORM_STATE)]
        self.averaged = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        self.step = 0
        self.rows: list[dict] = []
        self.recent: list[dict] = []

    def resume(self) -> None:
        """Takes up the state in the folder, if there is one."""
        state = self.folder.load_state()
        if state is None:
            return
        try:
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.averaged = {name: tensor.to(self.device) for name, tensor in state["averaged"].items()}
            if self.teacher:
                self.teacher.load_trained_state(state["teacher"])
            self.step, self.rows, self.recent = state["step"], state["rows"], state["recent"]
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.folder.path} holds a state of another run; remove the folder to begin anew"
            ) from error

    def keep(self) -> None:
        """Writes the state, the log, the curves and the averaged weights."""
        if not self.processes.first:
            return
        self.folder.save_state(
            {
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "averaged": self.averaged,
                "teacher": self.teacher.trained_state() if self.teacher else {},
                "step": self.step,
                "rows": self.rows,
                "recent": self.recent,
            }
        )
        self.folder.write_log(self.rows)
        draw_curves(self.rows, self.folder.file(CURVES))
        about = {"preset": self.model.config.name, "steps": str(self.step), "seed": str(self.settings.seed)}
        save_checkpoint(self.averaged, self.folder.file(WEIGHTS), about | self.folder.terms.metadata())

    def take_step(self, parts: Sequence[TrainingClip]) -> None:
        """One optimiser step on this process's parts of a batch."""
        drawn = np.random.default_rng((self.settings.seed, self.step)).integers(len(self.by_bank))
        self.optimiser.zero_grad()
        losses, before = [], [norm.clone() for norm in self.norms]
        after = [torch.zeros_like(norm, dtype=torch.float32) for norm in self.norms]
        for part in parts:
            # Every part starts from the same running statistics, whichever process works on it.
            for norm, former in zip(self.norms, before, strict=True):
                norm.copy_(former)
            loss = self._loss(self.by_bank[drawn], _to(part, self.device))
            total = loss.total(self.settings.losses)
            (total / len(parts)).backward()
            losses.append({**loss.figures(), "loss": float(total.detach())})
            after = [sum_ + norm / len(parts) for sum_, norm in zip(after, self.norms, strict=True)]
        for norm, mean in zip(self.norms, after, strict=True):
            norm.copy_(mean)
        self.processes.average([*(parameter.grad for parameter in self.parameters), *self.norms])
        gradient_norm = nn.utils.clip_grad_norm_(self.parameters, self.settings.gradient_norm)
        self.optimiser.step(self.settings.rate(self.step))
        self.step += 1
        self._average()
        figures = {name: sum(loss[name] for loss in losses) / len(losses) for name in losses[0]}
        self._log({**figures, "gradient_norm": float(gradient_norm)})

    def _loss(self, model: TinySAM2, clips: TrainingClip) -> ClipLoss:
        terms, overlaps, frames = [], [], []
        for t, frame in enumerate(unroll(model, clips, self.settings.mixed_precision)):
            target = clips.targets[:, t]
            terms.append(frame_terms(frame.candidates, target, frame.prompt, self.settings.losses))
            if t:
                overlaps.append(hard_iou(frame.mask_logits.detach(), target))
            if self.teacher:
                frames.append(frame)
        means = mean_terms(terms)
        if self.teacher:
            means |= self.teacher.terms(clips, frames)
        return ClipLoss(**means, j=torch.stack(overlaps).mean())

    def _average(self) -> None:
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        state = self.model.state_dict()
        for name, averaged in self.averaged.items():
            if averaged.is_floating_point():
                averaged.lerp_(state[name], 1 - decay)
            else:
                averaged.copy_(state[name])

    def _log(self, figures: dict[str, float]) -> None:
        names = list(figures)
        means = self.processes.mean(torch.tensor([figures[name] for name in names], dtype=torch.float64))
        self.recent.append(dict(zip(names, means.tolist(), strict=True)))
        judged = self.step % self.settings.validate_every == 0
        if len(self.recent) == LOG_EVERY or judged or self.step == self.settings.steps:
            row = {name: sum(recent[name] for recent in self.recent) / len(self.recent) for name in names}
            rounded = {name: round(value, 6) for name, value in row.items()}
            self.rows.append({"step": self.step, "learning_rate": self.settings.rate(self.step - 1), **rounded})
            self.recent = []

    def validate(self, held_out: HeldOut) -> None:
        """Adds the mean J of the averaged weights on the held-out videos to the log's last row."""
        if self.rows and self.processes.first:
            judged = copy.deepcopy(self.model).cpu().eval()
            judged.load_state_dict(self.averaged)
            self.rows[-1]["held_out_j"] = round(held_out.mean_j(judged), 6)


def _to(clips: TrainingClip, device: torch.device) -> TrainingClip:
    prompt = FramePrompt(*(tensor.to(device) for tensor in clips.prompt))
    return TrainingClip(clips.images.to(device), clips.targets.to(device), prompt, clips.memory_noise.to(device))
