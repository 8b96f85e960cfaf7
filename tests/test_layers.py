"""Who may import whom, read from the source: s3 and flow are pure, and the engine knows no front end."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGINE = sorted((ROOT / "engine").rglob("*.py"))

IMPURE = {
    *("_thread", "asyncio", "concurrent", "ctypes", "fcntl", "http.client", "http.server", "mmap"),
    *("multiprocessing", "os", "pathlib", "platform", "random", "resource", "sched", "secrets", "select"),
    *("selectors", "shutil", "signal", "socket", "socketserver", "ssl", "subprocess", "sys", "tempfile"),
    *("threading", "time", "urllib.request", "uuid"),
    *("boto3", "botocore", "psutil", "pycurl"),
}
"""Standard and foreign modules through which a clock, chance, the kernel or the network comes in."""

MAY_IMPORT = {
    "engine": {"engine"},
    "engine.s3": {"engine", "engine.s3"},
    "engine.flow": {"engine", "engine.s3", "engine.flow"},
    "engine.proc": {"engine", "engine.s3", "engine.flow", "engine.proc"},
}
"""Package to the packages of ours that its modules may import."""


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


def imports(source: str, package: str) -> list[tuple[str, bool]]:
    """Every module that ``source``, in ``package``, may import, made absolute; and whether it was relative.

    ``from a import b`` counts as ``a.b``: b can be a module.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = [*above, *([node.module] if node.module else [])]
            found += [(".".join([*base, alias.name]), node.level > 0) for alias in node.names]
    return found


def names_any(module: str, modules: set[str]) -> bool:
    """Whether ``module`` is one of ``modules`` or inside one."""
    return any(module == name or module.startswith(f"{name}.") for name in modules)


def broken_rules(source: str, package: str, layer: str = "") -> list[str]:
    """What a module of ``package`` with this text does that its ``layer`` (its package's) may not."""
    broken = []
    for module, relative in imports(source, package):
        if relative:
            other = ".".join(module.split(".")[:2])
            if (other if other in MAY_IMPORT else module.split(".")[0]) not in MAY_IMPORT[layer or package]:
                broken.append(f"{package} must not import {module}")
        elif names_any(module, {"gof3r", "engine"}):
            broken.append(f"imports inside engine are relative: {module}")
        elif package in ("engine.s3", "engine.flow") and names_any(module, IMPURE):
            broken.append(f"{package} is pure: {module}")
    return broken


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_of_the_engine_imports_only_what_its_layer_may(path: Path) -> None:
    layer = "engine.proc" if path.name == "__main__.py" else ""  # the way in for another process
    assert broken_rules(path.read_text(), package_of(path), layer) == []


@pytest.mark.parametrize("name", ["estimate", "items", "mapping", "options", "selection", "states"])
def test_what_a_migration_decides_is_decided_by_values_alone(name: str) -> None:
    source = (ROOT / "gof3r" / "migrate" / f"{name}.py").read_text()
    assert [module for module, _ in imports(source, "gof3r.migrate") if names_any(module, IMPURE)] == []


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("engine.s3", "import os"),
        ("engine.s3", "def f():\n    from os import path"),
        ("engine.s3", "import urllib.request"),
        ("engine.s3", "from urllib import request"),
        ("engine.s3", "from ..flow.plan import parts"),
        ("engine.s3", "from .. import flow"),
        ("engine.flow", "from time import monotonic"),
        ("engine.flow", "from ..proc import slab"),
        ("engine.flow", "import gof3r.engine.s3"),
        ("engine.flow", "from engine.values import Part"),
        ("engine.proc", "from gof3r import config"),
        ("engine.proc", "from ... import config"),
        ("engine", "from .s3 import request"),
    ],
)
def test_the_import_rule_sees_a_forbidden_import(package: str, source: str) -> None:
    assert broken_rules(source, package) != []


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("engine.s3", "from urllib.parse import quote"),
        ("engine.s3", "from ..values import Part"),
        ("engine.s3", "from .. import values"),
        ("engine.s3", "from awscrt import checksums"),
        ("engine.flow", "from ..s3.checksums import combine"),
        ("engine.flow", "from datetime import datetime"),
        ("engine.proc", "import os, time"),
        ("engine.proc", "from ..flow import transfer"),
    ],
)
def test_the_import_rule_lets_a_permitted_import_pass(package: str, source: str) -> None:
    assert broken_rules(source, package) == []


def test_the_engine_is_reached_as_gof3r_engine_by_a_relative_symlink() -> None:
    assert (ROOT / "gof3r" / "engine").readlink() == Path("../engine")
