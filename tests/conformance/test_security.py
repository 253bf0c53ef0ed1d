"""SASL, ACLs and delegation tokens where there is none of them: refused, on both kinds of listeners."""

from __future__ import annotations

from typing import Any

from tests.conformance.brokers import Pair
from tests.conformance.cases import ALL, ENDS, Case, Cases
from tests.conformance.client import Client

cases = Cases()

ANY, LITERAL, TOPIC, READ, ALLOW = 1, 3, 2, 3, 3


def both(b: Client, api: str, v: int, **values: Any) -> None:
    b.ask(api, v, **values)
    b.at_controller().ask(api, v, **values)


@cases("SaslHandshake", ALL)
def handshake(b: Client, v: int) -> None:
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "", "unknown"):
        both(b, "SaslHandshake", v, mechanism=mechanism)


@cases("SaslAuthenticate", ALL)
def authenticate(b: Client, v: int) -> None:
    for data in (b"\0user\0secret", b""):
        both(b, "SaslAuthenticate", v, auth_bytes=data)


def a_filter(**other: Any) -> dict[str, Any]:
    return {
        "resource_type_filter": ANY,
        "resource_name_filter": None,
        "pattern_type_filter": ANY,
        "principal_filter": None,
        "host_filter": None,
        "operation": ANY,
        "permission_type": ANY,
        **other,
    }


def an_acl(**other: Any) -> dict[str, Any]:
    return {
        "resource_type": TOPIC,
        "resource_name": "t",
        "resource_pattern_type": LITERAL,
        "principal": "User:alice",
        "host": "*",
        "operation": READ,
        "permission_type": ALLOW,
        **other,
    }


@cases("DescribeAcls", ALL)
def describe_acls(b: Client, v: int) -> None:
    both(b, "DescribeAcls", v, **a_filter())
    both(b, "DescribeAcls", v, **a_filter(resource_name_filter="t", principal_filter="User:alice", operation=READ))


@cases("DescribeAcls", ENDS)
def describe_unknown_kinds(b: Client, v: int) -> None:
    for field in ("resource_type_filter", "pattern_type_filter", "operation", "permission_type"):
        for kind in (0, 99, -1):
            both(b, "DescribeAcls", v, **a_filter(**{field: kind}))


@cases("CreateAcls", ALL)
def create_acls(b: Client, v: int) -> None:
    both(b, "CreateAcls", v, creations=[])
    both(b, "CreateAcls", v, creations=[an_acl(), an_acl(resource_name="")])


@cases("CreateAcls", ENDS)
def create_unknown_kinds(b: Client, v: int) -> None:
    for field in ("resource_type", "resource_pattern_type", "operation", "permission_type"):
        for kind in (0, 99):
            both(b, "CreateAcls", v, creations=[an_acl(), an_acl(**{field: kind})])


@cases("DeleteAcls", ALL)
def delete_acls(b: Client, v: int) -> None:
    both(b, "DeleteAcls", v, filters=[])
    both(b, "DeleteAcls", v, filters=[a_filter(), a_filter(resource_name_filter="t")])


@cases("DeleteAcls", ENDS)
def delete_unknown_kinds(b: Client, v: int) -> None:
    for field in ("resource_type_filter", "pattern_type_filter", "operation", "permission_type"):
        for kind in (0, 99):
            both(b, "DeleteAcls", v, filters=[a_filter(**{field: kind})])


@cases("CreateDelegationToken", ALL)
def create_token(b: Client, v: int) -> None:
    for owner in (None, "", "bob"):
        kind = None if owner is None else "User"
        renewers = [{"principal_type": "User", "principal_name": "alice"}]
        values = {"owner_principal_type": kind, "owner_principal_name": owner}
        both(b, "CreateDelegationToken", v, renewers=renewers, max_lifetime_ms=-1, **values)


@cases("RenewDelegationToken", ALL)
def renew_token(b: Client, v: int) -> None:
    for secret in (b"x", b""):
        both(b, "RenewDelegationToken", v, hmac=secret, renew_period_ms=-1)


@cases("ExpireDelegationToken", ALL)
def expire_token(b: Client, v: int) -> None:
    for secret in (b"x", b""):
        both(b, "ExpireDelegationToken", v, hmac=secret, expiry_time_period_ms=-1)


@cases("DescribeDelegationToken", ALL)
def describe_tokens(b: Client, v: int) -> None:
    for owners in (None, [], [{"principal_type": "User", "principal_name": "bob"}]):
        b.ask("DescribeDelegationToken", v, owners=owners)


@cases.parametrize()
def test_security(case: Case, pair: Pair) -> None:
    pair.compare(case)
