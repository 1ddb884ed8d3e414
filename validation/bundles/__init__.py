"""Bundles as they arrive: read safely, checked against their manifest and golden vectors, judged on a device."""
