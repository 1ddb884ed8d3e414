"""The Swift package: it parses, reads exactly the keys of the published schemas, and holds no shape."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_swift

from tinysam2.core.config import PRESETS
from tinysam2.core.frame_contract import frame_section
from tinysam2.core.manifest import manifest_schema
from tinysam2.validation.golden.schemas import golden_schema, results_schema

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "hosts/ios"
LIBRARY = PACKAGE / "Sources/TinySAM2"
FILES = sorted((*PACKAGE.rglob("*.swift"), *(ROOT / "examples/ios").rglob("*.swift")))
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))

READ_ONLY_ELSEWHERE = {"min_sdk"}
"""Keys of the manifest that are another platform's."""

APPLE = ("CoreML", "ExecuTorch", "CoreVideo", "CoreGraphics", "CryptoKit", "Darwin")
"""Modules that Linux lacks: imported only behind `#if canImport`."""


def nodes(source: bytes) -> Iterator[tree_sitter.Node]:
    """Every node of a file's syntax tree."""
    open_nodes = [PARSER.parse(source).root_node]
    while open_nodes:
        node = open_nodes.pop()
        yield node
        open_nodes.extend(node.children)


def faults(source: bytes) -> list[int]:
    """The lines at which a file is not Swift."""
    return [node.start_point[0] + 1 for node in nodes(source) if node.type == "ERROR" or node.is_missing]


def declared_keys(source: bytes) -> set[str]:
    """The raw values of every `CodingKeys` in a file."""
    found = set()
    for node in nodes(source):
        name = node.child_by_field_name("name")
        if node.type == "class_declaration" and name is not None and name.text == b"CodingKeys":
            cases = re.findall(rb'case (\w+) = "(\w+)"', node.text)
            assert len(cases) == node.text.count(b"case "), f"a key without its name in JSON: {node.text.decode()}"
            found |= {key.decode() for _, key in cases}
    return found


def schema_keys(schema: dict | list) -> set[str]:
    """The names of every property in a JSON Schema."""
    found = set()
    if isinstance(schema, dict):
        properties = schema.get("properties", {})
        found |= {name for name in properties if isinstance(properties, dict)}
        schema = list(schema.values())
    for part in schema:
        if isinstance(part, dict | list):
            found |= schema_keys(part)
    return found


def required_keys(schema: dict | list) -> set[str]:
    """The names that a JSON Schema requires, wherever in it."""
    found = set()
    if isinstance(schema, dict):
        required = schema.get("required", [])
        found |= {name for name in required if isinstance(name, str)}
        schema = list(schema.values())
    for part in schema:
        if isinstance(part, dict | list):
            found |= required_keys(part)
    return found


def frame_keys(value: object, path: str = "") -> set[str]:
    """The keys of the manifest's `frame`; names of conversions are data, not keys."""
    if not isinstance(value, dict):
        return set()
    found = set() if path == "conversions" else set(value)
    for name, part in value.items():
        found |= frame_keys(part, name)
    return found


def keys_of(name: str) -> set[str]:
    return declared_keys((LIBRARY / name).read_bytes())


def names_of(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def without_comments(path: Path) -> str:
    return re.sub(r"//.*", "", path.read_text(encoding="utf-8"))


def test_the_package_and_the_example_are_there():
    assert {"hosts/ios/Package.swift", "examples/ios/MaskView.swift"} <= set(names_of(FILES))
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=names_of(FILES))
def test_a_file_parses(path):
    assert faults(path.read_bytes()) == []


@pytest.mark.parametrize("path", FILES, ids=names_of(FILES))
def test_a_removed_brace_is_found(path):
    source = path.read_bytes()
    brackets = [node for node in nodes(source) if node.type in ("{", "}", "(", ")") and node.end_byte > node.start_byte]
    assert brackets
    for node in (brackets[0], brackets[len(brackets) // 2], brackets[-1]):
        assert faults(source[: node.start_byte] + source[node.end_byte :]), f"line {node.start_point[0] + 1}"


def test_swift_reads_exactly_the_manifest_that_is_published():
    frame = frame_keys(frame_section(next(iter(PRESETS.values()))))
    schema = manifest_schema()
    swift = keys_of("Manifest.swift") | keys_of("FrameContract.swift")
    assert swift - schema_keys(schema) - frame == set()
    assert (required_keys(schema) | frame) - swift - READ_ONLY_ELSEWHERE == set()


def test_swift_reads_the_frame_contract_whole():
    frame = frame_section(next(iter(PRESETS.values())))
    assert keys_of("FrameContract.swift") == frame_keys(frame)


def test_swift_reads_exactly_the_golden_vectors_that_are_published():
    schema = golden_schema()
    swift = keys_of("GoldenVectors.swift")
    assert swift - schema_keys(schema) == set()
    assert required_keys(schema) - swift == set()


def test_swift_writes_exactly_the_results_that_verify_reads():
    schema = results_schema()
    assert keys_of("ReplayResults.swift") == schema_keys(schema) == required_keys(schema)


def test_versions_are_those_that_python_writes():
    supported = re.compile(r"static let supportedVersion = (\d+)")
    manifest = supported.search((LIBRARY / "Manifest.swift").read_text())[1]
    golden = supported.search((LIBRARY / "GoldenVectors.swift").read_text())[1]
    results = re.search(r"ReplayResults\(\s*version: (\d+)", (LIBRARY / "Replay.swift").read_text())[1]
    assert int(manifest) == manifest_schema()["properties"]["manifest_version"]["const"]
    assert int(golden) == golden_schema()["properties"]["golden_version"]["const"]
    assert int(results) == results_schema()["properties"]["results_version"]["const"]


def test_rules_that_swift_demands_are_those_of_the_frame_contract():
    frame = frame_section(next(iter(PRESETS.values())))
    source = (LIBRARY / "FrameContract.swift").read_text()
    rules = [
        frame["image"]["layout"],
        frame["image"]["resize"]["between_passes"],
        frame["mask"]["resize"]["arithmetic"],
        frame["mask"]["inside"],
        frame["points"]["order"],
        frame["points"]["scale"],
        frame["video"]["chroma"],
        frame["video"]["rotation"]["direction"],
        frame["video"]["rotation"]["when"],
        *frame["image"]["channels"],
        *frame["image"]["resize"]["passes"],
    ]
    assert [rule for rule in rules if f'"{rule}"' not in source] == []


def shapes() -> set[int]:
    """Every size of every preset that is not a number of everyday code."""
    found = set()
    for config in PRESETS.values():
        found |= {config.image_size, config.mask_size, config.grid, config.memory_tokens, config.memory_dim}
        found |= {config.hidden_dim, config.bank.slots, config.bank.pointers}
    return {size for size in found if size > 32}


def literals(path: Path) -> set[int]:
    """The whole numbers written in decimal in a file."""
    return {int(number) for number in re.findall(r"(?<![\w.])\d+(?![\w.])", without_comments(path))}


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.swift")), ids=lambda path: path.name)
def test_no_shape_is_written_in_the_code(path):
    allowed = {64, 512} if path.name == "Checksum.swift" else set()  # Rounds and bits of SHA-256.
    assert literals(path) & (shapes() - allowed) == set()


def test_a_written_shape_is_found(tmp_path):
    size = next(iter(PRESETS.values())).image_size
    file = tmp_path / "Shape.swift"
    file.write_text(f"let side = {size}\n")
    assert literals(file) & shapes() == {size}


def unguarded_imports(source: str) -> list[str]:
    """Imports of Apple's modules that stand outside `#if canImport`."""
    depth, found = 0, []
    for line in source.splitlines():
        words = line.split()
        if words[:1] == ["#if"]:
            depth += 1
        elif words[:1] == ["#endif"]:
            depth -= 1
        elif words[:1] == ["import"] and words[1] in APPLE and depth == 0:
            found.append(words[1])
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.swift")), ids=lambda path: path.name)
def test_apples_modules_are_imported_only_where_they_are(path):
    assert unguarded_imports(path.read_text()) == []


def test_an_unguarded_import_is_found():
    source = "#if canImport(CoreML)\nimport CoreML\n#endif\nimport CoreVideo\n"
    assert unguarded_imports(source) == ["CoreVideo"]


def test_the_package_depends_on_no_other_package():
    manifest = without_comments(PACKAGE / "Package.swift")
    assert ".package(" not in manifest
    assert "unsafeFlags" not in manifest


def test_the_platforms_are_those_that_bundles_are_written_for():
    from tinysam2.converters.bundle.platforms import DEPLOYMENT

    manifest = (PACKAGE / "Package.swift").read_text()
    ios, macos = (DEPLOYMENT["ios"][name].removesuffix(".0") for name in ("ios", "macos"))
    assert f".iOS(.v{ios}), .macOS(.v{macos})" in manifest
