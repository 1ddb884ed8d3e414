"""A bundle's verification as one HTML page that needs nothing beside it."""

from collections.abc import Mapping

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from tinysam2.core.units import MIB
from tinysam2.validation.bundles.table import NOT_MEASURED, device_name, failures, figure, gate_rows, summary


def render_verification(verification: Mapping) -> str:
    """The page of the JSON report of a verification: every gate, here and on the device, and what the device took."""
    environment = Environment(
        # The style sheet is that of the validation's page.
        loader=ChoiceLoader(
            [PackageLoader("tinysam2.validation.bundles"), PackageLoader("tinysam2.validation.reporting")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"figure": figure, "device_name": device_name, "mib": MIB, "not_measured": NOT_MEASURED}
    return environment.get_template("verification.html.j2").render(
        report=verification,
        headline=summary(verification),
        failed=failures(verification),
        rows={entry["target"]: gate_rows(verification, entry["target"]) for entry in verification["targets"]},
    )
