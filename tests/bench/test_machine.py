"""What is said of the machine, and that nothing which hides it is an error."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gof3r.bench import machine
from tests.bench.samples import FACTS, MACHINE


def hidden(*arguments: Any, **more: Any) -> NoReturn:
    raise PermissionError(13, "hidden")


def test_this_machine_is_known_and_can_be_written() -> None:
    found = machine.machine()
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert {"cpu", "memory_bytes", "kernel", "python", "libcurl", "gof3r"} <= found.keys()
    assert json.loads(json.dumps(found)) == found


def test_what_a_container_hides_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module, name in (
        (psutil, "net_if_stats"),
        (psutil, "virtual_memory"),
        (os, "sched_getaffinity"),
    ):
        monkeypatch.setattr(module, name, hidden)
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(machine, "PRODUCT", tmp_path / "none")
    assert set(machine.machine()) == {"cpu", "kernel", "python", "libcurl", "gof3r"}


@pytest.mark.parametrize(
    ("product", "instance"),
    [
        ("c6in.32xlarge\n", "c6in.32xlarge"),
        ("u-6tb1.metal", "u-6tb1.metal"),
        ("mac2-m2pro.metal", "mac2-m2pro.metal"),
        ("HVM domU\n", None),
        ("Standard PC (Q35 + ICH9, 2009)", None),
        ("Google Compute Engine", None),
        ("", None),
    ],
)
def test_an_instance_of_ec2_is_known_by_its_products_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, product: str, instance: str | None
) -> None:
    monkeypatch.setattr(machine, "PRODUCT", tmp_path / "product_name")
    machine.PRODUCT.write_text(product)
    assert machine.machine().get("instance") == instance


@pytest.mark.parametrize(
    ("info", "cpu"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: other\n", "AMD EPYC"),
        ("processor : 0\n", None),
    ],
)
def test_the_processor_is_the_kernels_name_for_it_or_its_kind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, info: str, cpu: str | None
) -> None:
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    machine.CPUINFO.write_text(info)
    assert machine.machine()["cpu"] == (cpu or os.uname().machine)


def test_nics_that_are_up_are_told_but_for_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    nics = {
        "lo": SimpleNamespace(isup=True, speed=0),
        "ens5": SimpleNamespace(isup=True, speed=25000),
        "docker0": SimpleNamespace(isup=False, speed=0),
        "eth0": SimpleNamespace(isup=True, speed=0),
    }
    monkeypatch.setattr(psutil, "net_if_stats", lambda: nics)
    assert machine.machine()["nics_mbit"] == {"ens5": 25000, "eth0": 0}


def test_people_get_one_line() -> None:
    assert machine.text(MACHINE) == (
        "c6in.4xlarge, AMD EPYC 7R13, 16 cores, 32.0 GiB, ens5 12.5 Gbit/s, Linux 6.1.0, Python 3.11.7, "
        "PycURL/7.49.0 libcurl/8.23.0 OpenSSL/3.6.5, gof3r 1.0.0"
    )
    assert machine.text({"cores": 1, "nics_mbit": {"eth0": 0, "a": 100}, "cpu": "", "rack": "x\x1b[1m"}) == (
        "1 core, eth0 of unknown speed, a 100 Mbit/s, rack x\\x1b[1m"
    )


@given(
    st.dictionaries(st.text() | st.sampled_from(sorted(MACHINE)), FACTS | st.dictionaries(st.text(), FACTS))
)
def test_whatever_a_file_says_of_a_machine_is_one_line(any_machine: dict[str, object]) -> None:
    assert all(c.isprintable() for c in machine.text(any_machine))
