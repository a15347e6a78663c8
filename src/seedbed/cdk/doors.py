"""Who may connect: rules of security groups, which lie in the stack of whoever is let in."""

from __future__ import annotations

from aws_cdk import Annotations, Stack
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from seedbed.cdk.settings import across, named_id


def let_in(
    peer: ec2.IConnectable, *, to: Construct, group: ec2.ISecurityGroup, path: str, port: int, what: str
) -> None:
    """Let `peer` connect to `port` of whatever is behind `group`, a security group of `to`; `path`: of its settings.

    The rule lies in the stack of `peer`: in that of `to` it would make the two stacks depend on each other.
    """
    peer.connections.allow_to(_seen_from(peer, to, group, path), ec2.Port.tcp(port), what)
    for each in peer.connections.security_groups:
        # Where all may go out, no rule says so again; the CDK warns of that, and nobody is to do anything about it.
        Annotations.of(each).acknowledge_warning("@aws-cdk/aws-ec2:ipv4IgnoreEgressRule")


def _seen_from(
    peer: ec2.IConnectable, to: Construct, group: ec2.ISecurityGroup, path: str
) -> ec2.ISecurityGroup:
    own = str(group.security_group_id)
    id_ = across(to, peer, path, "security-group", own)
    if id_ == own:
        return group
    here, name = Stack.of(peer), named_id("Door", "", of=path)
    found = here.node.try_find_child(name)
    return found or ec2.SecurityGroup.from_security_group_id(here, name, id_)
