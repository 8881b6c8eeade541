import subprocess
import sys

import click
import pytest

from lanner.cli.main import COMMANDS, FALCO, _load, cli

from .conftest import Lanner

CONTRACT_FLAGS = (
    "-c -r -o -V -L -l --list -N --format --list-plugins --plugin-info --enable-source --disable-source --dry-run "
    "-M -P -U -v --version --support --config-schema --rule-schema -e"
)


def test_the_program_alone_prints_its_help(lanner: Lanner) -> None:
    ran = lanner()
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == lanner("--help").out == lanner("-h").out


def test_the_help_has_every_command_and_every_flag_of_falco(lanner: Lanner) -> None:
    out = lanner("--help").out
    assert [name for name in COMMANDS if f"  {name} " not in out] == []
    falco = _load(FALCO)
    flags = {flag for parameter in falco.params for flag in parameter.opts}
    assert {flag for flag in flags if flag not in out} == set()
    assert flags >= set(CONTRACT_FLAGS.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded_and_explains_itself(lanner: Lanner, name: str) -> None:
    ran = lanner(name, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: lanner {name} ")


def test_an_unknown_command_is_a_usage_error(lanner: Lanner) -> None:
    ran = lanner("scna")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: no such command `scna`")


def test_ctrl_c_anywhere_exits_with_130(lanner: Lanner, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(context: click.Context) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "callback", interrupted)
    monkeypatch.setattr(cli, "invoke", interrupted)
    assert lanner().code == 130


def test_asking_for_the_version_imports_nothing_heavy() -> None:
    code = "import sys; from lanner.cli.main import execute; execute(['--version']); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"msgspec", "rich", "uvicorn", "re2", "lark", "yaml", "asyncio"} & set(modules)
