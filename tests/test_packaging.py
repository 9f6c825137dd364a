"""What is published: a small sdist without tests, the wheel that it builds, and a version that the changelog knows."""

from __future__ import annotations

import re
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from sovits_cli import __version__
from tests.source import FILES, PACKAGE, ROOT, packages
from tests.test_licences import NOTICES, PROJECT, data_files

AROUND = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
MAX_SDIST_BYTES = 30e6
"""Most of it are the weights of `mini`, at most 25 MB."""


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    packed = Path(next(SdistBuilder(str(ROOT)).build(directory=str(folder))))
    assert packed.stat().st_size < MAX_SDIST_BYTES
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    return folder / packed.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    built = next(WheelBuilder(str(sdist)).build(directory=str(tmp_path_factory.mktemp("wheel"))))
    return zipfile.ZipFile(built)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return message_from_string(wheel.read(f"{folder_of(wheel)}/METADATA").decode())


def folder_of(wheel: zipfile.ZipFile) -> str:
    return next(name.split("/")[0] for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))


def modules() -> set[str]:
    return {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")}


def test_the_sdist_is_what_installs(sdist: Path) -> None:
    found = {path.relative_to(sdist) for path in sdist.rglob("*") if path.is_file()}
    assert {path.as_posix() for path in found if len(path.parts) == 1} == AROUND
    assert {path.parts[0] for path in found if len(path.parts) > 1} == {"sovits_cli", "configs"}


def test_the_wheel_holds_all_modules_tables_and_notices(wheel: zipfile.ZipFile, metadata: Message) -> None:
    notices = {"LICENSE", *(f"sovits_cli/LICENSES/{path.name}" for path in NOTICES.iterdir())}
    assert metadata["License-Expression"] == PROJECT["license"]
    assert set(metadata.get_all("License-File") or []) == notices
    folder = folder_of(wheel)
    for notice in notices:
        assert wheel.read(f"{folder}/licenses/{notice}") == (ROOT / notice).read_bytes()
    shipped = {name.removeprefix("sovits_cli/") for name in wheel.namelist() if not name.startswith(folder)}
    assert {name for name in shipped if not name.startswith("LICENSES/")} == data_files() | modules()


def test_the_metadata_invent_nobody_and_no_address(metadata: Message) -> None:
    for field in ("Author", "Author-email", "Maintainer", "Maintainer-email", "Home-page", "Project-URL"):
        assert field not in metadata
    listed = {line.rpartition(" ")[2] for line in metadata.get_all("Classifier") or [] if " :: 3." in line}
    floor = str(metadata["Requires-Python"]).removeprefix(">=")
    assert floor in listed


def test_a_release_has_its_heading() -> None:
    """A version is X.Y.Z, as the tag `vX.Y.Z` says; what is not released stands above all headings of releases."""
    version = Version(__version__)
    assert __version__ == version.base_version
    assert len(version.release) == 3
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert "Unreleased" not in headings[1:]
    assert headings[0] == "Unreleased" or headings[0] == __version__
    released = [Version(heading) for heading in headings if heading != "Unreleased"]
    assert released == sorted(released, reverse=True)
    assert not released or released[0] <= version


UNSEEN = {"jamo": "g2pk2 imports it without asking for it"}
"""Declared and not imported by us -> why."""


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    """A package that another one happens to bring could go with it; one that nobody imports is weight."""
    extras = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *(row for extra in extras.keys() - {"all", "test"} for row in extras[extra])]
    declared = {canonicalize_name(Requirement(row).name) for row in asked}
    providers = packages_distributions()
    imported = {package for path in FILES for package in packages(path)} & providers.keys()
    provided = {package: {canonicalize_name(each) for each in providers[package]} for package in imported}
    assert [package for package, names in provided.items() if not names & declared] == []
    assert declared - set().union(*provided.values()) == UNSEEN.keys()
