"""A proxy between a client and an AWS: everything that happens on the way to AWS, and at times does not arrive.

::

    with proxy(world.endpoint) as aws:              # a client gets `aws.endpoint`
        held = aws.hold("PutItem")                  # stops them on their way
        held.wait_until_inside()
        held.release()
        aws.throttle("BatchWriteItem", share=0.3)
        aws.drop(mutating, when="answered")         # done, and nobody was told
        assert [call.operation for call in aws.calls] == [...]

What a rule applies to is said by an operation's name, or by a function of the `Call`. Rules apply in the order in
which they were made; each is a context manager that takes itself out, and counts its `hits`.
"""

from tests.support.aws_proxy.calls import Call, mutating
from tests.support.aws_proxy.cloudformation_guard import CloudFormationGuard
from tests.support.aws_proxy.permissions import Asked
from tests.support.aws_proxy.policies import TOKEN_VARIABLE, Policies, allows
from tests.support.aws_proxy.proxy import Proxy, proxy
from tests.support.aws_proxy.rules import Held, Rule, on
from tests.support.aws_proxy.web_identity import Issuer, WebIdentity

__all__ = [
    "TOKEN_VARIABLE",
    "Asked",
    "Call",
    "CloudFormationGuard",
    "Held",
    "Issuer",
    "Policies",
    "Proxy",
    "Rule",
    "WebIdentity",
    "allows",
    "mutating",
    "on",
    "proxy",
]
