"""Builds the page: its own files, and hls.js by npm's ordinary client, checked against the hash in package-lock.json.

npm keeps what it has fetched in its own cache, so that a second build needs no network.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from components.shared.errors import Rejected, Transient

SOURCE = Path(__file__).parents[1] / "cloud" / "page"
NPM_S_MAX = 300

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
"""What is served, and as what."""

HLS = Path("node_modules", "hls.js", "dist", "hls.light.min.js")
"""Without subtitles and copy protection, which footage has none of: two thirds of the bytes."""


def build_page(target: Path, work: Path) -> list[Path]:
    """Puts the page's files into the folder `target`; their paths. `work` is scratch. Transient when npm fails."""
    if shutil.which("npm") is None:
        raise Rejected("npm is needed to build the page; on Debian: apt-get install npm")
    fetched = work / "npm"
    fetched.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCE / name, fetched)
    command = ["npm", "ci", "--prefer-offline", "--no-progress"]
    done = subprocess.run(command, cwd=fetched, capture_output=True, text=True, timeout=NPM_S_MAX, check=False)
    if done.returncode != 0:
        raise Transient(f"npm could not fetch what the page needs: {(done.stderr or done.stdout).strip()[-1_000:]}")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(fetched / HLS, target / "hls.js")
    for path in SOURCE.iterdir():
        if path.suffix in KINDS:
            shutil.copy(path, target)
    return sorted(path for path in target.iterdir() if path.suffix in KINDS)
