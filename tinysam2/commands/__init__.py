"""The subcommands, as data: name -> the module whose `command` it is.

These modules are imported for `--help`, so they hold options and cheap checks; numpy, torch and the
toolchains are imported within the command itself.
"""

COMMANDS = {
    "convert": "tinysam2.commands.convert",
    "track": "tinysam2.commands.track",
    "train": "tinysam2.commands.train",
    "quantize": "tinysam2.commands.quantize",
    "sensitivity": "tinysam2.commands.sensitivity",
    "score": "tinysam2.commands.score",
    "evaluate": "tinysam2.commands.evaluate",
    "validate": "tinysam2.commands.validate",
    "ship": "tinysam2.commands.ship",
    "verify": "tinysam2.commands.verify",
    "compare-runtimes": "tinysam2.commands.compare_runtimes",
    "sample-clip": "tinysam2.commands.sample_clip",
    "presets": "tinysam2.commands.presets",
    "profile": "tinysam2.commands.profile",
    "import-weights": "tinysam2.commands.import_weights",
}
