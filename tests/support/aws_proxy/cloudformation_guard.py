"""CloudFormation as strict and as slow as AWS's, in front of one that takes everything and is done at once.

What AWS refuses when it executes an update is never executed here: the stack then says UPDATE_ROLLBACK_COMPLETE, and
its events say why. A new index is being built for a while: DescribeTable says so, the index cannot be queried, and
the stack is not done before it is.
"""

from __future__ import annotations

import importlib
import json
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from xml.sax.saxutils import escape, unescape

from tests.support.aws_proxy.calls import Call
from tests.support.aws_proxy.faults import fault
from tests.support.aws_proxy.http import Request, Response
from tests.support.aws_proxy.rules import Passage, Rule
from tests.support.aws_proxy.table_updates import TABLE, Refusal, expiry, indexes, refusals, tables

VERSION = "2010-05-15"
XMLNS = f'xmlns="http://cloudformation.amazonaws.com/doc/{VERSION}/"'
STACK = "AWS::CloudFormation::Stack"
ONE_HOUR = 3600.0

Template = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """An update that was refused: what the stack says of itself since, and its events, newest first, as XML."""

    status: str
    reason: str
    events: str


@dataclass(slots=True)
class Building:
    """An index that is being built: until a time of the monotonic clock, and for so many questions more."""

    until: float
    polls: int


class CloudFormationGuard(Rule):
    """Add it to a proxy: `aws.add(CloudFormationGuard(building_seconds=2))`.

    `building_seconds`, `building_polls`: how long, and for how many DescribeTable or DescribeStacks, a new index of
    an existing table is CREATING. `stack_waits`: whether the stack's update goes on until then, as on AWS.
    `expiry_seconds`: how long after a change of a table's expiry the next one is refused.
    """

    def __init__(
        self,
        *,
        building_seconds: float = 0.0,
        building_polls: int = 0,
        stack_waits: bool = True,
        expiry_seconds: float = ONE_HOUR,
    ) -> None:
        super().__init__(lambda call: call.service in ("cloudformation", "dynamodb"))
        self.building_seconds = building_seconds
        self.building_polls = building_polls
        self.stack_waits = stack_waits
        self.expiry_seconds = expiry_seconds
        self.refused: list[Refusal] = []
        self._submitted: dict[tuple[str, str], Template] = {}  # by stack and change set
        self._failures: dict[str, Failure] = {}  # by stack
        self._building: dict[str, dict[str, Building]] = {}  # by table and index
        self._stacks: dict[str, str] = {}  # by table
        self._expiry_changed: dict[str, float] = {}  # by table

    def act(self, passage: Passage) -> Response:
        call = passage.call
        if call.service == "dynamodb":
            return self._table(passage) if self._building else passage.onward(call.request)
        match call.operation:
            case "CreateChangeSet":
                return self._busy(call) or self._submit(passage)
            case "ExecuteChangeSet":
                asked = call.asked
                template = self._submitted.get((_stack(asked), _change_set(asked)))
                return self._update(passage, template)
            case "UpdateStack" | "CreateStack":
                return self._busy(call) or self._update(passage, self._template(passage))
            case "DeleteStack":
                self._failures.pop(_stack(call.asked), None)
                return passage.onward(call.request)
            case "DescribeStacks":
                return self._described(passage)
            case "DescribeStackEvents":
                return self._with_events(passage)
            case _:
                return passage.onward(call.request)

    # --- updates

    def _busy(self, call: Call) -> Response | None:
        stack = _stack(call.asked)
        if not self._is_waiting(stack, asked=False):
            return None
        message = f"Stack:{stack} is in UPDATE_IN_PROGRESS state and can not be updated."
        return fault(call, "ValidationError", message)

    def _submit(self, passage: Passage) -> Response:
        asked = passage.call.asked
        answer = passage.onward(passage.call.request)
        if answer.status != 200 or asked.get("ChangeSetType") == "IMPORT":
            return answer
        if (template := self._template(passage)) is not None:
            for change_set in (asked["ChangeSetName"], _tag(answer, "Id")):
                self._submitted[_stack(asked), _short(change_set)] = template
        return answer

    def _update(self, passage: Passage, wanted: Template | None) -> Response:
        """Carry an update out, or say that it began where it is bound to fail."""
        call = passage.call
        stack = _stack(call.asked)
        if wanted is None:
            return passage.onward(call.request)
        deployed = self._deployed(passage, stack)
        found = list(refusals(deployed, wanted, lambda name: self._exists(passage, name)))
        found += self._too_early(deployed, wanted)
        if not found:
            self._failures.pop(stack, None)
            answer = passage.onward(call.request)
            if answer.status == 200:
                self._note(stack, deployed, wanted)
            return answer
        self.refused += found
        if call.operation == "CreateStack":  # there would be nothing that could say what it became
            return fault(call, "ValidationError", found[0].reason)
        stack_id = self._fail(passage, stack, found, creating=not deployed)
        told = f"<StackId>{stack_id}</StackId>" if call.operation == "UpdateStack" else ""
        name = call.operation
        body = f"<{name}Response {XMLNS}><{name}Result>{told}</{name}Result></{name}Response>"
        return Response(200, {"content-type": "text/xml"}, body.encode())

    def _note(self, stack: str, deployed: Template, wanted: Template) -> None:
        """Remember what AWS would still be busy with after an update."""
        old, until = tables(deployed), time.monotonic() + self.building_seconds
        for resource, new in tables(wanted).items():
            name = str(new.get("TableName", resource))
            if resource in old:
                added = indexes(new).keys() - indexes(old[resource]).keys()
                if added and (self.building_seconds or self.building_polls):
                    self._building[name] = {each: Building(until, self.building_polls) for each in added}
                    self._stacks[name] = stack
                if expiry(new) != expiry(old[resource]):
                    self._expiry_changed[name] = time.monotonic()

    def _too_early(self, deployed: Template, wanted: Template) -> Sequence[Refusal]:
        """Return refusals of tables whose expiry was changed not long ago and shall change again."""
        old, now = tables(deployed), time.monotonic()
        found = []
        for resource, new in tables(wanted).items():
            name = str(new.get("TableName", resource))
            changed = resource in old and expiry(new) != expiry(old[resource])
            if changed and now < self._expiry_changed.get(name, -ONE_HOUR) + self.expiry_seconds:
                reason = "Time to live has been modified multiple times within a fixed interval"
                found.append(Refusal(resource, name, f'Resource handler returned message: "{reason}"'))
        return found

    def _fail(self, passage: Passage, stack: str, found: Sequence[Refusal], *, creating: bool) -> str:
        """Let the stack have tried and rolled back, and return its id."""
        verb = "CREATE" if creating else "UPDATE"
        rolled_back = "ROLLBACK" if creating else "UPDATE_ROLLBACK"
        names = ", ".join(each.resource for each in found)
        reason = f"The following resource(s) failed to {verb.lower()}: [{names}]. "
        stack_id = _tag(self._ask(passage, "DescribeStacks", StackName=stack), "StackId")
        told = [(stack, STACK, f"{verb}_IN_PROGRESS", "User Initiated", stack_id)]
        for each in found:
            change = "CREATE" if each.creating else "UPDATE"
            told.append((each.resource, TABLE, f"{change}_IN_PROGRESS", "", each.table))
            told.append((each.resource, TABLE, f"{change}_FAILED", each.reason, each.table))
        told.append((stack, STACK, f"{rolled_back}_IN_PROGRESS", reason, stack_id))
        told.append((stack, STACK, f"{rolled_back}_COMPLETE", "", stack_id))
        events = "".join(_event(stack, stack_id, *each) for each in reversed(told))
        earlier = self._failures.get(stack)
        self._failures[stack] = Failure(
            f"{rolled_back}_COMPLETE", reason, events + (earlier.events if earlier else "")
        )
        return stack_id

    # --- what is told

    def _described(self, passage: Passage) -> Response:
        answer = passage.onward(passage.call.request)
        text = answer.body.decode()
        for stack in re.findall(r"<StackName>([^<]*)</StackName>", text):
            if failure := self._failures.get(stack):
                text = _with_status(text, stack, failure.status, failure.reason)
            elif self._is_waiting(stack, asked=True):
                text = _with_status(text, stack, "UPDATE_IN_PROGRESS", "")
        return answer.with_body(text.encode())

    def _with_events(self, passage: Passage) -> Response:
        answer = passage.onward(passage.call.request)
        failure = self._failures.get(_stack(passage.call.asked))
        if failure is None:
            return answer
        return answer.with_body(
            answer.body.replace(b"<StackEvents>", b"<StackEvents>" + failure.events.encode(), 1)
        )

    def _is_waiting(self, stack: str, *, asked: bool) -> bool:
        """Return whether a stack has an index that is not ready; `asked` counts as a question."""
        mine = [table for table, of in self._stacks.items() if of == stack]
        unready = [self._unready(table, asked=asked) for table in mine]  # each counts the question
        return self.stack_waits and any(unready)

    def _table(self, passage: Passage) -> Response:
        call = passage.call
        match call.operation:
            case "DescribeTable":
                unready = self._unready(call.asked.get("TableName", ""), asked=True)
                answer = passage.onward(call.request)
                return _with_building(answer, unready) if unready and answer.status == 200 else answer
            case "Query" | "Scan" if index := call.asked.get("IndexName", ""):
                if index in self._unready(call.asked.get("TableName", ""), asked=False):
                    message = f"Cannot read from backfilling global secondary index: {index}"
                    return fault(call, "ValidationException", message)
        return passage.onward(call.request)

    def _unready(self, table: str, *, asked: bool) -> frozenset[str]:
        """Return the indexes of a table that are being built."""
        found = self._building.get(table.rpartition("/")[2], {})
        unready = {name for name, each in found.items() if each.polls > 0 or time.monotonic() < each.until}
        for name in unready if asked else ():
            found[name].polls -= 1
        return frozenset(unready)

    # --- questions of our own

    def _deployed(self, passage: Passage, stack: str) -> Template:
        """Return the template that a stack was last updated to; empty where there is none yet."""
        described = self._ask(passage, "DescribeStacks", StackName=stack)
        if described.status != 200 or _tag(described, "StackStatus") == "REVIEW_IN_PROGRESS":
            return {}
        return _parsed(_tag(self._ask(passage, "GetTemplate", StackName=stack), "TemplateBody"))

    def _template(self, passage: Passage) -> Template | None:
        """Return the template that a call submits; None where it wants the one that is deployed."""
        asked = passage.call.asked
        if "TemplateBody" in asked:
            return _parsed(asked["TemplateBody"])
        if "TemplateURL" not in asked:
            return None
        headers = dict(passage.call.request.headers)
        headers["authorization"] = headers["authorization"].replace("/cloudformation/", "/s3/")
        del headers["content-type"]
        where = urlsplit(asked["TemplateURL"])
        bucket = re.match(r"(.+)\.s3[.-]", where.netloc)
        path = f"/{bucket[1]}{where.path}" if bucket else where.path
        return _parsed(passage.aside(Request("GET", quote(path), headers)).body.decode())

    def _exists(self, passage: Passage, table: str) -> bool:
        headers = {
            **passage.call.request.headers,
            "authorization": passage.call.request.headers["authorization"].replace(
                "/cloudformation/", "/dynamodb/"
            ),
            "x-amz-target": "DynamoDB_20120810.DescribeTable",
            "content-type": "application/x-amz-json-1.0",
        }
        body = json.dumps({"TableName": table}).encode()
        return passage.aside(Request("POST", "/", headers, body)).status == 200

    def _ask(self, passage: Passage, action: str, **parameters: str) -> Response:
        body = urlencode({"Action": action, "Version": VERSION, **parameters}).encode()
        return passage.aside(passage.call.request.with_body(body))


def _stack(asked: Mapping[str, Any]) -> str:
    """Return the name of a stack that a call names, or gives the id of: arn:…:stack/NAME/UUID."""
    name = str(asked.get("StackName", ""))
    return name.split("/")[1] if name.startswith("arn:") else name


def _change_set(asked: Mapping[str, Any]) -> str:
    return _short(str(asked.get("ChangeSetName", "")))


def _short(change_set: str) -> str:
    return change_set.split("/")[1] if change_set.startswith("arn:") else change_set


def _parsed(text: str) -> Template:
    """Return a template; the CDK writes YAML where it submits one without S3."""
    found = importlib.import_module("yaml").safe_load(text)
    return found if isinstance(found, dict) else {}


def _tag(answer: Response, name: str) -> str:
    """Return the text of the first element `name`, "" if there is none."""
    found = re.search(rf"<{name}>(.*?)</{name}>", answer.body.decode(), re.DOTALL)
    return unescape(found[1], {"&quot;": '"', "&apos;": "'", "&#x27;": "'"}) if found else ""


def _with_status(text: str, stack: str, status: str, reason: str) -> str:
    """Return the answer of DescribeStacks with another status of one stack."""
    head, name, tail = text.partition(f"<StackName>{stack}</StackName>")
    tail = re.sub(r"<StackStatus>[^<]*", f"<StackStatus>{status}", tail, count=1)
    tail = re.sub(
        r"<StackStatusReason>[^<]*", lambda _: f"<StackStatusReason>{escape(reason)}", tail, count=1
    )
    return head + name + tail


def _with_building(answer: Response, unready: frozenset[str]) -> Response:
    told = json.loads(answer.body)
    for index in told["Table"].get("GlobalSecondaryIndexes", ()):
        if index["IndexName"] in unready:
            index.update(IndexStatus="CREATING", Backfilling=True)
    return answer.with_body(json.dumps(told).encode())


def _event(
    stack: str, stack_id: str, resource: str, kind: str, status: str, reason: str, physical_id: str
) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {
        "StackId": stack_id,
        "StackName": stack,
        "EventId": str(uuid.uuid4()),
        "LogicalResourceId": resource,
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": now,
    }
    return (
        f"<member>{''.join(f'<{name}>{escape(value)}</{name}>' for name, value in fields.items())}</member>"
    )
