"""How an account is prepared for an app."""

from __future__ import annotations

import pytest

from seedbed.deployment.assembly import Stack
from seedbed.deployment.bootstrap import arguments, refused

WHERE = "aws://111111111111/eu-central-1"


def stack(parameter: str) -> Stack:
    return Stack("Id", "name", "template.json", bootstrap=parameter)


@pytest.mark.parametrize("parameter", ["", "/cdk-bootstrap/hnb659fds/version", "/elsewhere/version"])
def test_the_usual_qualifier_is_not_said(parameter: str) -> None:
    assert arguments(WHERE, stack(parameter)) == ["bootstrap", WHERE]


def test_the_qualifier_of_an_app_is_its_account_s() -> None:
    own = stack("/cdk-bootstrap/shop/version")
    wanted = ["bootstrap", WHERE, "--qualifier", "shop", "--toolkit-stack-name", "CDKToolkit-shop"]
    assert arguments(WHERE, own) == wanted
    said = str(refused(WHERE, own, "there is no parameter", ephemeral=False).try_)
    assert said == f"cdk {' '.join(wanted)}, once, by an administrator of the account"
