"""A conversion, in a process of its own, is made once: again only where something that it depends on has changed."""

import dataclasses
import importlib

import pytest
import torch

from tinysam2.converters import cached
from tinysam2.converters.cached import conversion_key
from tinysam2.converters.convert import convert_model
from tinysam2.core import provenance
from tinysam2.core.artifacts import read_card
from tinysam2.core.cache import Cache
from tinysam2.core.config import register_config, unregister_config
from tinysam2.core.targets import RuntimePackage, Target, register_target, unregister_target
from tinysam2.models.quantization.recipe import DEFAULT_RECIPE, W8A8, Recipe, Rule
from tinysam2.models.weights.checkpoint import LoadedModel, load_model, seeded_model, weights_digest

CONVERTER = """
import hashlib
from pathlib import Path


def convert(programs, precision, folder, progress):
    progress("writing")
    calls = Path(__file__).with_name("calls")
    calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
    (folder / "package").mkdir(exist_ok=True)
    for program in programs:
        digest = hashlib.sha256()
        for tensor in program.graph.state_dict.values():
            digest.update(tensor.detach().numpy().tobytes())
        (folder / "package" / program.name).write_text(digest.hexdigest())
    return {program.name: "package" for program in programs}
"""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """A target whose converter writes what it is given, in a module that this process does not import."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "stub_converter.py").write_text(CONVERTER)
    monkeypatch.syspath_prepend(str(tmp_path / "outside"))
    importlib.invalidate_caches()
    provenance.code_digest.cache_clear()
    entry = Target("stub", "Stub", (), "stub_converter", None, {"fp32": "float32"}, (), RuntimePackage("Stub", "1", {}))
    register_target(entry)
    yield entry
    unregister_target("stub")


@pytest.fixture
def small(small_config, stub) -> LoadedModel:
    """The small model, its preset registered."""
    register_config(small_config)
    model = seeded_model(small_config)
    yield LoadedModel(model, "small weights", True, weights_digest(model.state_dict()))
    unregister_config(small_config.name)


def changed(loaded: LoadedModel) -> LoadedModel:
    """The model with the last bit of one weight changed."""
    model = seeded_model(loaded.model.config)
    weight = model.state_dict()["mask_decoder.iou_head.layers.0.bias"]
    weight.view(torch.int32)[0] ^= 1
    return LoadedModel(model, loaded.source, True, weights_digest(model.state_dict()))


def test_a_conversion_is_made_once_and_again_for_one_changed_weight(small, stub, tmp_path):
    calls, cache, told = tmp_path / "outside" / "calls", Cache(tmp_path / "cache"), []

    def convert(loaded: LoadedModel, name: str, cache: Cache | None) -> dict[str, bytes]:
        folder = tmp_path / name
        [card] = convert_model(loaded, {"stub": "fp32"}, folder, lambda _, step: told.append(step), cache=cache)
        assert card == read_card(folder, stub)
        assert card.weights_digest == loaded.digest
        return {path.name: path.read_bytes() for path in (folder / "package").iterdir()}

    first = convert(small, "first", cache)
    assert calls.read_text() == "x"
    assert [step.partition(" (")[0] for step in told[:3]] == [
        "Stub: loading the toolchain", "Stub: exporting image_encoder", "Stub: exporting memory_attention"
    ]  # fmt: skip
    assert told[-2] == "Stub: writing"

    told.clear()
    assert convert(small, "second", cache) == first
    assert calls.read_text() == "x"
    assert told == ["Stub: taken from the cache"]

    assert convert(changed(small), "changed", cache) != first
    assert calls.read_text() == "xx"

    [entry] = [path for path in cache.folder.iterdir() if path.name == conversion_key(small, stub, "fp32")]
    (entry / "content" / "package" / "mask_decoder").write_text("flipped")
    assert convert(small, "damaged", cache) == first
    assert calls.read_text() == "xxx"


def test_whatever_a_conversion_depends_on_gives_another_key(small, stub, small_config, monkeypatch, tmp_path):
    def key_of(loaded=small, target=stub, precision="fp32") -> str:
        provenance.code_digest.cache_clear()
        return conversion_key(loaded, target, precision)

    keys = [key_of(), key_of(changed(small)), key_of(precision="fp16")]
    assert key_of() == keys[0]
    keys += [
        key_of(dataclasses.replace(small, recipe=recipe))
        for recipe in (DEFAULT_RECIPE, Recipe((Rule("image_encoder", "*", W8A8),)))
    ]
    other = dataclasses.replace(small_config, decoder_heads=4)
    keys.append(key_of(dataclasses.replace(small, model=seeded_model(other))))
    keys.append(key_of(target=dataclasses.replace(stub, name="stub2")))
    keys.append(key_of(target=dataclasses.replace(stub, packages=("pytest",))))
    (tmp_path / "outside" / "stub_converter.py").write_text(CONVERTER + "# changed\n")
    keys.append(key_of())
    monkeypatch.setattr(cached, "SOURCES", (*cached.SOURCES, "views"))
    keys.append(key_of())
    version = provenance.importlib.metadata.distribution
    newer = type("Newer", (), {"version": "99", "requires": ()})
    monkeypatch.setattr(
        provenance.importlib.metadata, "distribution", lambda name: newer if name == "numpy" else version(name)
    )
    keys.append(key_of())
    assert len(set(keys)) == len(keys)


def test_where_weights_come_from_and_their_terms_do_not_count(small, stub):
    elsewhere = dataclasses.replace(small, source="copy.safetensors", trained=False)
    assert conversion_key(elsewhere, stub, "fp32") == conversion_key(small, stub, "fp32")


def test_packages_count_with_all_that_they_require():
    found = provenance.package_versions(("torch", "not-installed"))
    assert {"torch", "sympy", "mpmath"} <= set(found)


def test_a_saved_model_is_loaded_as_the_same(small, tmp_path):
    from tinysam2.models.weights.checkpoint import save_model

    save_model(small, tmp_path / "weights.safetensors")
    assert load_model(small.model.config, tmp_path / "weights.safetensors").digest == small.digest
