"""What the keeper loads."""

import subprocess
import sys

import pytest

LOADED = "[name for name in ('av', 'numpy') if name in sys.modules]"
LOOK = f"import sys, components.capture.app, components.capture.__main__; print({LOADED})"


@pytest.mark.slow
def test_the_keeper_does_not_load_libav() -> None:
    """A crash of libav cannot reach a process that has none; and it would cost 20 MB."""
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
