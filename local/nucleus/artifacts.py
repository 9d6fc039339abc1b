"""The files of a component: told apart by their content, copied to where a core keeps them, unpacked."""

import hashlib
import shutil
import zipfile
from pathlib import Path

from local.nucleus.deployment import DeploymentError
from local.nucleus.recipe import Artifact


def digest_of(folder: Path) -> str:
    """Return a digest of the names and contents of all files below a folder; of none when it is missing."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def place(source: Path, target: Path) -> None:
    """Make `target` a copy of `source`; nothing must be running from `target`. Without source it is empty."""
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, new)
    else:
        new.mkdir(parents=True)
    shutil.rmtree(target, ignore_errors=True)
    new.replace(target)


def unpack(artifacts: tuple[Artifact, ...], source: Path, target: Path) -> None:
    """Unpack every ZIP artifact into a folder of its name; DeploymentError for one that is no ZIP."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for artifact in artifacts:
        path = source / artifact.name
        if artifact.unarchive != "ZIP" or not path.exists():
            continue
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(target / path.stem)
        except zipfile.BadZipFile as error:
            raise DeploymentError(f"artifact {path}: is no ZIP file") from error
