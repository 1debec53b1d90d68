"""A key changes hands under any crash, and nobody who verifies has to do anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flows.keyring import save_new
from flows.session import open_ledger
from flows.settings import Workspace
from ledger import Log, SigningKey, VerifyKey, verify
from ledger.keyfile import is_sealed
from tests.conftest import make_workplace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Workplace


def pinned(place: Workplace) -> VerifyKey:
    """Return what an auditor was given on the first day."""
    return VerifyKey.load(place.root / "keys" / "log.pub")


def test_a_rotation_is_seamless(workplace: Workplace) -> None:
    """The old key is retired, the new one signs, the first one is still all that is needed."""
    before = pinned(workplace)
    assert workplace.assay("checkpoint", "--heartbeat", "--once").code == 0
    called = workplace.assay("keys", "rotate", "--json")
    assert called.code == 0, called.err
    assert called.data["retired"] == before.text
    assert workplace.assay("checkpoint", "--heartbeat", "--once").code == 0
    report = verify(workplace.root / "ledger", keys=[before])
    assert (report.trust, report.keys) == ("signed", (called.data["key"],))
    listed = workplace.assay("keys", "list", "--json").data["keys"]
    assert [(each["state"], each["file"]) for each in listed] == [
        ("retired", f"retired-{before.key_id.hex()}.key"),
        ("valid", "log.key"),
    ]
    assert pinned(workplace) == before


@pytest.mark.parametrize("step", range(6))
def test_a_rotation_goes_on_after_a_crash(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Stopped at any step: the workspace works as it is, and the same command ends the rotation."""
    ledger, first = workplace.root / "ledger", pinned(workplace)
    calls = 0

    def counted(name: str, owner: type) -> None:
        real = getattr(owner, name)

        def crash(*arguments: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == step + 1:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        patch.setattr(owner, name, crash)

    with monkeypatch.context() as patch:
        counted("append", Log)
        counted("checkpoint", Log)
        counted("hardlink_to", type(workplace.root))
        counted("replace", type(workplace.root))
        called = workplace.assay("keys", "rotate")
        assert called.code == 130, (calls, called.out, called.err)
    assert verify(ledger, keys=[first]).ok
    assert workplace.assay("checkpoint", "--heartbeat", "--once").code == 0
    assert verify(ledger, keys=[first]).ok
    assert workplace.assay("keys", "rotate").code == 0
    report = verify(ledger, keys=[first])
    assert (report.trust, len(report.keys)) == ("signed", 1)
    assert report.keys[0] != first.text
    names = {path.name for path in (workplace.root / "keys").iterdir()}
    assert names == {"log.key", "log.key.signed", "log.pub", f"retired-{first.key_id.hex()}.key"}


def test_a_running_run_is_waited_for(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would sign with the retired key."""
    monkeypatch.setattr("flows.recorder.running", lambda _: {"20260101T000000000Z-x"})
    called = workplace.assay("keys", "rotate")
    assert (called.code, "E0416" in called.err) == (2, True)
    assert len(workplace.lines) == 1


def test_a_key_that_was_never_named_signs_nothing(workplace: Workplace) -> None:
    """Another key of the same name in the place of the right one."""
    path = workplace.root / "keys" / "log.key"
    name = SigningKey.load(path).name
    path.unlink()
    SigningKey.generate(name).save(path)
    called = workplace.assay("checkpoint")
    assert (called.code, "E0415" in called.err) == (2, True)


def test_keys_are_sealed_while_a_passphrase_file_is_named(tmp_path: Path) -> None:
    """Made sealed, opened by the file, refused without it; a rotation seals the next one too."""
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    env = {"ASSAY_KEY_PASSPHRASE_FILE": str(secret)}
    place = make_workplace(tmp_path / "plain")
    folder = tmp_path / "sealed"
    folder.mkdir()
    sealed = type(place)(folder)
    assert sealed.assay("init", "--post-quantum", env=env).code == 0
    for name in ("log.key", "log.mldsa"):
        assert is_sealed((sealed.root / "keys" / name).read_text())
    refused = sealed.assay("checkpoint")
    assert (refused.code, "E0151" in refused.err) == (2, True)
    assert sealed.assay("keys", "rotate", env=env).code == 0
    assert sealed.assay("checkpoint", env=env).code == 0
    assert is_sealed((sealed.root / "keys" / "log.key").read_text())
    files = [e["file"] for e in sealed.assay("keys", "list", "--json", env=env).data["keys"]]
    assert files[1:] == ["log.key (passphrase)", "log.mldsa"]
    # A key that lay open is sealed by its next rotation.
    assert place.assay("keys", "rotate", env=env).code == 0
    assert is_sealed((place.root / "keys" / "log.key").read_text())
    # The passphrase file is no setting of a profile.
    assert place.assay("config", "show", env=env).code == 0


def test_a_sealed_key_asks_at_the_keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody sits, and nobody named a file; the next key gets the same passphrase."""
    place = make_workplace(tmp_path / "w")
    path = place.root / "keys" / "log.key"
    key = SigningKey.load(path)
    path.unlink()
    key.save(path, passphrase=b"typed")
    monkeypatch.setattr(
        "flows.settings.sys.stdin", type("Terminal", (), {"isatty": lambda _: True})()
    )
    monkeypatch.setattr("flows.settings.getpass.getpass", lambda _: "typed")
    log, loaded = open_ledger(Workspace(place.root))
    log.close()
    assert loaded == key
    save_new(SigningKey.generate(key.name), path.with_name("next.key"), like=path)
    assert is_sealed(path.with_name("next.key").read_text())


def test_every_checkpoint_of_a_post_quantum_workspace_has_two_lines(tmp_path: Path) -> None:
    """And the auditor who brings both keys asks for both."""
    folder = tmp_path / "w"
    folder.mkdir()
    place = type(make_workplace(tmp_path / "other"))(folder)
    made = place.assay("init", "--post-quantum", "--json")
    assert len(made.data["cosigners"]) == 1
    assert place.assay("checkpoint", "--heartbeat", "--once").code == 0
    note = (place.root / "ledger" / "checkpoint").read_text()
    assert len(note.split("\n\n")[1].splitlines()) == 2
    both = [VerifyKey.load(place.root / "keys" / name) for name in ("log.pub", "log.mldsa.pub")]
    assert verify(place.root / "ledger", keys=both).trust == "signed"
