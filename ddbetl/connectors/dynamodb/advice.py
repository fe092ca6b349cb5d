"""What an error means for the one who waits, and what to do about one that has ended the run.

In: a ``WireError``, the operation and the table that it belongs to. Out: texts. ``limit_text`` names the limit that
throttles, ``status_text`` is one short line while the request is repeated, ``advice`` comes behind the error's own text
when the run has ended. How to resume is the engine's to say.

Invariant: nothing is asked and nothing changes; no text holds a credential or an item.
"""

from __future__ import annotations

import re

from ddbetl.connectors.dynamodb.failures import (
    CertificateRejected,
    ChecksumMismatch,
    ClientClosed,
    ConnectFailed,
    DnsFailure,
    Kind,
    MalformedResponse,
    ProxyRefused,
    ResponseTooLarge,
    ServiceError,
    ThrottlingReason,
    TlsFailed,
    WireError,
)

# Which limit throttles

# Source: Amazon DynamoDB API reference, ThrottlingReason: resource, operation and limit in one word, 16 in all.
_REASON = re.compile(
    "(?P<resource>Table|Index)(?P<use>Read|Write)(?P<limit>ProvisionedThroughput|KeyRangeThroughput"
    "|MaxOnDemandThroughput|AccountLimit)Exceeded"
)
_ARN = re.compile(r"arn:[^:]+:dynamodb:[^:]*:[^:]*:table/(?P<table>[^/]+)(?:/index/(?P<index>[^/]+))?")


def limit_text(error: WireError) -> str | None:
    """Name the limit that throttles; None where the error does not tell, or is no throttling."""
    return _limit(error, "the table")


def _limit(error: WireError, table: str) -> str | None:
    """``table`` is how to name the table where the error does not."""
    if not isinstance(error, ServiceError) or error.kind is not Kind.THROTTLING:
        return None
    told = [_reason_text(reason, table) for reason in error.throttling_reasons if reason.reason]
    return "; ".join(dict.fromkeys(told)) or _limit_by_message(error, table)


def _reason_text(reason: ThrottlingReason, table: str) -> str:
    place = _place(reason, table)
    known = _REASON.fullmatch(reason.reason)
    if known is None:
        return f"{reason.reason} of {place}"
    use = known["use"].lower()
    match known["limit"]:
        case "ProvisionedThroughput":
            return f"the {use} capacity of {place} (provisioned)"
        case "KeyRangeThroughput":
            return f"one partition of {place}: a hot key"
        case "MaxOnDemandThroughput":
            return f"the maximum that is set for {use}s of {place} (on demand)"
        case _:
            return f"the account's quota for {use}s of {place}"


def _place(reason: ThrottlingReason, table: str) -> str:
    arn = _ARN.fullmatch(reason.resource)
    if arn is None:
        return f"an index of {table}" if reason.reason.startswith("Index") else table
    return f"index {arn['index']} of table {arn['table']}" if arn["index"] else f"table {arn['table']}"


def _limit_by_message(error: ServiceError, table: str) -> str | None:
    """Older endpoints and local servers give no reasons; DynamoDB's messages are as in BatchStatementError's page."""
    message = error.message.lower()
    place = f"an index of {table}" if "global secondary index" in message else table
    match error.code:
        case "ProvisionedThroughputExceededException" | "ProvisionedThroughputExceeded":
            return f"the capacity of {place} (provisioned)"
        case "RequestLimitExceeded":
            return "the account's quota of throughput"
        case "LimitExceededException":
            return "the account's limit of operations on tables at the same time"
        case _ if "maximum ondemandthroughput" in message:
            return f"the maximum that is set for {place} (on demand)"
        case _ if "automatically scaling" in message:
            return f"the present capacity of {place} (on demand, growing)"
        case _:
            return None


# While the run waits


def status_text(error: WireError, table: str) -> str:
    """Say in one line what a request of ``table`` is waiting for before it is repeated."""
    match error:
        case ServiceError(kind=Kind.THROTTLING):
            limit = _limit(error, f"table {table}")
            return f"throttled by {limit}" if limit is not None else f"table {table} is throttled ({error.code})"
        case ServiceError(kind=Kind.CREDENTIALS):
            return f"the credentials are being renewed ({error.code})"
        case ServiceError(kind=Kind.SKEW, skew=float(skew)):
            return f"{_off(skew)}; requests are now signed with the server's time"
        case ServiceError():
            return f"table {table}: the server answers {_one_line(str(error))}"
        case ConnectFailed():
            # What comes behind the host's name is the operating system's, and long.
            return _one_line(str(error).partition(": ")[0])
        case _:
            return _one_line(str(error))


def _off(skew: float) -> str:
    minutes = max(1, round(abs(skew) / 60))
    return f"this machine's clock is {minutes:,} min {'slow' if skew > 0 else 'fast'}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


# When the run has ended


def advice(error: WireError, operation: str, table: str) -> str:
    """Say what an error that ended the run means, and what to do before the run is resumed."""
    match error:
        case ServiceError():
            return _service_advice(error, operation, table)
        case CertificateRejected():
            return (
                "The server could not prove that it is the one that was asked for, so nothing was sent to it. Where a "
                "company's proxy opens TLS connections, name the PEM file of its authority in AWS_CA_BUNDLE. Otherwise "
                "check the endpoint's name, and this machine's clock: a certificate is valid for a time only."
            )
        case ProxyRefused(status=407):
            return "The proxy wants to know who asks: put the user name and the password into HTTPS_PROXY."
        case ProxyRefused():
            return (
                "The proxy lets nothing through to this endpoint: have it allowed there, or name the endpoint's host "
                "in NO_PROXY where there is a way without the proxy."
            )
        case DnsFailure():
            return (
                "No name server knows the endpoint, or none can be reached: check the network, the VPN, and how the "
                "region and the endpoint are spelled."
            )
        case TlsFailed():
            return (
                "A connection was made, but it does not speak TLS as DynamoDB does: check that no server for plain "
                "http is named by an https endpoint, and that no firewall or proxy comes between."
            )
        case ConnectFailed():
            return (
                "The server cannot be reached: check the network, the VPN and the proxy (HTTPS_PROXY), and whether the "
                "endpoint's server runs."
            )
        case MalformedResponse() | ResponseTooLarge():
            return (
                "DynamoDB does not answer so. Something else does: a proxy's login page, or another server at this "
                "endpoint. Check the endpoint and the proxy."
            )
        case ChecksumMismatch():
            return (
                "Answers are changed on their way here, again and again; none of them was used. A proxy or a broken "
                "network device does so: try another network, or go without the proxy."
            )
        case ClientClosed():
            return "The run was ended while this request was on its way."
        case _:
            return (
                "The server was reached, but its answers do not come through: check the network, the VPN and the "
                "proxy, or whether the server is overloaded."
            )


_DENIED = ("AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation")
# As "KMS key access denied error: …", "not authorized to perform: kms:Decrypt …".
_KMS = re.compile(r"\bkms key|\bkms:|\bawskms\b")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException")
_UNKNOWN_KEY = (
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
)
_SIGNATURE = (
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
)
_CLOCK = ("RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed")


def _service_advice(error: ServiceError, operation: str, table: str) -> str:
    """The codes that DynamoDB's errors have in common with all of AWS come first, then those of tables."""
    code, message = error.code, error.message.lower()
    if error.kind is Kind.THROTTLING:
        return _throttled_advice(error, table)
    if code.startswith("KMS") or _KMS.search(message):
        # DynamoDB passes on what the key service says, mostly as AccessDeniedException: KMS key access denied error.
        return (
            f"Table {table} is encrypted with a KMS key that cannot be used now. See that the key is enabled and not "
            "about to be deleted, and that its policy allows these credentials kms:Decrypt and DynamoDB its grant. "
            "DynamoDB archives a table whose key stays out of reach for seven days."
        )
    if error.kind is Kind.SKEW or code in _CLOCK or "signature expired" in message or "not yet current" in message:
        off = f" ({_off(error.skew)})" if error.skew is not None and abs(error.skew) >= 60 else ""
        return (
            f"The server refuses requests that were not signed at its own time{off}. Set this machine's clock: on "
            "Linux by timedatectl set-ntp true. A proxy that holds requests back for minutes has the same effect."
        )
    if code in _DENIED:
        return (
            f"The credentials lack the IAM permission {_permission(operation)} on table {table}, or a policy denies "
            "it: the identity's, the table's, the VPC endpoint's or the organisation's. Have it allowed, or use other "
            "credentials."
        )
    if code in _EXPIRED:
        return (
            "The credentials have expired and could not be renewed. Get new ones as these were got: by aws sso login "
            "(with --profile NAME where a profile is used), or by setting AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
            "AWS_SESSION_TOKEN anew."
        )
    if code in _UNKNOWN_KEY:
        return (
            "The access key is not known there: it was deleted or deactivated, belongs to another part of AWS, or "
            "lacks its AWS_SESSION_TOKEN. aws sts get-caller-identity shows whether the credentials are good; get new "
            "ones where they are not."
        )
    if code in _SIGNATURE:
        return (
            "The secret key does not belong to the access key, or something on the way changes the requests. Set both "
            "anew, without blanks; then look at the proxy."
        )
    if code in ("OptInRequired", "SubscriptionRequiredException"):
        return "The account may not use DynamoDB in this region yet: finish its registration, or enable the region."
    return _table_advice(error, operation, table)


# What a request of statements needs. Source: DynamoDB Developer Guide, "IAM security policies with PartiQL".
_STATEMENTS = {
    "BatchExecuteStatement INSERT": "PartiQLInsert",
    "BatchExecuteStatement UPDATE": "PartiQLUpdate",
}


def _permission(operation: str) -> str:
    return f"dynamodb:{_STATEMENTS.get(operation, operation)}"


def _throttled_advice(error: ServiceError, table: str) -> str:
    """Throttling ends a run only when not one request has come through for long."""
    limit = _limit(error, f"table {table}") or "a limit that the server does not name"
    limits = {known["limit"] for told in error.throttling_reasons if (known := _REASON.fullmatch(told.reason))}
    cure = _CURES[limits.pop()] if len(limits) == 1 else "have the limits raised"
    return f"DynamoDB has throttled every request for long, by {limit}. Wait until others use less of it, or {cure}."


_CURES = {
    "ProvisionedThroughput": "raise the provisioned capacity (UpdateTable), or switch the table to on-demand",
    "KeyRangeThroughput": "find the program that uses one key all the time",
    "MaxOnDemandThroughput": "raise the maximum (OnDemandThroughput of UpdateTable)",
    "AccountLimit": "have the quota raised (Service Quotas, Amazon DynamoDB)",
}

_READS = ("BatchGetItem", "DescribeTable", "GetItem", "Query", "Scan")


def _table_advice(error: ServiceError, operation: str, table: str) -> str:
    match error.code:
        case "ResourceNotFoundException" | "ResourceNotFound" | "TableNotFoundException":
            return (
                f"Table {table} is not there any more, or not yet: it was deleted or is being made, or the credentials "
                f"now belong to another account or region. {_look_at(table)} A table that was made anew is another "
                "table: begin a new job for it."
            )
        case "ResourceInUseException" | "TableInUseException":
            return (
                f"Table {table} is being changed, restored or deleted, so it takes no such request. {_look_at(table)} "
                "Wait until it says ACTIVE."
            )
        case "ItemCollectionSizeLimitExceededException" | "ItemCollectionSizeLimitExceeded":
            return (
                f"Table {table} has a local secondary index, and the items of one partition key may fill 10 GB there; "
                "one key has reached that. Delete items of that key, or leave its rows out by WHERE."
            )
        case "ValidationException" | "SerializationException" if operation in _READS:
            return (
                f"The server refuses the request itself, so repeating it does not help. Has table {table} been made "
                "anew with other keys? A local server may also lack a part of what DynamoDB can do."
            )
        case "ValidationException" | "ValidationError" | "SerializationException":
            return (
                f"The server refuses these rows, so repeating them does not help. Compare the names and types of the "
                f"keys of table {table} and its indexes with what the spec makes. {_look_at(table)} Then change the "
                "spec, which makes it a new job."
            )
        case "UnknownOperationException" | "InvalidAction":
            return f"This server does not know {operation.partition(' ')[0]}. Check the endpoint: DynamoDB does."
        case code if error.status >= 500 or error.kind is Kind.TRANSIENT:
            return (
                "DynamoDB itself, or what stands before it, has failed for a long time. health.aws.amazon.com shows "
                "how the region does; try again later."
            )
        case code if code.startswith("HTTP "):
            return (
                "This is no answer of DynamoDB's. Something else answers: a proxy, or another server at this endpoint. "
                "Check the endpoint and the proxy (HTTPS_PROXY, NO_PROXY)."
            )
        case _:
            request = f" and the request's id, {error.request_id}" if error.request_id else ""
            return (
                f"The server refuses {operation} of table {table}, and repeating it does not help. What the error says "
                f"must be changed first; AWS Support can tell more by its code{request}."
            )


def _look_at(table: str) -> str:
    return f"aws dynamodb describe-table --table-name {table} shows its state."
