"""What setup.cfg lists and what the tree holds are the same: a package or data file that is forgotten is missing only in an
installation, where no other test looks."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = ("schemas", "ingest", "processors", "sinks", "infra")
GENERATED = re.compile(r"^(\.git|\.venv|\.state|\.[a-z_]+_cache|\.hypothesis|__pycache__|build|dist|.+\.egg-info)$")
SUFFIXES_WITHOUT_TEXT = {".pyc", ".png", ".svg", ".ico", ".gz"}

FOLDERS = ("home", "root", "Users", "work")
REGISTRIES = (
    ("pypi", "org"),
    ("python", "hosted"),
    ("npm", "js."),
    ("repo", "maven"),
    ("repo1", ""),
    ("extra", "index"),
)
# Put together here, so that this file holds no such address itself.
SOMEBODYS_FOLDER = re.compile(rf"(?<![\w.$}}-])/(?:{'|'.join(FOLDERS)})/[\w.-]+|[A-Z]:\\Users")
REGISTRY = re.compile("|".join(rf"{first}[.-]?{second}" for first, second in REGISTRIES), re.IGNORECASE)


def files_below(folder: Path) -> Iterator[Path]:
    """All files, but those that tools generate."""
    for entry in sorted(folder.iterdir()):
        if GENERATED.match(entry.name):
            continue
        if entry.is_dir():
            yield from files_below(entry)
        elif entry.suffix != ".pyc":
            yield entry


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def packages() -> dict[str, Path]:
    """The `__init__.py` of every package in the tree, by the package's name."""
    found = [file for top in TOP for file in files_below(ROOT / top) if file.name == "__init__.py"]
    return {".".join(file.parent.relative_to(ROOT).parts): file for file in found}


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_the_packages_listed_are_those_of_the_tree(
    setup_cfg: configparser.ConfigParser, packages: dict[str, Path]
) -> None:
    listed = lines(setup_cfg["options"]["packages"])

    assert listed == sorted(set(listed)), "sorted, each once"
    assert set(packages) - set(listed) == set(), "in the tree, not listed"
    assert set(listed) - set(packages) == set(), "listed, not in the tree"


def test_every_folder_with_a_module_is_a_package(packages: dict[str, Path]) -> None:
    folders = {file.parent for top in TOP for file in files_below(ROOT / top) if file.suffix == ".py"}

    assert {relative(folder) for folder in folders} - {relative(file.parent) for file in packages.values()} == set()


def test_every_package_says_what_it_holds(packages: dict[str, Path]) -> None:
    silent = [
        name for name, file in packages.items() if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]

    assert silent == []


def test_every_data_file_is_shipped(setup_cfg: configparser.ConfigParser) -> None:
    shipped = {file for matched in data_files(setup_cfg).values() for file in matched}
    there = {file for top in TOP for file in files_below(ROOT / top) if file.suffix != ".py"}

    assert sorted(relative(file) for file in there - shipped) == []


def test_every_pattern_of_data_files_matches_one(setup_cfg: configparser.ConfigParser) -> None:
    assert [f"{package}: {pattern}" for (package, pattern), files in data_files(setup_cfg).items() if not files] == []


def data_files(setup_cfg: configparser.ConfigParser) -> dict[tuple[str, str], list[Path]]:
    """The files of each package and pattern, found as setuptools does."""
    return {
        (package, pattern): [file for file in (ROOT / package.replace(".", "/")).glob(pattern) if file.is_file()]
        for package, patterns in setup_cfg["options.package_data"].items()
        for pattern in lines(patterns)
    }


@pytest.mark.parametrize(
    ("what", "pattern"), [("folder", SOMEBODYS_FOLDER), ("registry", REGISTRY)], ids=["folder", "registry"]
)
def test_no_file_names_another_machine(what: str, pattern: re.Pattern[str]) -> None:
    """Neither a folder that only somebody's own machine has, nor the registry that packages came from."""
    found: list[str] = []
    for file in files_below(ROOT):
        if file.suffix in SUFFIXES_WITHOUT_TEXT or file == Path(__file__):  # which must name what it looks for
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        found += [f"{relative(file)}: {match[0]}" for match in pattern.finditer(text)]

    assert found == [], what


@pytest.mark.parametrize("text", [f"open('/{FOLDERS[0]}/jo/x')", f'"/{FOLDERS[1]}/.cache"', r"C:\Users\jo"])
def test_the_look_for_folders_finds_them(text: str) -> None:
    assert SOMEBODYS_FOLDER.search(text)


@pytest.mark.parametrize("text", [f"https://{'.'.join(REGISTRIES[0])}/simple", f"--{'-'.join(REGISTRIES[5])}-url=x"])
def test_the_look_for_registries_finds_them(text: str) -> None:
    assert REGISTRY.search(text)
