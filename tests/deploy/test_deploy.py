"""What is in deploy/, as far as it can be looked at without a machine of its own."""

from __future__ import annotations

import argparse
import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
import yaml

from simplex_calls.serve import cli

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "simplex-calls.service"
PROGRAM = "/opt/simplex-calls/bin/simplex-calls"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def service() -> configparser.SectionProxy:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(UNIT)
    return unit["Service"]


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))
    return copy


@needs_systemd
def test_systemd_takes_the_unit(unit: Path) -> None:
    found = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


@needs_systemd
def test_the_unit_is_hardened(unit: Path) -> None:
    found = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def test_the_units_command_is_understood() -> None:
    program, command, *words = shlex.split(service()["ExecStart"])
    assert (program, command) == (PROGRAM, "serve")
    assert words[-1] == "$SERVE_OPTIONS"
    given = "--public-host calls.example --turns-port 443 --cert /run/tls.crt --key /run/tls.key"
    options = parsed([word.replace("%S", "/var/lib") for word in words[:-1]] + given.split())
    assert options.data == Path("/var/lib") / service()["StateDirectory"]
    assert options.metrics == ("127.0.0.1", 9642)
    assert cli.plan_of(options).turns_port == 443
    for word in ("NoNewPrivileges=yes", "ProtectSystem=strict", "DynamicUser=yes"):
        assert word in UNIT.read_text().splitlines()


def test_the_compose_file_is_understood() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert set(compose) == {"name", "services", "volumes"}
    (servers,) = compose["services"].values()
    build = servers["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert servers["cap_drop"] == ["ALL"]
    assert servers["security_opt"] == ["no-new-privileges:true"]
    assert {place.partition(":")[0] for place in servers["volumes"]} == set(compose["volumes"])
    # one file for images: nothing is pulled but what the Dockerfile says
    assert "image" not in servers
    entry = entrypoint()
    words = [re.sub(r"\$\{PUBLIC_HOST:\?[^}]*\}", "calls.example", word) for word in servers["command"]]
    options = parsed([*entry[2:], *words])
    assert options.data == Path("/data")
    assert cli.plan_of(options).public_hosts == ("calls.example",)
    check = servers["healthcheck"]["test"]
    assert check[:3] == ["CMD", *entry[:2]]
    assert parsed(check[3:]).check


def entrypoint() -> list[str]:
    found = re.search(r"^ENTRYPOINT (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    words = json.loads(found[1])
    assert words[:2] == ["simplex-calls", "serve"]
    return [str(word) for word in words]


def test_the_image_is_of_debian_and_python_alone() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["python:3.13-slim-bookworm"]
    assert "USER turnserver" in text
    assert not re.search(r"\b(curl|wget|ADD)\b", text)
    assert (ROOT / "constraints.txt").exists()


def test_the_image_has_what_the_servers_import() -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    found = re.search(r"-c /tmp/wheel/constraints\.txt ([\w .-]+?) *&&", text)
    assert found
    # with nothing else of the wheel's dependencies there, all that the servers need must come along
    program = (
        "import sys, importlib.metadata as m, json; before = set(sys.modules);"
        "import simplex_calls.__main__, simplex_calls.serve.cli, simplex_calls.relay.cli, simplex_calls.relay.metrics;"
        "found = {n for n in set(sys.modules) - before if getattr(sys.modules[n], '__file__', None)};"
        "names = {n.partition('.')[0] for n in found};"
        "by = m.packages_distributions();"
        "print(json.dumps(sorted({d for n in names for d in by.get(n, ())})))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    imported = {_name(name) for name in json.loads(out.stdout)}
    assert imported - _with_dependencies(found[1].split()) <= {
        "simplex_calls",
        "backports_tarfile",  # aiohttp looks for another one of the backports, and goes on without
    }


def _with_dependencies(names: list[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = _name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting += [re.split(r"[^\w.-]", need)[0] for need in needed if "extra ==" not in need]
    return found


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()
