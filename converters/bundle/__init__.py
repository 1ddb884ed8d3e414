"""Bundles: the folder and the zip that an app takes, with everything it must know in one manifest."""
