"""What stands for an image, and for the network that a container is in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# By a host's name: what variables say instead where one names that host, by the end of their names. None: nothing.
Network = dict[str, Mapping[str, str | None]]

PLATFORM, RDS_BUNDLE = "/platform", "/etc/ssl/certs/rds-global-bundle.pem"
WITHOUT_A_HOME = "/nonexistent"  # of `nobody`, as Docker says it
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class NoSuchProgram(Exception):
    """The image has no such program; the text is the program."""


@dataclass(frozen=True, slots=True)
class Image:
    """Programs of this machine, by the word that a command begins with; `files`: directories of the image, and where
    they are here; `directory`: where a program starts; `command`: what runs where nobody says what.
    """

    programs: Mapping[str, Sequence[str]]
    files: Mapping[str, Path] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = Path("/")
    command: Sequence[str] = ()

    def local(self, command: Sequence[str]) -> list[str]:
        """Return what to run here for `command` in the container. Raises NoSuchProgram."""
        asked = list(command or self.command)
        if not asked or asked[0] not in self.programs:
            raise NoSuchProgram(asked[0] if asked else "")
        return [*self.programs[asked[0]], *map(self._here, asked[1:])]

    def variables(self) -> dict[str, str]:
        return {"PATH": SYSTEM_PATH, "HOME": WITHOUT_A_HOME, **self.environment}

    def placed(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return `variables` with the files of the image that they name as they are here."""
        return {name: self._here(value) for name, value in variables.items()}

    def _here(self, argument: str) -> str:
        for directory, path in self.files.items():
            if argument == directory or argument.startswith(f"{directory}/"):
                return f"{path}{argument.removeprefix(directory)}"
        return argument


def seedbed_image(platform: Path | None = None, *, aws: str = "", authorities: Path | None = None) -> Image:
    """Return the image of the docs, made of what is installed here; `platform` is in /platform, if there is one.

    `aws`: the URL that the container finds AWS at, as if that were the address of an endpoint in its network.
    `authorities`: what the image has as the file by which servers of RDS are verified.
    """
    there = {RDS_BUNDLE: authorities, PLATFORM: platform}
    return Image(
        {"seedbed": [str(Path(sys.executable).with_name("seedbed"))], "python": [sys.executable]},
        files={name: path for name, path in there.items() if path is not None},
        environment={"LANG": "C.UTF-8", **({"AWS_ENDPOINT_URL": aws} if aws else {})},
        command=["seedbed", "-C", PLATFORM, "status"],
    )


def respelled(words: Sequence[str], change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> list[str]:
    """Return the words of an entry point, with the variables among them that it sets as `change` has them."""
    said = dict(each.split("=", 1) for each in words if "=" in each)
    if not said:
        return list(words)
    *others, end = (each for each in words if "=" not in each)
    return [*others, *(f"{name}={value}" for name, value in change(said).items()), end]


def routed(variables: Mapping[str, str], network: Network) -> dict[str, str]:
    """Return `variables` with the hosts that they name exchanged for those that there are."""
    found = dict(variables)
    for name, value in variables.items():
        prefix, _, _ = name.rpartition("_")
        for host, instead in network.items():
            if host not in value:
                continue
            for end, text in instead.items():
                if text is None:
                    found.pop(f"{prefix}_{end}", None)
                else:
                    found[f"{prefix}_{end}"] = text
    return found
