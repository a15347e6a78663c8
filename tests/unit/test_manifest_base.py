"""What a manifest says of environments that lie in another one, and of when they go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seedbed.engines import registry
from seedbed.errors import ManifestError
from seedbed.manifest.environments import environment
from seedbed.manifest.load import load
from seedbed.model.platform import Platform

MANIFEST = """\
[platform]
name = "edtech"

[services.user.postgres]
[services.payment.postgres]
[services.ai.opensearch]

[environments.shared-dev]
account = "111111111111"
region  = "eu-central-1"
base    = true

[environments."dev-*"]
account   = "111111111111"
region    = "eu-central-1"
ephemeral = true
base      = "shared-dev"
own       = ["opensearch", "payment/postgres"]
ttl       = "3d"

[environments.prod]
account = "333333333333"
"""
BASE, DEV, PROD = "[environments.shared-dev]\n", '[environments."dev-*"]\n', "[environments.prod]\n"
Loaded = Callable[..., Platform]


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """Return a function that loads MANIFEST with `old` replaced by `new`."""

    def load_it(old: str = "", new: str = "") -> Platform:
        assert old in MANIFEST
        path = tmp_path / "seedbed.toml"
        path.write_text(MANIFEST.replace(old, new, 1) if old else MANIFEST)
        return load(path, lambda engine: registry.load(engine).options, registry.names())

    return load_it


TOPIC = "arn:aws:sns:eu-central-1:111111111111:dev-environments"


def test_a_base_names_whom_it_tells(loaded: Loaded) -> None:
    platform = loaded(BASE, f'{BASE}notify = "{TOPIC}"\n')
    assert environment(platform, "shared-dev").notify == TOPIC
    assert environment(platform, "dev-ana").notify == ""
    for section, text, what in (
        (DEV, TOPIC, "is no base, and cannot have notify"),
        (BASE, f"{TOPIC}.fifo", "no FIFO one"),
        (BASE, "https://example.com", "the ARN of a topic of SNS"),
    ):
        with pytest.raises(ManifestError, match=what) as error:
            loaded(section, f'{section}notify = "{text}"\n')
        assert error.value.at is not None
        assert (
            "notify" in MANIFEST.replace(section, f"{section}notify\n").splitlines()[error.value.at.line - 1]
        )


def test_an_environment_lies_in_the_base_that_it_names(loaded: Loaded) -> None:
    platform = loaded()
    base, ana = environment(platform, "shared-dev"), environment(platform, "dev-ana")
    assert (base.is_base, base.base, base.ttl) == (True, "", 0)
    assert (ana.is_base, ana.base, ana.ttl) == (False, "shared-dev", 3 * 86_400)


def test_what_has_servers_of_its_own_does_not_lie_there(loaded: Loaded) -> None:
    ana = environment(loaded(), "dev-ana")
    found = [("user", "postgres"), ("payment", "postgres"), ("ai", "opensearch")]
    assert [ana.lies_in_base(*each) for each in found] == [True, False, False]
    assert not environment(loaded(), "prod").lies_in_base("user", "postgres")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("shared-dev", "dev-shared", "dev-shared is not declared ephemeral"),
        ("[environments.shared-dev]", '[environments."shared-*"]', r"shared-\* cannot be a base"),
        (BASE, BASE + "protected = true\n", "shared-dev is a base, and cannot be protected"),
        (BASE, BASE + 'ttl = "3d"\n', "shared-dev cannot have a ttl"),
        (BASE, BASE + 'own = ["opensearch"]\n', "shared-dev lies in no base"),
        ('region  = "eu-central-1"\n', "", "shared-dev is a base without account or region"),
        ('base      = "shared-dev"', 'base = "shared-dve"', "did you mean shared-dev"),
        ('base      = "shared-dev"', 'base = "prod"', "prod is no base"),
        ("base    = true\n", "", "no environment says base = true"),
        ('base      = "shared-dev"', "base = true", r"dev-\* cannot be a base"),
        ('"opensearch"', '"opensaerch"', "did you mean opensearch"),
        ('"payment/postgres"', '"payment/neo4j"', "payment/neo4j is no database"),
        ('region    = "eu-central-1"', 'region = "eu-west-1"', r"dev-\* cannot lie in shared-dev"),
        (PROD, PROD + 'base = "shared-dev"\n', "prod cannot lie in a base"),
        (PROD, PROD + 'ttl = "8h"\n', "prod cannot have a ttl"),
        ('"3d"', '"3 days"', "a number and min, h or d, as in 3d"),
        ('"3d"', '"0h"', "ends as soon as it begins"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(loaded: Loaded, old: str, new: str, says: str) -> None:
    with pytest.raises(ManifestError, match=says) as refused:
        loaded(old, new)
    assert refused.value.at
    assert refused.value.at.line > 0


@pytest.mark.parametrize("section", ["task", "graph"])
def test_an_image_is_named_by_a_tag_or_by_its_whole_digest(loaded: Loaded, section: str) -> None:
    image = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/edtech"
    header = f"[environments.prod.{section}]\n"
    for good in (f"{image}:1.4.0", image, f"{image}@sha256:{'a1' * 32}"):
        loaded(PROD, f'{header}image = "{good}"\n{PROD}')
    for bad in (
        f"{image}@sha256:…",
        f"{image}@sha256:{'a' * 63}",
        f"{image}@sha256:{'A' * 64}",
        f"{image} x",
    ):
        with pytest.raises(ManifestError, match="64 hexadecimal digits") as error:
            loaded(PROD, f'{header}image = "{bad}"\n{PROD}')
        assert error.value.at is not None
        line = MANIFEST.replace(PROD, f"{header}image\n{PROD}").splitlines()[error.value.at.line - 1]
        assert line == "image"
