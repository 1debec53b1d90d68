"""Keys on the command line of the ledger: sealed, second, and never an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger import VerifyKey, verify
from ledger.cli import main
from ledger.keyfile import is_sealed
from ledger.keys import MLDSA
from tests.ledger.conftest import ORIGIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.conftest import Clock


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """Return the path of a passphrase."""
    path = tmp_path / "secret"
    path.write_text("correct horse\n")
    path.chmod(0o600)
    return str(path)


def test_a_ledger_under_sealed_keys(
    tmp_path: Path, secret: str, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two keys are made sealed, create the ledger, and sign; without the passphrase they do not."""
    first, second = str(tmp_path / "log.key"), str(tmp_path / "log.mldsa")
    folder, sealed = str(tmp_path / "l"), ["--passphrase-file", secret]
    assert main(["keygen", first, "--name", ORIGIN, *sealed], clock=clock) == 0
    assert main(["keygen", second, "--name", ORIGIN, "--mldsa", *sealed], clock=clock) == 0
    keys = [VerifyKey.parse(line) for line in capsys.readouterr().out.splitlines()]
    assert keys[1].algorithm == MLDSA
    assert is_sealed((tmp_path / "log.key").read_text())
    both = ["--sign", first, "--cosign", second, *sealed]
    assert main(["create", folder, *both], clock=clock) == 0
    assert main(["heartbeat", folder, "--once", *both], clock=clock) == 0
    assert main(["checkpoint", folder, *both], clock=clock) == 0
    assert verify(tmp_path / "l", keys=keys).trust == "signed"
    assert main(["checkpoint", folder, "--sign", first], clock=clock) == 2
    assert "E0151" in capsys.readouterr().err


def test_the_passphrase_is_asked_for_at_a_terminal(
    tmp_path: Path, secret: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where somebody sits and named no file."""
    first, folder = str(tmp_path / "log.key"), str(tmp_path / "l")
    main(["keygen", first, "--name", ORIGIN, "--passphrase-file", secret], clock=clock)
    monkeypatch.setattr("ledger.cli.sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("ledger.cli.getpass.getpass", lambda _: "correct horse")
    assert main(["create", folder, "--sign", first], clock=clock) == 0
