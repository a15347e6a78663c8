"""A Neo4j that somebody else runs, Aura for one: a secret says where it is and how to get in."""

from __future__ import annotations

from aws_cdk import CfnOutput, SecretValue
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from seedbed.cdk.environment import removal
from seedbed.cdk.graph import ENGINE
from seedbed.cdk.settings import pointer, write_settings
from seedbed.model.environment import Environment
from seedbed.model.names import parameter_path
from seedbed.model.platform import Database

# The members of the secret, by the setting that each is.
MEMBERS = {"uri": "uri", "user": "username", "password": "password", "database": "database"}


class ExternalGraph(Construct):  # type: ignore[misc]  # the CDK's types are not read, see pyproject.toml
    """A secret with the members `uri`, `username`, `password` and `database`, and the settings that point to it.

    It is made with empty members, for a person to fill in; what they wrote is never written over. Kept when the stack
    goes, unless the environment is ephemeral.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  what every construct calls it
        *,
        platform: str,
        environment: Environment,
        database: Database,
        secret: secretsmanager.ISecret | None = None,
    ) -> None:
        """`secret`: one that there is already, with these members."""
        super().__init__(scope, id)
        self.service = database.service
        self.environment = environment
        self.path = parameter_path(platform, environment.name, self.service, ENGINE)
        self.secret = secret or self._empty()
        arn = str(self.secret.secret_arn)
        write_settings(
            self,
            {setting: pointer(arn, member) for setting, member in MEMBERS.items()},
            platform=platform,
            environment=environment.name,
            service=self.service,
            engine=ENGINE,
        )
        CfnOutput(self, "SecretArn", value=arn, description=f"{', '.join(MEMBERS.values())} of the server")

    def _empty(self) -> secretsmanager.Secret:
        nothing = SecretValue.unsafe_plain_text("")
        made = secretsmanager.Secret(
            self,
            "Secret",
            description=f"where the Neo4j of {self.service} in {self.environment.name} is",
            secret_object_value=dict.fromkeys(MEMBERS.values(), nothing),
        )
        made.apply_removal_policy(removal(self.environment))
        return made
