"""What holds for every test: a home of its own, no network, and the mirror where there is one."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

# A checkout may lie beside a folder of public-domain data; LETTERPRESS_DATA overrides it.
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
DATA = os.environ.get("LETTERPRESS_DATA") or (str(BESIDE) if BESIDE.is_dir() else "")

# A shell starts what runs in the background deaf to Ctrl-C, and whatever that starts is deaf too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("LETTERPRESS_HOME", str(tmp_path_factory.mktemp("home")))
    if DATA:
        monkeypatch.setenv("LETTERPRESS_DATA", DATA)
    else:
        monkeypatch.delenv("LETTERPRESS_DATA", raising=False)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Loopback and local sockets work; anything else is refused, and says which test wanted it."""
    if request.node.get_closest_marker("network"):
        return
    real, real_ex = socket.socket.connect, socket.socket.connect_ex

    def check(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        local = self.family not in (socket.AF_INET, socket.AF_INET6)
        if not local and host not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"{request.node.nodeid} tried to reach {host}: tests have no network")

    def connect(self: socket.socket, address: object) -> None:
        check(self, address)
        real(self, address)  # type: ignore[arg-type]

    def connect_ex(self: socket.socket, address: object) -> int:
        check(self, address)
        return real_ex(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)


@pytest.fixture
def data() -> Path:
    """The mirror of public-domain data; a test that needs it says loudly that it is not here."""
    if not DATA:
        pytest.skip("NO DATA: set LETTERPRESS_DATA to a mirror folder to run this test")
    return Path(DATA)
