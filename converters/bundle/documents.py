"""What people read in a bundle: the model card and the licences."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from tinysam2.core.artifacts import UNKNOWN_LICENCE, ArtifactCard
from tinysam2.core.targets import INT8
from tinysam2.models.weights.checkpoint import WEIGHTS, shipped_weights, source_of_shipped

MODEL_CARD, LICENCES = "MODEL_CARD.md", "LICENSES"

CODE_LICENCE = Path(__file__).with_name("licences") / "Apache-2.0.txt"
"""A copy of the repository's LICENSE, which a wheel keeps outside the package."""

NON_COMMERCIAL = re.compile(r"\bNC\b|non-?commercial", re.IGNORECASE)


def is_non_commercial(licence: str) -> bool:
    """Whether a licence's name forbids commercial use."""
    return NON_COMMERCIAL.search(licence) is not None


def write_documents(
    platform: str, cards: Sequence[ArtifactCard], report: Mapping, bank_bytes: int, folder: Path
) -> None:
    """Writes MODEL_CARD.md and LICENSES/ into a bundle's folder. bank_bytes: of one object."""
    environment = Environment(
        loader=PackageLoader("tinysam2.converters.bundle", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    card = cards[0]
    found = {entry["target"]: entry for entry in report["targets"]}
    passed = all(found[card.target]["passed"] for card in cards)
    model_card = environment.get_template("MODEL_CARD.md.j2").render(
        platform=platform,
        card=card,
        config=card.config,
        verdict="every target passed its checks" if passed else "**a target failed its checks**",
        bank_bytes=f"{bank_bytes:,}",
        targets=[_target(found[card.target]) for card in cards],
        number=_number,
        about_weights=_about_weights(card),
    )
    (folder / MODEL_CARD).write_text(model_card.rstrip() + "\n", encoding="utf-8")
    licences = folder / LICENCES
    licences.mkdir()
    shutil.copyfile(CODE_LICENCE, licences / CODE_LICENCE.name)
    terms = environment.get_template("WEIGHTS.md.j2").render(
        card=card, non_commercial=is_non_commercial(card.licence), unknown=card.licence == UNKNOWN_LICENCE
    )
    (licences / "WEIGHTS.md").write_text(terms, encoding="utf-8")


def _target(entry: Mapping) -> dict:
    programs, chain = entry.get("programs") or (), entry.get("chain") or {}
    return {
        "target": entry["target"],
        "precision": entry.get("precision", ""),
        "passed": entry["passed"],
        "least_sqnr": min((program["sqnr_db"] for program in programs), default=None),
        "mean_iou": chain.get("mean_iou"),
        "score": _percent(chain.get("score")),
        "float_score": _percent(chain.get("float_score")),
    }


def _percent(score: Mapping | None) -> float | None:
    return None if score is None else 100 * score["JF"]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _about_weights(card: ArtifactCard) -> str:
    """The shipped weights' own model card, one level down, where they are the ones; its links lead nowhere here."""
    shipped = shipped_weights(card.preset, card.precision == INT8)
    if shipped is None or card.weights != source_of_shipped(shipped):
        return ""
    text = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    without_links = re.sub(r"\[([^\]]+)\]\((?!https?://)[^)]*\)", r"\1", text)
    return re.sub(r"^(#+ )", r"#\1", without_links, flags=re.MULTILINE).strip()
