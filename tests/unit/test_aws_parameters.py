"""Settings that point into a secret which somebody wrote by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seedbed.aws import clients, parameters
from seedbed.aws.cloud import Cloud
from seedbed.errors import UsageError
from seedbed.model.secret import Secret

ARN = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:user-AbCdEf"


def read(monkeypatch: pytest.MonkeyPatch, text: str | None) -> Any:
    """Return the setting `password`, where the secret that it points into is `text`."""

    def call(_: Cloud, service: str, _operation: str, **_parameters: Any) -> Any:
        if service == "ssm":
            return {"Parameters": [{"Name": "/shop/password", "Value": f"secret:{ARN}:password"}]}
        return {} if text is None else {"SecretString": text}

    monkeypatch.setattr(clients, "call", call)
    return parameters.read(Cloud("eu-central-1"), "/shop")["password"]


@pytest.mark.parametrize("value", ["hunter2", "", 1234, "\\ \" ' % @ : / ? # é"])
def test_a_text_or_a_whole_number_is_a_password(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    assert read(monkeypatch, json.dumps({"password": value, "extra": "hunter3"})) == Secret(str(value))


@pytest.mark.parametrize(
    "text",
    [
        *('{"password": null}', '{"password": {"a": "hunter2"}}', '{"password": ["hunter2"]}'),
        *(
            '{"password": true}',
            '{"password": 1.5}',
            '{"other": "hunter2"}',
            '"hunter2"',
            "hunter2",
            "",
            None,
        ),
        '{"password": ' + "[" * 100_000,
    ],
    ids=lambda text: str(text)[:20],
)
def test_anything_else_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    with pytest.raises(UsageError, match=r"no text|cannot be read|has none") as found:
        read(monkeypatch, text)
    assert ARN in found.value.because
    assert "hunter2" not in str(found.value)
