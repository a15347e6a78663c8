"""The manifest's own sections as types: what msgspec checks, and what the published schema says.

The text of every `Meta` is read by people: in the schema, by their editors.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

_END = r"$(?!\n)"  # Python's $ alone would let a line end pass; JavaScript, which reads the schema, has no \Z
NAME = r"^[a-z](-?[a-z0-9])*" + _END
ENVIRONMENT = r"^[a-z0-9*?\[\]!-]+" + _END
ACCOUNT = r"^[0-9]{12}" + _END
REGION = r"^[a-z]{2,6}(-[a-z]+)+-[0-9]{1,2}" + _END
DATABASE = r"^[a-z0-9-]+/[A-Za-z0-9_-]+" + _END
_PART = r"[^\s./:](?:[^./:\t\r\n]*[^\s./:])?"  # blanks within a name are part of it
COLUMN = rf"^[a-z0-9-]+/[A-Za-z0-9_-]+:{_PART}(?:\.{_PART})+" + _END

DURATION = r"^[0-9]{1,6}(s|min|h)" + _END
LIFETIME = r"^[0-9]{1,6}(min|h|d)" + _END
IMAGE = r"^[^@\s]*(@sha256:[0-9a-f]{64})?" + _END
TOPIC = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}" + _END
OWN = r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)?" + _END
SHARE = r"^[0-9]{1,2}(\.[0-9]{1,6})?%" + _END
TITLE = r"^\S(.*\S)?" + _END
AGE = r"^[0-9]{1,6}(s|min|h|d)" + _END
URL = r"^https?://\S+" + _END
_FREEZE_WEEKLY = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [0-9]{2}:[0-9]{2}"
_FREEZE_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
FREEZE = rf"^({_FREEZE_WEEKLY}/{_FREEZE_WEEKLY}|{_FREEZE_DATE}/{_FREEZE_DATE}) [A-Za-z0-9/_+-]+" + _END

IN_WORDS = {
    NAME: "lower-case letters, digits and single hyphens, a letter first",
    ENVIRONMENT: "lower-case letters, digits and hyphens, or a pattern of them with * and ?",
    ACCOUNT: "the 12 digits of an AWS account",
    REGION: "an AWS region such as eu-central-1",
    DATABASE: "service/engine",
    COLUMN: "service/engine:table.column",
    DURATION: "a number and s, min or h, as in 2min",
    LIFETIME: "a number and min, h or d, as in 3d",
    IMAGE: "an image by its tag, or by its digest: NAME@sha256: and 64 hexadecimal digits",
    TOPIC: "the ARN of a topic of SNS, no FIFO one",
    OWN: "an engine, or service/engine",
    SHARE: "a share, as in 0.1%, or a number",
    TITLE: "one line that says what holds",
    AGE: "a number and s, min, h or d, as in 24h",
    URL: "an address that begins with https:// or http://",
    FREEZE: 'two times or two days, and a time zone, as in "Fri 15:00/Mon 08:00 Europe/Berlin"',
}

Name = Annotated[str, Meta(pattern=NAME, max_length=32)]
DatabaseName = Annotated[str, Meta(pattern=DATABASE, examples=["user/ENGINE"])]
Column = Annotated[str, Meta(pattern=COLUMN, examples=["payment/ENGINE:payments.user_id"])]
ConnectionSettings = Annotated[
    dict[str, str],
    Meta(
        description="What is known about this database there, in the engine's own words; never a credential."
    ),
]


class PlatformSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The platform itself."""

    name: Annotated[
        Name,
        Meta(description="Its name. Every target is bound to it: renaming a platform orphans them."),
    ]


class ReferenceSection(Struct, frozen=True, forbid_unknown_fields=True):
    """An id that crosses a service border; no database can check it."""

    from_: Annotated[Column, Meta(description="The column that holds the id.")] = field(name="from")
    to: Annotated[Column, Meta(description="The column that the id must be found in.")]
    optional: Annotated[bool, Meta(description="A row may have no id.")] = False
    grace: Annotated[
        str,
        Meta(
            pattern=DURATION,
            description="How long an id may be on its way: one that is not found is looked up again after that.",
            examples=["30s", "2min"],
        ),
    ] = "60s"
    tolerated: Annotated[
        Annotated[str, Meta(pattern=SHARE)] | Annotated[float, Meta(ge=0, lt=1)],
        Meta(
            description="The share of rows that may lead nowhere: 0.001, or 0.1%, is one in a thousand.",
            examples=["0.1%", 0.001],
        ),
    ] = 0.0
    time: Annotated[
        str,
        Meta(
            description="The column beside `from` that says when a row was written: findings tell their age."
        ),
    ] = ""
    when: Annotated[
        dict[str, str | Annotated[list[str], Meta(min_length=1)]],
        Meta(
            description="Columns beside `from` with the value, or the values, that they have in the rows that are"
            " meant. Where one column refers to several tables, each has a reference of its own.",
            examples=[{"kind": "course"}],
        ),
    ] = {}


class TaskSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The task that runs seedbed inside the network."""

    image: Annotated[
        str,
        Meta(
            pattern=IMAGE,
            description="Its container image: has seedbed and the platform's files. Without one there is no task.",
        ),
    ] = ""
    architecture: Annotated[
        Literal["x86_64", "arm64"], Meta(description="What processor the environment's images are for.")
    ] = "x86_64"
    files: Annotated[
        Literal["upload", "image"] | UnsetType,
        Meta(
            description="Where the task has the platform's files from: the caller uploads them, or they are in the"
            " image. Default: upload where the environment is ephemeral, elsewhere image, and there nothing else."
        ),
    ] = UNSET


class GraphSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Graph servers that run in the environment."""

    image: Annotated[
        str,
        Meta(
            pattern=IMAGE,
            description="Their container image. Without one a secret says where each server is, elsewhere.",
        ),
    ] = ""
    on_nfs: Annotated[
        bool,
        Meta(description="Accept files on NFS, which a lost lock may corrupt, in a protected environment."),
    ] = False


class NetworkSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The network of the environment."""

    cidr: Annotated[
        str,
        Meta(
            description="Its addresses, /16 to /22, private ones. Networks that are to be connected must not overlap."
            " Default: 10.0.0.0/16.",
            examples=["10.20.0.0/16"],
        ),
    ] = ""
    zones: Annotated[
        list[str],
        Meta(
            description="Its two or three availability zones, by ids or by names. Default: the first ones of the"
            " region.",
            examples=[["euc1-az1", "euc1-az2"]],
        ),
    ] = []


class AppSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What the CDK app is told there."""

    context: Annotated[
        dict[str, str], Meta(description="Keys and values of its own: `cdk deploy -c KEY=VALUE`.")
    ] = {}


class QuerySection(Struct, frozen=True, forbid_unknown_fields=True):
    """A query that has one number."""

    query: Annotated[
        str, Meta(min_length=1, description="In the language of the database's engine; it only reads.")
    ]
    database: Annotated[
        DatabaseName | UnsetType,
        Meta(description="The database that is asked. Default, beside a database: that one."),
    ] = UNSET


class ExpectationSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What has to hold in one database, or between several."""

    name: Annotated[
        str,
        Meta(
            pattern=TITLE,
            max_length=100,
            description="What holds, as a line of text; no other expectation has the same.",
            examples=["the ledger sums to zero"],
        ),
    ]
    query: Annotated[
        Annotated[str, Meta(min_length=1)] | UnsetType,
        Meta(
            description="In the language of the database's engine; it only reads, and has a row for each finding:"
            " none where all is well.",
        ),
    ] = UNSET
    database: Annotated[
        DatabaseName | UnsetType,
        Meta(description="The database that `query` asks. Default, beside a database: that one."),
    ] = UNSET
    equal: Annotated[
        list[QuerySection] | UnsetType,
        Meta(description="In place of `query`: queries that have one number each, all of them the same."),
    ] = UNSET
    tolerance: Annotated[
        Annotated[str, Meta(pattern=SHARE)] | Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0)],
        Meta(
            description="How far the numbers of `equal` may lie apart: a share of the largest, or a number.",
            examples=["0.1%", 5],
        ),
    ] = 0


class ExpectationsFile(Struct, frozen=True, forbid_unknown_fields=True):
    """expectations.toml: what has to hold in the database that it lies beside."""

    expectations: Annotated[
        list[ExpectationSection], Meta(description="In the order in which they are told.")
    ] = []


Age = Annotated[str, Meta(pattern=AGE, examples=["24h", "3d"])]
Approvals = Annotated[int, Meta(ge=0, le=9)]


class ApprovalsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How many people approve a step before it is taken."""

    expand: Annotated[
        Approvals | UnsetType, Meta(description="Default: 1 where it is protected, else 0.")
    ] = UNSET
    code: Annotated[Approvals | UnsetType, Meta(description="Default: 0.")] = UNSET
    migrate: Annotated[Approvals | UnsetType, Meta(description="Default: 0.")] = UNSET
    contract: Annotated[
        Approvals | UnsetType, Meta(description="Default: 1 where it is protected, else 0.")
    ] = UNSET


class CodeSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How the new code comes to where it runs."""

    run: Annotated[
        Annotated[list[str], Meta(min_length=1)] | UnsetType,
        Meta(
            description="A file of the platform, and its arguments, that brings the new code to where it runs.",
            examples=[["./deploy.sh"]],
        ),
    ] = UNSET
    back: Annotated[
        Annotated[list[str], Meta(min_length=1)] | UnsetType,
        Meta(description="Beside `run`: what brings the code before that back."),
    ] = UNSET
    wait: Annotated[
        Literal["ecs", "http", "manual"] | UnsetType,
        Meta(
            description="In place of `run`: what says that the new code is everywhere. The images of the services'"
            " tasks, a URL, or a person."
        ),
    ] = UNSET
    url: Annotated[
        Annotated[str, Meta(pattern=URL)] | UnsetType,
        Meta(description="For `http`: what answers with the commit that runs."),
    ] = UNSET
    timeout: Annotated[Age, Meta(description="How long that may take.")] = "30min"


class CheckSection(ExpectationSection, frozen=True, forbid_unknown_fields=True):
    """What has to hold after a step of a release: an expectation, or a URL that answers."""

    url: Annotated[
        Annotated[str, Meta(pattern=URL)] | UnsetType,
        Meta(description="In place of `query`: what answers with success where all is well."),
    ] = UNSET
    after: Annotated[Literal["code", "migrate"], Meta(description="The step that it is checked after.")] = (
        "migrate"
    )


class ReleaseSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What releases of an environment keep to."""

    soak: Annotated[
        Age | UnsetType,
        Meta(
            description="How long the new code runs everywhere before the contract. Default: 24h where it is"
            " protected, else none."
        ),
    ] = UNSET
    approvals: Annotated[
        ApprovalsSection, Meta(description="How many people approve a step before it is taken.")
    ] = ApprovalsSection()
    approval_max_age: Annotated[
        Age | UnsetType, Meta(description="How long an approval holds. Default: 72h.")
    ] = UNSET
    freeze: Annotated[
        list[Annotated[str, Meta(pattern=FREEZE)]] | UnsetType,
        Meta(
            description="When nothing is changed: a part of every week, or days, the last one included.",
            examples=[["Fri 15:00/Mon 08:00 Europe/Berlin", "2026-12-20/2027-01-06 Europe/Berlin"]],
        ),
    ] = UNSET
    snapshot_max_age: Annotated[
        Age | UnsetType, Meta(description="How old a snapshot may be when the contract begins. Default: 24h.")
    ] = UNSET
    drill_max_age: Annotated[
        Age | UnsetType,
        Meta(
            description="How old the last drill of a database may be when its contract begins. Default: no drill is"
            " asked for."
        ),
    ] = UNSET
    snapshot_keep: Annotated[
        Age | UnsetType,
        Meta(
            description="How long a snapshot is kept until `snapshot delete --expired` deletes it. Default: for ever."
        ),
    ] = UNSET
    code: Annotated[CodeSection | UnsetType, Meta(description="How the new code comes to where it runs.")] = (
        UNSET
    )


class PlatformReleaseSection(ReleaseSection, frozen=True, forbid_unknown_fields=True):
    """What releases keep to, wherever an environment does not say otherwise."""

    checks: Annotated[list[CheckSection], Meta(description="What has to hold after its steps.")] = []
    store: Annotated[
        str, Meta(description="The directory that keeps releases where there is no control stack.")
    ] = ""


class EnvironmentSection(Struct, frozen=True, forbid_unknown_fields=True):
    """An environment, or with * and ? a family of them."""

    account: Annotated[
        str, Meta(pattern=ACCOUNT, description="The AWS account, checked before anything is deployed.")
    ] = ""
    region: Annotated[str, Meta(pattern=REGION, description="The AWS region.")] = ""
    ephemeral: Annotated[
        bool, Meta(description="All data there may be deleted. Only for names that start with `dev`.")
    ] = False
    protected: Annotated[
        bool, Meta(description="Gates, point-in-time recovery and deletion protection are on.")
    ] = False
    verify_max_age: Annotated[
        str,
        Meta(
            pattern=DURATION,
            description="How old the `verify` may be that contracts of a protected environment wait for.",
            examples=["24h"],
        ),
    ] = "24h"
    base: Annotated[
        bool | Annotated[str, Meta(pattern=NAME, max_length=32)],
        Meta(
            description="`true`: other environments lie in this one, on its servers and in its network. A name: that"
            " of the environment that this lies in.",
            examples=[True, "shared-dev"],
        ),
    ] = False
    own: Annotated[
        list[Annotated[str, Meta(pattern=OWN)]],
        Meta(
            description="What does not lie in the base but has servers of its own: engines, or single databases.",
            examples=[["ENGINE", "payment/ENGINE"]],
        ),
    ] = []
    ttl: Annotated[
        Annotated[str, Meta(pattern=LIFETIME)] | UnsetType,
        Meta(
            description="How long an ephemeral environment stays after its last use or extension, until `env gc` may"
            " delete it. Default: for ever.",
            examples=["8h", "3d"],
        ),
    ] = UNSET
    notify: Annotated[
        Annotated[str, Meta(pattern=TOPIC)] | UnsetType,
        Meta(
            description="The ARN of a topic of SNS that a base tells what `env gc` marked and deleted in it.",
            examples=["arn:aws:sns:eu-central-1:111111111111:dev-environments"],
        ),
    ] = UNSET
    access: Annotated[
        Literal["direct", "task", "tunnel"],
        Meta(
            description="How its databases are reached: from here (direct), by running seedbed inside the VPC"
            " (task), or through a port that was forwarded (tunnel)."
        ),
    ] = "direct"
    task: Annotated[TaskSection, Meta(description="The task that runs seedbed inside the network.")] = (
        TaskSection()
    )
    graph: Annotated[GraphSection, Meta(description="Graph servers that run in the environment.")] = (
        GraphSection()
    )
    network: Annotated[NetworkSection, Meta(description="The network of the environment.")] = NetworkSection()
    cdk: Annotated[AppSection, Meta(description="What the CDK app is told there.")] = AppSection()
    release: Annotated[
        ReleaseSection | UnsetType,
        Meta(description="What its releases keep to, where that is not what [release] says."),
    ] = UNSET
    targets: Annotated[
        dict[DatabaseName, ConnectionSettings],
        Meta(description="Connection settings of single databases in this environment, by database id."),
    ] = {}
