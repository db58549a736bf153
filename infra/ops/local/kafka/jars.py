"""Kafka's jars: fetched once by Maven into a cache that all state folders share, and the Java that runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

KAFKA_VERSION = "4.1.0"
OLDEST_JAVA = 17
DOWNLOAD_SECONDS = 900
POM = Path(__file__).with_name("pom.xml")
INSTEAD = "or set KAFKA_BOOTSTRAP_SERVERS to a Kafka that runs already"


class MissingTool(Exception):
    """A program that the local stack needs isn't there or is too old; the message says what to install. The CLI exits 2."""

    def __init__(self, tool: str, message: str) -> None:
        super().__init__(message)
        self.tool = tool


class DownloadFailed(Exception):
    """Maven couldn't fetch the jars; the message has the end of its output."""


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/ticketstream/kafka-<version>`, below `~/.cache` without that variable."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ticketstream" / f"kafka-{KAFKA_VERSION}"


def find_java() -> str:
    """The path of a Java that can run Kafka: `$JAVA_HOME/bin/java`, else the one on the PATH. Raises MissingTool."""
    install = (
        f"Install Java {OLDEST_JAVA} or later (Debian, Ubuntu: apt-get install default-jre-headless; macOS: brew install openjdk), "
        f"{INSTEAD}."
    )
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not os.access(java, os.X_OK):
        where = f"JAVA_HOME has no {java}" if java else "there is no java on the PATH"
        raise MissingTool("java", f"The local Kafka needs Java, and {where}. {install}")
    found = java_version(java)
    if found < OLDEST_JAVA:
        raise MissingTool("java", f"The local Kafka needs Java {OLDEST_JAVA}, and {java} is version {found}. {install}")
    return java


def java_version(java: str) -> int:
    """The main version that this java reports, 0 if it reports none: `version "17.0.15"` is 17, `"1.8.0_402"` is 8."""
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    return int(match[1]) if match else 0


def find_jars(cache: Path | None = None) -> Path:
    """The folder with the jars, fetched first if it isn't there (43 MB). Blocking.

    They are fetched into a folder of its own name and renamed when whole, so that an interrupted download, or two at a time, do no
    harm. Raises MissingTool without Maven, DownloadFailed when Maven fails.
    """
    folder = cache or cache_folder()
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool(
            "mvn",
            "The local Kafka's jars are fetched with Maven, and there is no mvn on the PATH. Install it (Debian, Ubuntu: apt-get "
            f"install maven; macOS: brew install maven), {INSTEAD}.",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as part:
        jars = _fetch(maven, Path(part))
        try:
            jars.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was first, with the same jars
                raise
    return folder


def _fetch(maven: str, part: Path) -> Path:
    jars = part / "jars"
    pom = shutil.copy(POM, part / "pom.xml")  # Maven may want to write beside it
    copy = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
    command = [maven, "-q", "-B", "-f", str(pom), *copy]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise DownloadFailed(f"Maven did not fetch Kafka's jars within {DOWNLOAD_SECONDS} s. Try again.") from error
    if told.returncode != 0 or not any(jars.glob(f"kafka_*-{KAFKA_VERSION}.jar")):
        end = "\n".join((told.stdout + told.stderr).strip().splitlines()[-12:])
        raise DownloadFailed(
            f"Maven could not fetch Kafka's jars (exit {told.returncode}). Check the network and ~/.m2/settings.xml, "
            f"{INSTEAD}. The end of its output:\n{end}"
        )
    return jars
