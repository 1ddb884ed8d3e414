"""One process of a training run, for tests that stop it or run several: `python training_process.py JOB`.

JOB is a pickle of a model's config, the run's settings and folder, the steps that a row of the log is of, and the
step after which the process kills itself, if it is to.
"""

import os
import pickle
import runpy
import signal
import sys
from pathlib import Path

import torch

from tinysam2.models.training import trainer
from tinysam2.models.training.parallel import Execution, joined_processes
from tinysam2.models.training.run_folder import RunFolder
from tinysam2.models.weights.checkpoint import seeded_model


def run(config, settings, folder: Path, log_every: int, kill_after: int | None) -> None:
    def progress(done) -> None:
        if done.step == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    trainer.LOG_EVERY = log_every
    a_moving_video = runpy.run_path(str(Path(__file__).with_name("conftest.py")))["a_moving_video"]
    videos = tuple(a_moving_video(seed) for seed in (0, 1))
    with joined_processes() as processes:
        model, to = seeded_model(config), RunFolder(folder)
        trainer.train(model, videos, settings, to, execution=Execution(processes, progress=progress))


if __name__ == "__main__":
    run(**pickle.loads(Path(sys.argv[1]).read_bytes()))
