"""What the wheel holds: a mistake in setup.cfg's mapping shows only after installing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent


def test_a_wheel_holds_every_module_once_the_command_the_license_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"  # A copy: setuptools leaves build/ where it builds.
    unwanted = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, symlinks=True, ignore=unwanted)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        + ["--use-pep517", "--disable-pip-version-check", "--wheel-dir", str(tmp_path), str(source)],
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    ours = [path.relative_to(ROOT) for path in (ROOT / "gof3r").glob("*.py")]
    for package in ("bench", "fleet", "migrate", "usage"):
        ours += [path.relative_to(ROOT) for path in (ROOT / "gof3r" / package).glob("*.py")]
    ours += [Path("gof3r", path.relative_to(ROOT)) for path in (ROOT / "engine").rglob("*.py")]
    ours.append(Path("gof3r/py.typed"))
    packed = [name for name in names if ".dist-info/" not in name]
    metadata = [name.partition(".dist-info/")[2] for name in names]
    assert sorted(packed) == sorted(str(path) for path in ours)
    assert "entry_points.txt" in metadata
    assert any(name.endswith("LICENSE") for name in metadata)
