"""What errors mean: the limit that throttles, the line while a run waits, what to do when it has ended."""

from __future__ import annotations

import json
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddbetl.connectors.dynamodb import failures
from ddbetl.connectors.dynamodb.advice import advice, limit_text, status_text
from ddbetl.connectors.dynamodb.failures import KINDS, Kind, ServiceError, WireError, service_error
from ddbetl.connectors.dynamodb.statements import StatementError

TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/Orders"
INDEX = f"{TABLE}/index/ByDate"
SIGNED_AT = 1_500_000_000.0


def read(code: str, message: str = "", *reasons: tuple[str, str], status: int = 400, date: str = "") -> ServiceError:
    """The error as the wire client reads it."""
    told = [{"reason": reason, "resource": resource} for reason, resource in reasons]
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, "ThrottlingReasons": told}
    headers = {b"date": date.encode()} if date else {}
    return service_error(status, headers, json.dumps(body).encode(), signed_at=SIGNED_AT)


def throttled(*reasons: tuple[str, str]) -> ServiceError:
    return read("ThrottlingException", "Rate exceeded", *reasons)


# Which limit throttles


@pytest.mark.parametrize(
    ("reason", "resource", "text"),
    [
        ("TableReadProvisionedThroughputExceeded", TABLE, "the read capacity of table Orders (provisioned)"),
        ("TableWriteProvisionedThroughputExceeded", TABLE, "the write capacity of table Orders (provisioned)"),
        (
            "IndexWriteProvisionedThroughputExceeded",
            INDEX,
            "the write capacity of index ByDate of table Orders (provisioned)",
        ),
        ("TableReadKeyRangeThroughputExceeded", TABLE, "one partition of table Orders: a hot key"),
        ("IndexWriteKeyRangeThroughputExceeded", INDEX, "one partition of index ByDate of table Orders: a hot key"),
        (
            "TableWriteMaxOnDemandThroughputExceeded",
            TABLE,
            "the maximum that is set for writes of table Orders (on demand)",
        ),
        (
            "IndexReadMaxOnDemandThroughputExceeded",
            INDEX,
            "the maximum that is set for reads of index ByDate of table Orders (on demand)",
        ),
        ("TableWriteAccountLimitExceeded", TABLE, "the account's quota for writes of table Orders"),
        ("IndexReadAccountLimitExceeded", INDEX, "the account's quota for reads of index ByDate of table Orders"),
        (
            "TableWriteProvisionedThroughputExceeded",
            "arn:aws-cn:dynamodb:cn-north-1:1:table/Orders",
            "the write capacity of table Orders (provisioned)",
        ),
        ("TableWriteProvisionedThroughputExceeded", "", "the write capacity of the table (provisioned)"),
        ("IndexWriteKeyRangeThroughputExceeded", "soup", "one partition of an index of the table: a hot key"),
        ("TableWriteMoonPhase", TABLE, "TableWriteMoonPhase of table Orders"),
    ],
)
def test_the_limit_by_its_reason(reason: str, resource: str, text: str) -> None:
    assert limit_text(throttled((reason, resource))) == text


def test_every_documented_reason_has_a_text_of_its_own() -> None:
    """DynamoDB's resolution guide counts 16 reasons."""
    limits = ("ProvisionedThroughput", "KeyRangeThroughput", "MaxOnDemandThroughput", "AccountLimit")
    reasons = [f"{r}{use}{limit}Exceeded" for r, use, limit in product(("Table", "Index"), ("Read", "Write"), limits)]
    texts = [limit_text(throttled((reason, INDEX if reason.startswith("Index") else TABLE))) for reason in reasons]
    assert len(reasons) == 16
    assert not any("Exceeded" in str(text) for text in texts)
    # A partition is hot, whatever heats it.
    assert len(set(texts)) == 14


def test_several_limits_are_named_once_each() -> None:
    table, index = ("TableWriteKeyRangeThroughputExceeded", TABLE), ("IndexWriteAccountLimitExceeded", INDEX)
    assert limit_text(throttled(table, index, table)) == (
        "one partition of table Orders: a hot key; the account's quota for writes of index ByDate of table Orders"
    )


# The messages are DynamoDB's own.
UNREASONED = [
    (
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded. Consider increasing your "
        "provisioning level with the UpdateTable API.",
        "the capacity of the table (provisioned)",
    ),
    (
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for one or more global secondary indexes of the table was "
        "exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with "
        "the UpdateTable API",
        "the capacity of an index of the table (provisioned)",
    ),
    (
        "ThrottlingException",
        "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table "
        "or index so please try again shortly. If exceptions persist, check if you have a hot key",
        "the present capacity of the table (on demand, growing)",
    ),
    (
        "ThrottlingException",
        "Throughput exceeds the current capacity for one or more global secondary indexes. DynamoDB is automatically "
        "scaling your index so please try again shortly.",
        "the present capacity of an index of the table (on demand, growing)",
    ),
    (
        "ThrottlingException",
        "Throughput exceeds the maximum OnDemandThroughput configured on table or index",
        "the maximum that is set for the table (on demand)",
    ),
    (
        "RequestLimitExceeded",
        "Throughput exceeds the current throughput limit for your account.",
        "the account's quota of throughput",
    ),
    (
        "LimitExceededException",
        "Too many operations",
        "the account's limit of operations on tables at the same time",
    ),
    ("ThrottlingException", "Rate of requests exceeds the allowed throughput.", None),
    ("SlowDown", "", None),
]


@pytest.mark.parametrize(("code", "message", "text"), UNREASONED)
def test_the_limit_without_a_reason(code: str, message: str, text: str | None) -> None:
    assert limit_text(read(code, message)) == text
    assert limit_text(read(code, message, ("", ""))) == text


@pytest.mark.parametrize(
    "error", [read("AccessDeniedException"), read("InternalServerError", status=500), failures.DnsFailure("x: y")]
)
def test_other_errors_have_no_limit(error: WireError) -> None:
    assert limit_text(error) is None


# While the run waits


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            throttled(("IndexWriteProvisionedThroughputExceeded", INDEX)),
            "throttled by the write capacity of index ByDate of table Orders (provisioned)",
        ),
        (
            throttled(("TableWriteKeyRangeThroughputExceeded", "")),
            "throttled by one partition of table Here: a hot key",
        ),
        (read(*UNREASONED[0][:2]), "throttled by the capacity of table Here (provisioned)"),
        (read("SlowDown"), "table Here is throttled (SlowDown)"),
        (read("ExpiredTokenException", "expired"), "the credentials are being renewed (ExpiredTokenException)"),
        (
            read("InvalidSignatureException", "expired", date="Fri, 14 Jul 2017 03:40:02 GMT"),
            "this machine's clock is 60 min slow; requests are now signed with the server's time",
        ),
        (
            read("InvalidSignatureException", "not yet", date="Fri, 14 Jul 2017 01:40:00 GMT"),
            "this machine's clock is 60 min fast; requests are now signed with the server's time",
        ),
        (
            read("InternalServerError", "Internal\nserver error", status=500),
            "table Here: the server answers InternalServerError: Internal server error",
        ),
        (failures.ConnectTimeout("no connection to host:443 within 5 s"), "no connection to host:443 within 5 s"),
        (
            failures.ConnectFailed("cannot connect to [::1]:8000: [Errno 111] Connect call failed ('::1', 8000, 0, 0)"),
            "cannot connect to [::1]:8000",
        ),
        (failures.DnsFailure("cannot resolve the name host: [Errno -2] Unknown"), "cannot resolve the name host"),
        (
            failures.ResponseTimeout("nothing moved on the connection to host:443 for 60 s"),
            "nothing moved on the connection to host:443 for 60 s",
        ),
        (failures.ConnectionLost("the connection was lost: reset", stale=True), "the connection was lost: reset"),
        (
            failures.ChecksumMismatch("host:443 sent 2 bytes with a wrong CRC32"),
            "host:443 sent 2 bytes with a wrong CRC32",
        ),
    ],
)
def test_the_line_while_a_run_waits(error: WireError, text: str) -> None:
    assert status_text(error, "Here") == text


# When the run has ended


def inside(code: str) -> ServiceError:
    """The error of one statement of many."""
    return StatementError(code, "because").as_service_error()


ENDINGS: list[tuple[WireError, str, tuple[str, ...]]] = [
    (read("AccessDeniedException"), "BatchWriteItem", ("dynamodb:BatchWriteItem on table Orders",)),
    (read("AccessDeniedException"), "Scan", ("dynamodb:Scan on table Orders",)),
    (inside("AccessDenied"), "BatchExecuteStatement INSERT", ("dynamodb:PartiQLInsert on table Orders",)),
    (read("AccessDeniedException"), "BatchExecuteStatement UPDATE", ("dynamodb:PartiQLUpdate on table Orders",)),
    (read("AccessDeniedException"), "BatchGetItem", ("dynamodb:BatchGetItem on table Orders",)),
    (read("AccessDeniedException"), "PutItem", ("dynamodb:PutItem on table Orders",)),
    (read("AccessDeniedException"), "UpdateItem", ("dynamodb:UpdateItem on table Orders",)),
    (inside("ResourceNotFound"), "BatchExecuteStatement INSERT", ("deleted", "describe-table --table-name Orders")),
    (inside("ValidationError"), "BatchExecuteStatement INSERT", ("keys of table Orders", "Then change the spec")),
    (read("UnknownOperationException"), "BatchExecuteStatement INSERT", ("does not know BatchExecuteStatement. ",)),
    (read("AccessDeniedException", "KMS key access denied error: …"), "Scan", ("KMS key", "kms:Decrypt", "Orders")),
    (
        read("AccessDeniedException", "not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu:1:key/2"),
        "Scan",
        ("KMS key",),
    ),
    (
        read(
            "AccessDeniedException",
            "not authorized to perform: dynamodb:Scan on resource: arn:aws:dynamodb:eu:1:table/kms",
        ),
        "Scan",
        ("dynamodb:Scan on table Orders",),
    ),
    (read("KMSDisabledException"), "Scan", ("KMS key", "enabled")),
    (read("ResourceNotFoundException"), "Scan", ("deleted", "describe-table --table-name Orders", "new job")),
    (read("ResourceInUseException"), "BatchWriteItem", ("describe-table --table-name Orders", "ACTIVE")),
    (read("ExpiredTokenException"), "Scan", ("expired", "aws sso login", "AWS_SESSION_TOKEN")),
    (read("UnrecognizedClientException"), "Scan", ("not known", "get-caller-identity")),
    (read("MissingAuthenticationTokenException"), "Scan", ("get-caller-identity",)),
    (read("InvalidSignatureException", "The request signature does not match"), "Scan", ("secret key",)),
    (read("InvalidSignatureException", "Signature expired: 2017… is now earlier"), "Scan", ("clock", "timedatectl")),
    (read("InvalidSignatureException", date="Fri, 14 Jul 2017 03:40:00 GMT"), "Scan", ("60 min slow", "timedatectl")),
    (read("ValidationException"), "BatchWriteItem", ("keys of table Orders", "Then change the spec")),
    (read("ValidationException"), "Scan", ("table Orders", "local server")),
    (read("ItemCollectionSizeLimitExceededException"), "BatchWriteItem", ("10 GB", "WHERE")),
    (read("UnknownOperationException"), "Scan", ("does not know Scan", "endpoint")),
    (read("OptInRequired"), "Scan", ("region",)),
    (read("InternalServerError", status=500), "Scan", ("health.aws.amazon.com",)),
    (read("SomethingNew"), "Scan", ("refuses Scan of table Orders",)),
    (service_error(403, {}, b"<html>Forbidden</html>", SIGNED_AT), "Scan", ("no answer of DynamoDB", "proxy")),
    (throttled(("TableWriteAccountLimitExceeded", TABLE)), "BatchWriteItem", ("quota", "Service Quotas")),
    (throttled(("TableReadProvisionedThroughputExceeded", TABLE)), "Scan", ("read capacity", "UpdateTable")),
    (throttled(("TableWriteMaxOnDemandThroughputExceeded", TABLE)), "BatchWriteItem", ("OnDemandThroughput",)),
    (throttled(("TableWriteKeyRangeThroughputExceeded", TABLE)), "BatchWriteItem", ("hot key", "find the program")),
    (
        throttled(("TableWriteKeyRangeThroughputExceeded", TABLE), ("IndexWriteAccountLimitExceeded", INDEX)),
        "BatchWriteItem",
        ("hot key", "ByDate", "limits raised"),
    ),
    (read("SlowDown"), "Scan", ("a limit that the server does not name",)),
    (failures.CertificateRejected("no"), "Scan", ("AWS_CA_BUNDLE", "clock")),
    (failures.DnsFailure("no"), "Scan", ("name server", "VPN", "region")),
    (failures.ProxyRefused("no", 407), "Scan", ("HTTPS_PROXY", "password")),
    (failures.ProxyRefused("no", 403), "Scan", ("NO_PROXY",)),
    (failures.TlsFailed("no"), "Scan", ("TLS",)),
    (failures.ConnectTimeout("no"), "Scan", ("cannot be reached", "VPN")),
    (failures.ConnectFailed("no"), "Scan", ("cannot be reached", "HTTPS_PROXY")),
    (failures.MalformedResponse("no"), "Scan", ("another server", "proxy")),
    (failures.ResponseTooLarge("no"), "Scan", ("another server",)),
    (failures.ChecksumMismatch("no"), "Scan", ("changed on their way",)),
    (failures.ClientClosed("no"), "Scan", ("ended",)),
    (failures.ConnectionLost("no", stale=False), "Scan", ("network",)),
    (failures.TruncatedResponse("no"), "Scan", ("network",)),
    (failures.ResponseTimeout("no"), "Scan", ("overloaded",)),
]


@pytest.mark.parametrize(("error", "operation", "parts"), ENDINGS, ids=lambda value: getattr(value, "code", None))
def test_what_to_do(error: WireError, operation: str, parts: tuple[str, ...]) -> None:
    text = advice(error, operation, "Orders")
    assert [part for part in parts if part not in text] == []


def test_every_kind_of_error_is_tried() -> None:
    def below(kind: type[WireError]) -> set[type[WireError]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    abstract = {WireError, failures.ExchangeFailed}
    assert {type(error) for error, _, _ in ENDINGS} == below(WireError) - abstract


@pytest.mark.parametrize("code", sorted(KINDS))
@pytest.mark.parametrize("operation", ["Scan", "BatchWriteItem"])
def test_every_known_code_has_advice_of_its_own(code: str, operation: str) -> None:
    unknown = advice(read("SomethingNew"), operation, "Orders")
    text = advice(read(code, date="Fri, 14 Jul 2017 03:40:00 GMT"), operation, "Orders")
    assert text != unknown and text.endswith(".")


# What a server says of a refused signature.
ECHO = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key.\n\n"
    "The Canonical String for this request should have been\n'POST\n/\n\nhost:dynamodb.eu-west-1.amazonaws.com\n"
    "x-amz-security-token:SESSION-TOKEN\n'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\nx'"
)


def test_no_text_repeats_the_session_token() -> None:
    for code, message in [
        ("InvalidSignatureException", ECHO),
        ("SignatureDoesNotMatch", ECHO),
        ("IncompleteSignatureException", "Signature is missing. Authorization=AWS4 SESSION-TOKEN"),
    ]:
        error = read(code, message)
        texts = [str(error), error.message, repr(error), status_text(error, "t"), advice(error, "Scan", "t")]
        assert "SESSION-TOKEN" not in "".join(texts)
        assert error.message == message.partition("\n")[0].partition(" Authorization=")[0]


@given(
    st.sampled_from([*sorted(KINDS), "AccessDeniedException", "ValidationException", "Other"]),
    st.text(max_size=60),
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), max_size=3),
    st.sampled_from([400, 403, 429, 500, 503]),
)
def test_whatever_a_server_says_is_answered_in_words(
    code: str, message: str, reasons: list[tuple[str, str]], status: int
) -> None:
    error = read(code, message, *reasons, status=status)
    assert "None" not in advice(error, "Scan", "t") and advice(error, "Scan", "t")
    assert status_text(error, "t")
    assert error.kind is Kind.THROTTLING or limit_text(error) is None
