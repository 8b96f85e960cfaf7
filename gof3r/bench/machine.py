"""On what a run was made: without it its figures say nothing.

A container may hide any of this, so what cannot be found is left out. Memory is bytes, a NIC's speed Mbit/s.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from gof3r import __version__
from gof3r.answers import shown
from gof3r.report import size_text

CPUINFO = Path("/proc/cpuinfo")
PRODUCT = Path("/sys/devices/virtual/dmi/id/product_name")

_INSTANCE = re.compile(r"[a-z][a-z0-9-]*[0-9][a-z0-9-]*\.[a-z0-9-]+")
"""``c6in.32xlarge``, ``u-6tb1.metal``: what Nitro's DMI has as the product's name (EC2 User Guide, "Identify
EC2 Linux instances"). Xen's says ``HVM domU``, others what their makers like."""


def machine() -> dict[str, object]:
    """Names and values, in the order in which a reader wants them. Never raises."""
    sources: dict[str, Callable[[], object]] = {
        "instance": _instance,
        "cpu": _cpu,
        "cores": lambda: len(os.sched_getaffinity(0)),
        "memory_bytes": lambda: psutil.virtual_memory().total,
        "nics_mbit": _nics,
        "kernel": lambda: f"{platform.system()} {platform.release()}",
        "python": platform.python_version,
        "libcurl": _libcurl,
        "gof3r": lambda: __version__,
    }
    found = {name: _found(source) for name, source in sources.items()}
    return {name: value for name, value in found.items() if value not in (None, "")}


def _found(source: Callable[[], object]) -> object:
    try:
        return source()
    except Exception:  # of any kind: psutil's own, and KeyErrors of a /proc that is not as it knows it
        return None


def _instance() -> str:
    name = PRODUCT.read_text(errors="replace").strip()
    return name if _INSTANCE.fullmatch(name) else ""


def _cpu() -> str:
    try:
        for line in CPUINFO.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.machine()  # Arm's kernels name no model.


def _nics() -> dict[str, int]:
    """Those that are up, by name; 0 where the driver tells no speed, as many virtual ones do."""
    stats = psutil.net_if_stats()
    return {name: nic.speed for name, nic in sorted(stats.items()) if nic.isup and name != "lo"}


def _libcurl() -> str:
    import pycurl  # late: who reads a run needs none

    return str(pycurl.version)


def text(machine: Mapping[str, object]) -> str:
    """``c6in.4xlarge, AMD EPYC, 16 cores, 32.0 GiB, ens5 12.5 Gbit/s, Linux 6.1.0, Python 3.11.7, ...``: one
    line of whatever ``machine`` has, which may come from a file."""
    return shown(", ".join(filter(None, (told(name, value) for name, value in machine.items()))))


def told(name: str, value: object) -> str:
    """One of them; empty of nothing."""
    match name, value:
        case _, None | "":
            return ""
        case "instance" | "cpu" | "kernel", str():
            return value
        case "cores", int():
            return f"{value} core{'' if value == 1 else 's'}"
        case "memory_bytes", int() | float():
            return size_text(value)
        case "nics_mbit", dict():
            return ", ".join(f"{nic} {_speed(speed)}" for nic, speed in value.items())
        case "libcurl", str():
            return " ".join(value.split()[:3])  # PycURL, libcurl, and what does its TLS
        case "python", str():
            return f"Python {value}"
    return f"{name} {value}"


def _speed(mbit: object) -> str:
    if not isinstance(mbit, (int, float)) or mbit <= 0:
        return "of unknown speed"
    return f"{mbit / 1000:g} Gbit/s" if mbit >= 1000 else f"{mbit:g} Mbit/s"
