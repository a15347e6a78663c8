"""Packages of extras: what is missing is named, all of it at once, with the line that installs it."""

from __future__ import annotations

import json
import sys

import pytest

from seedbed.support import extras as ours
from seedbed.support.extras import MissingExtra, install_line, missing, require_extras


def test_what_can_be_imported_is_not_missing() -> None:
    require_extras({"some": ("json", "click"), "other": ()})


def test_only_what_cannot_be_imported_is_missing() -> None:
    assert missing(["json", "no_such_package"]) == ["no_such_package"]


@pytest.mark.parametrize(
    ("extras", "what", "line"),
    [
        (
            {"graphs": ("no_such_package",), "there": ("json",)},
            "no_such_package is not installed",
            ("graphs",),
        ),
        (
            {"graphs": ("no_such_package",), "clouds": ("no_such_one", "json")},
            "no_such_one, no_such_package are not installed",
            ("clouds", "graphs"),
        ),
    ],
)
def test_all_missing_extras_are_named_with_one_line(
    extras: dict[str, tuple[str, ...]], what: str, line: tuple[str, ...]
) -> None:
    with pytest.raises(MissingExtra) as refused:
        require_extras(extras)
    assert (refused.value.what, refused.value.try_, refused.value.exit_code) == (what, install_line(*line), 2)


WHEEL = "file:///srv/my%20wheels/seedbed-1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ({}, 'pip install "seedbed[aws,cdk]"'),
        (
            {"url": "file:///srv/my%20seedbed", "dir_info": {"editable": True}},
            'pip install -e "/srv/my seedbed[aws,cdk]"',
        ),
        ({"url": "file:///srv/seedbed", "dir_info": {}}, 'pip install "/srv/seedbed[aws,cdk]"'),
        ({"url": WHEEL, "archive_info": {}}, f'pip install "seedbed[aws,cdk] @ {WHEEL}"'),
        (
            {"url": "https://example.org/seedbed", "vcs_info": {"vcs": "git", "commit_id": "4f1d"}},
            'pip install "seedbed[aws,cdk] @ git+https://example.org/seedbed@4f1d"',
        ),
        ({"url": 7}, 'pip install "seedbed[aws,cdk]"'),
    ],
)
def test_what_is_missing_comes_from_where_seedbed_came(
    origin: object, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "_noted", {"direct_url.json": json.dumps(origin), "INSTALLER": "pip"}.get)
    assert install_line("cdk", "aws") == f"{sys.executable} -m {line}"


def test_the_line_installs_into_the_environment_that_seedbed_runs_in(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = {"INSTALLER": "uv\n"}
    monkeypatch.setattr(ours, "_noted", lambda name: noted.get(name, ""))
    assert install_line("aws") == f'uv pip install --python {sys.executable} "seedbed[aws]"'
    for home, line in (("uv/tools", "uv tool"), ("pipx/venvs", "pipx")):
        monkeypatch.setattr(sys, "prefix", f"/home/ana/.local/share/{home}/seedbed")
        assert install_line("aws") == f'{line} install --force "seedbed[aws]"'
