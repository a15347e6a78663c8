"""A platform that pipelines release: edtech's service `user`, in a repository, with the accounts of its environments.

The accounts are an emulator's, behind a proxy where each role is given for what it trusts, and may what its policies say.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from msgspec.structs import replace

from seedbed.aws import rights
from seedbed.aws.items import Table
from seedbed.aws.objects import Bucket
from seedbed.engines.dynamodb.sandbox.world import World
from seedbed.engines.postgres.sandbox import EmbeddedServer
from seedbed.model.release import Release
from seedbed.releases.table_store import TableStore
from tests.support import aws_clients
from tests.support.afar import put_facts
from tests.support.aws_proxy import Issuer, Policies, Proxy, WebIdentity
from tests.support.projects import clean_environment, run, variables
from tests.support.remote import make_records
from tests.support.servers import new_account

EDTECH = Path(__file__).parents[2] / "edtech"
MIGRATIONS = Path("services", "user", "postgres", "migrations")
MANIFEST = """\
[platform]
name = "edtech"
[services.user.postgres]
[release.code]
run = ["./deploy.sh"]
[environments."dev-*"]
account = "111111111111"
region = "eu-central-1"
ephemeral = true
[environments.staging]
account = "{staging}"
region = "eu-central-1"
[environments.prod]
account = "{prod}"
region = "eu-central-1"
protected = true
"""
DEPLOY = '#!/bin/sh\necho "deploying $SEEDBED_RELEASE to $SEEDBED_ENVIRONMENT"\n'
GIT = ("git", "-c", "user.name=ana", "-c", "user.email=ana@example.com")


class Refused(Exception):
    """STS gave no role."""


class Estate:
    """The repository in `root`, and an account with a database for each of its environments."""

    def __init__(
        self,
        root: Path,
        aws: Proxy,
        server: World,
        databases: Mapping[str, dict[str, str]],
        issuers: Sequence[Issuer],
    ) -> None:
        self.repository = root / "repository"
        self.aws = aws
        self.databases = databases
        self.worlds = {each: replace(server, account=new_account()) for each in ("staging", "prod")}
        self.sts = aws.add(WebIdentity(issuers))
        self.judges = {
            each: aws.add(Policies(account=world.account, region=world.region))
            for each, world in self.worlds.items()
        }

    def role(self, environment: str, provider: str, kind: str) -> str:
        return f"arn:aws:iam::{self.worlds[environment].account}:role/edtech-{environment}-{provider}-{kind}"

    def trust(
        self, environment: str, provider: str, kind: str, conditions: Mapping[str, Any], **more: Any
    ) -> None:
        """Have a role for a kind of caller trust what fits `conditions`."""
        taken = partial(_enrol, self.judges[environment], kind, self._names(environment))
        self.sts.trust(self.role(environment, provider, kind), conditions, taken, **more)

    def assume(
        self, role: str, token: str, seconds: str = "3600", session: str = "GitHubActions"
    ) -> dict[str, str]:
        """Return the credentials of a role, as variables. Raises Refused."""
        sts = aws_clients.client("sts", "eu-central-1", self.aws.endpoint, "anybody")
        try:
            found = sts.assume_role_with_web_identity(
                RoleArn=role, RoleSessionName=session, WebIdentityToken=token, DurationSeconds=int(seconds)
            )["Credentials"]
        except sts.exceptions.ClientError as error:
            raise Refused from error
        return _as_variables(found)

    def of_a_service(self, environment: str, kind: str) -> dict[str, str]:
        """Return the credentials of a role for a kind of caller that a service of AWS gives its jobs, as variables."""
        world = self.worlds[environment]
        sts = aws_clients.client("sts", world.region, world.endpoint, world.account)
        found = sts.assume_role(
            RoleArn=self.role(environment, "codebuild", kind), RoleSessionName=f"AWSCodeBuild-{uuid.uuid4()}"
        )
        token, user_id = found["Credentials"]["SessionToken"], found["AssumedRoleUser"]["AssumedRoleId"]
        _enrol(self.judges[environment], kind, self._names(environment), token, user_id)
        return _as_variables(found["Credentials"])

    def environ(self, home: Path) -> dict[str, str]:
        """Return the environment of a job that has no role yet."""
        return clean_environment(
            {
                "AWS_ENDPOINT_URL": self.aws.endpoint,
                "AWS_EC2_METADATA_DISABLED": "true",
                "HOME": str(home),
            }
        )

    def reached_by(self, role: str) -> dict[str, str]:
        """Return where a job with that role finds the databases of its environment."""
        return next(self.databases[each] for each, world in self.worlds.items() if world.account in role)

    def furnish(self) -> None:
        """Write the platform, and make what the stacks of its environments would have made."""
        home = self.repository / MIGRATIONS
        home.mkdir(parents=True)
        accounts = {each: world.account for each, world in self.worlds.items()}
        (self.repository / "seedbed.toml").write_text(MANIFEST.format(**accounts))
        for file in (EDTECH / MIGRATIONS).glob("20260[12]*"):
            shutil.copy(file, home)
        deploy = self.repository / "deploy.sh"
        deploy.write_text(DEPLOY)
        deploy.chmod(0o755)
        self.git("init", "-q", "-b", "main")
        for each, world in self.worlds.items():
            bucket = self._bucket(each)
            make_records(world.cloud, f"edtech-{each}", bucket)
            put_facts(world.cloud, "edtech", each, {"control": {"table": f"edtech-{each}", "bucket": bucket}})

    def begin(self) -> None:
        """Bring staging and production to what `main` has, with people whose names are whole."""
        for each, database in self.databases.items():
            own = {"AWS_ACCESS_KEY_ID": self.worlds[each].account, "AWS_SECRET_ACCESS_KEY": "x"}
            known = {"AWS_ENDPOINT_URL": self.worlds[each].endpoint, "AWS_REGION": "eu-central-1", **own}
            done = run(self.repository, "apply", "-e", each, "--unreviewed", env={**database, **known})
            assert done.code == 0, done.everything
            with psycopg.connect(
                host=database["USER_DB_HOST"],
                port=database["USER_DB_PORT"],
                user=database["USER_DB_USER"],
                dbname=database["USER_DB_NAME"],
            ) as connection:
                connection.execute(
                    "INSERT INTO users (email, name) VALUES ('ana@example.com', 'Ana de la Cruz'), "
                    "('ben@example.com', 'Ben Okafor'), ('cher@example.com', 'Cher')"
                )

    def change(self) -> None:
        """Bring the change that is released: the parts of a name, in four migrations."""
        for each in (EDTECH / MIGRATIONS).glob("20260[3]*_name_*"):
            shutil.copy(each, self.repository / MIGRATIONS)

    def commit(self, title: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", title)

    def git(self, *words: str) -> None:
        subprocess.run([*GIT, *words], cwd=self.repository, check=True)

    def release(self, environment: str) -> Release:
        """Return the newest release of an environment."""
        store = self._store(environment)
        found = store.load(max(store.numbers()))
        assert found is not None
        return found

    def steps(self, environment: str) -> dict[str, str]:
        return {each.name.value: each.state for each in self.release(environment).steps}

    def has_soaked(self, environment: str, seconds: float = 25 * 3600.0) -> None:
        """Have the new code be everywhere for so long already."""
        release = self.release(environment)
        steps = [
            replace(
                step,
                evidence=tuple(
                    replace(each, since=each.holds_from - seconds) if each.kind == "code" else each
                    for each in step.evidence
                ),
            )
            for step in release.steps
        ]
        aged = replace(release, revision=release.revision + 1, steps=tuple(steps))
        assert self._store(environment).replace(aged)

    def _store(self, environment: str) -> TableStore:
        cloud = self.worlds[environment].cloud
        table, bucket = Table(cloud, f"edtech-{environment}"), Bucket(cloud, self._bucket(environment))
        return TableStore(table, bucket, environment)

    def _names(self, environment: str) -> rights.Names:
        world, bucket = self.worlds[environment], self._bucket(environment)
        place = ("aws", world.account, world.region)
        return rights.Names("edtech", environment, *place, f"edtech-{environment}", bucket)

    def _bucket(self, environment: str) -> str:
        return f"edtech-{environment}-{self.worlds[environment].account}"


def databases(server: EmbeddedServer, new: Any) -> dict[str, dict[str, str]]:
    """Return the variables of a new database for each environment."""
    return {each: variables(server, new(), "USER_") for each in ("staging", "prod")}


def _as_variables(credentials: Mapping[str, str]) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


def _enrol(judge: Policies, kind: str, names: rights.Names, token: str, user_id: str) -> None:
    judge.caller(kind, names, token, user_id=user_id)
