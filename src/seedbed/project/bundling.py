"""Building the bundle of a release: the platform's files, and what its CDK app makes for each environment.

Only what builds one imports this module: it brings the CDK's room with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct, field

from seedbed.deployment import cdk, portable
from seedbed.deployment.assembly import read
from seedbed.deployment.synthesis import APP, has_app, require_app, require_same_account, synthesise
from seedbed.documents.document import VERSION
from seedbed.errors import UsageError
from seedbed.execution.stopping import Stop
from seedbed.files.archive import Member
from seedbed.files.platform import MANIFEST, is_program, read_all, read_files
from seedbed.files.scratch import scratch
from seedbed.manifest.environments import is_pattern
from seedbed.model.environment import Environment
from seedbed.project.catalog import Catalog
from seedbed.project.checkout import checkout, different
from seedbed.project.targets import Targets
from seedbed.releases import bundle
from seedbed.support.phrases import listed


class BundleRequest(Struct, frozen=True):
    """What is to be in a bundle: digests of images by name, and assemblies by environment that are there already."""

    images: Mapping[str, str] = field(default_factory=dict)
    assemblies: Mapping[str, Path] = field(default_factory=dict)


class Bundling(Struct, frozen=True):
    """Builds bundles of one platform. `tell`: what is under way."""

    catalog: Catalog
    targets: Targets
    stop: Stop
    tell: Callable[[str], None]

    def build(self, request: BundleRequest) -> bytes:
        """Return the bundle. Raises UsageError, Refused, Unavailable, Interrupted."""
        platform = self.catalog.platform
        root = Path(platform.root)
        self._require_declared(request)
        directories = [Path(each.directory) for each in platform.databases]
        assemblies = self._assemblies(root, request)
        programs = dict(self._programs(root))
        contents = bundle.Contents(
            platform=platform.name,
            seedbed=VERSION,
            # After the app was run, which may have looked something up and kept that beside itself.
            commit=_commit(root, [MANIFEST, *programs, *_below(root, directories)], self.tell),
            files=read_files(root, directories),
            programs=programs,
            assemblies=assemblies,
            images=request.images,
        )
        return bundle.build(contents)

    def _require_declared(self, request: BundleRequest) -> None:
        known = {each.name for each in self._declared()}
        for name in request.assemblies:
            if name not in known:
                raise UsageError(
                    f"there is no environment {name} that a release could be for",
                    because=f"seedbed.toml declares {listed(sorted(known)) or 'none'}",
                    try_="--assembly ENV=DIR, with the name of one of them",
                )

    def _declared(self) -> Iterator[Environment]:
        """Yield the environments that stay, of which releases are: by name, no family of names, and no base."""
        for each in self.catalog.platform.environments:
            if not (is_pattern(each.pattern) or each.ephemeral or each.is_base):
                yield each.named(each.pattern)

    def _released(self, request: BundleRequest) -> Sequence[Environment]:
        """Return the environments that the bundle has assemblies for: those in a region, where there is an app."""
        made = has_app(self.catalog.platform.root)
        return [
            each for each in self._declared() if each.name in request.assemblies or (made and each.region)
        ]

    def _assemblies(self, root: Path, request: BundleRequest) -> dict[str, tuple[Member, ...]]:
        """Return the files of each environment's assembly; those that are not given are synthesised side by side."""
        released = self._released(request)
        wanted = [each for each in released if each.name not in request.assemblies]
        with scratch("seedbed-build-") as room:
            made = {**request.assemblies, **self._synthesised(root / APP, wanted, room.directory)}
            for each in released:
                stacks, cloud = read(made[each.name]).stacks, self.targets.cloud(each)
                require_same_account(stacks, cloud, each.account, each.name)
            return {each.name: portable.members(made[each.name]) for each in released}

    def _synthesised(self, app: Path, wanted: Sequence[Environment], room: Path) -> dict[str, Path]:
        if not wanted:
            return {}
        require_app(app)
        cli = cdk.find(app, self.targets.environ, room / "home", self.stop, self.tell)

        def synthesised(environment: Environment) -> Path:
            cloud = self.targets.cloud(environment)
            return synthesise(cli, app, environment, cloud, room / environment.name).directory

        self.tell(f"synthesising {listed([each.name for each in wanted])}")
        with ThreadPoolExecutor(min(len(wanted), os.cpu_count() or 1)) as pool:
            return dict(zip((each.name for each in wanted), pool.map(synthesised, wanted), strict=True))

    def _programs(self, root: Path) -> Iterator[tuple[str, Member]]:
        """Yield what [release.code] names of the platform's files, for any environment. Raises UsageError."""
        rules = [each.releases for each in self.catalog.platform.environments if each.releases]
        calls = {each for rule in rules for each in (rule.code.run, rule.code.back) if each}
        found = {word: _named(root, word) for call in calls for word in call}
        for program in sorted(call[0] for call in calls):
            path = found[program]
            if path is None or not is_program(path):
                raise UsageError(
                    f"{program} is no program of the platform",
                    because="[release.code] calls it, and "
                    + ("it may not be executed" if path else "it is no file below the manifest's directory"),
                    try_="chmod +x FILE, and commit that"
                    if path
                    else "name a file that is there: ./deploy.sh",
                )
        for word, path in sorted(found.items()):
            if path is not None:
                name = os.path.normpath(word)
                data = read_all([(name, path)], "name a smaller file in [release.code]")[name]
                yield name, Member(name, data, is_program(path))


def _named(root: Path, word: str) -> Path | None:
    """Return the file below `root` that a word of a call names, None where it is another argument."""
    path = root / os.path.normpath(word)
    is_below = not Path(word).is_absolute() and path.resolve().is_relative_to(root.resolve())
    return path if is_below and ".." not in Path(os.path.normpath(word)).parts and path.is_file() else None


def _commit(root: Path, paths: Sequence[str], tell: Callable[[str], None]) -> str:
    """Return the commit of the checkout, marked where `paths` or the app are not what it has; `tell`: which of them."""
    commit, _ = checkout(root)
    if not commit:
        return ""
    files, app = different(root, paths, ignored=True), different(root, [APP], ignored=False)
    if files is None or app is None:
        return commit + bundle.DIRTY
    if not files and not app:
        return commit
    tell(f"not as the commit has it: {listed([*files, *app])}")
    return commit + bundle.DIRTY


def _below(root: Path, directories: Sequence[Path]) -> list[str]:
    home = root.resolve()
    return sorted({(home / each).resolve().relative_to(home).as_posix() for each in directories})
