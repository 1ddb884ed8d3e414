"""`tinysam2 verify`: whether a bundle is whole, runs, and gives what it was shipped with; here and on a device."""

import json
import sys
from pathlib import Path

import click

from tinysam2.core.errors import InputError
from tinysam2.inputs.options import FILE_OR_FOLDER, json_option


@click.command(short_help="Check a bundle: files, artifacts, golden vectors; here or on a device.")
@click.argument("bundle", type=FILE_OR_FOLDER)
@click.option(
    "--results",
    type=FILE_OR_FOLDER,
    metavar="FILE",
    help="What the host code's replay wrote on a device: judged by the same gates, beside this computer's.",
)
@click.option("--page", type=FILE_OR_FOLDER, metavar="FILE", help="Where the report goes as an HTML page.")
@json_option
def command(bundle: Path, results: Path | None, page: Path | None, as_json: bool) -> None:
    """Check the BUNDLE, a folder or zip that `tinysam2 ship` wrote, without the checkpoint or the float model.

    Every file must be that of the manifest, to the byte. The artifacts must load, give the golden vectors within their
    tolerances, follow the golden trace and keep to the memory budget. A target whose runtime is not installed is told
    as not checked, which fails nothing unless no target was checked. Exit status: 0 passed, 1 a check failed, 2 not a
    bundle, or a file that cannot be read or is refused.

    \b
    Example:
      tinysam2 verify dist/android
      tinysam2 verify dist/android.zip --json
      tinysam2 verify dist/ios --results results.json --page verify.html
    """
    from tinysam2.core.files import check_output_file, write_text
    from tinysam2.inputs.destinations import check_apart
    from tinysam2.validation.bundles.opening import opened_bundle
    from tinysam2.validation.bundles.page import render_verification
    from tinysam2.validation.bundles.verify import verify_bundle
    from tinysam2.views.console import shown_steps
    from tinysam2.views.verification import print_verification

    if page:
        if page.suffix != ".html":
            raise InputError(f"the page {page} must end in .html")
        check_output_file(page)
        check_apart(page, [bundle, results])
        if bundle.is_dir() and bundle.resolve() in page.resolve().parents:
            raise InputError(f"the page {page} would lie in the bundle, which holds only what its manifest lists")
    with shown_steps() as steps, opened_bundle(bundle) as folder:
        found = verify_bundle(folder, str(bundle), results, steps.begin)
    if page:
        write_text(page, render_verification(found.to_json()))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        print_verification(found.to_json())
        if page:
            click.echo(f"page: {page}")
    sys.exit(0 if found.passed else 1)
