"""A report says where it was made."""

import platform

from tinysam2.validation.reporting.environment import this_environment


def test_the_environment_names_python_system_processor_and_what_computed():
    environment = this_environment()
    assert environment.python == platform.python_version()
    assert environment.system
    assert environment.processor
    assert environment.cores >= 1
    assert {"torch", "numpy"} <= set(environment.packages)


def test_packages_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr("tinysam2.validation.reporting.environment.PACKAGES", ("numpy", "no-such-package-anywhere"))
    monkeypatch.setattr("tinysam2.validation.reporting.environment.TARGETS", {})
    assert list(this_environment().packages) == ["numpy"]
