"""How much of the tables is in use: what CloudWatch is asked, what explain says, and what it says where nobody answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import servers
import tables
from click.testing import CliRunner
from compiling import control_plane

from ddbetl import api
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.connectors.dynamodb import control as control_module
from ddbetl.connectors.dynamodb.control import Control
from ddbetl.connectors.dynamodb.traffic import usage
from ddbetl.plan.catalog import Connection
from ddbetl.plan.traffic import Usage
from ddbetl.types import Timestamp

# 2017-04-26T10:15:30.876Z
NOW = Timestamp(1493201730876)
LOCAL = "http://127.0.0.1:1"


@dataclass(slots=True)
class CloudWatch:
    """A CloudWatch on this machine. ``used``: units a second, (read, write) by table; ``points``: data points of a
    page. ``status``, ``error``: what it answers instead. ``hold``: until when it says nothing."""

    used: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    points: int = 5
    status: int = 200
    error: str = ""
    hold: threading.Event | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Every minute has the same units; what is not used has no data points."""
        self.asked.append(request)
        if self.error:
            return {"__type": f"com.amazonaws.cloudwatch#{self.error}", "message": "User: x is not authorized"}
        minutes = round((request["EndTime"] - request["StartTime"]) / 60)
        start = int(request.get("NextToken", "0"))
        results = []
        for query in request["MetricDataQueries"]:
            metric = query["MetricStat"]["Metric"]
            read, write = self.used.get(metric["Dimensions"][0]["Value"], (0, 0))
            units = read if metric["MetricName"] == "ConsumedReadCapacityUnits" else write
            count = min(self.points, minutes - start) if units else 0
            results.append({"Id": query["Id"], "StatusCode": "Complete", "Values": [units * 60.0] * count})
        more = {"NextToken": str(start + self.points)} if start + self.points < minutes else {}
        return {"MetricDataResults": results, "Messages": []} | more


@contextmanager
def running(cloudwatch: CloudWatch, patch: pytest.MonkeyPatch) -> Iterator[CloudWatch]:
    """Let boto3 find it."""

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["X-Amz-Target"].endswith(".GetMetricData")
            if cloudwatch.hold is not None:
                cloudwatch.hold.wait(30)
                self.close_connection = True
                return
            body = json.dumps(cloudwatch.answer(request)).encode()
            self.send_response(cloudwatch.status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    cloudwatch.url = f"http://127.0.0.1:{server.server_port}"
    patch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", cloudwatch.url)
    try:
        yield cloudwatch
    finally:
        if cloudwatch.hold is not None:
            cloudwatch.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()


def ask(*names: str) -> Mapping[str, Usage] | str:
    with closing(Control.open(Connection(endpoint=LOCAL))) as control:
        client = control.cloudwatch()
        assert client is not None
        return usage(client, names, NOW)


# Whom is asked, and what


def test_a_server_that_is_not_aws_has_no_cloudwatch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_CLOUDWATCH", raising=False)
    with closing(Control.open(Connection(endpoint=LOCAL))) as control:
        assert control.cloudwatch() is None
    with closing(Control.open(Connection(region="eu-west-1"))) as control:
        client = control.cloudwatch()
        assert client is not None and client.meta.endpoint_url == "https://monitoring.eu-west-1.amazonaws.com"
        client.close()


def test_the_sums_of_five_whole_minutes_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(CloudWatch({"Orders": (310, 0), "Archive": (0.5, 20)}), monkeypatch) as cloudwatch:
        assert ask("Archive", "Idle", "Orders") == {
            "Archive": Usage(0.5, 20.0), "Idle": Usage(0.0, 0.0), "Orders": Usage(310.0, 0.0)
        }  # fmt: skip
    (asked,) = cloudwatch.asked
    # 10:09 to 10:14, as the last minute is not counted yet at 10:15:30.
    assert (asked["StartTime"], asked["EndTime"]) == (1493201340, 1493201640)
    assert [(query["MetricStat"]["Period"], query["MetricStat"]["Stat"]) for query in asked["MetricDataQueries"]] == [
        (60, "Sum")
    ] * 6
    assert asked["MetricDataQueries"][1]["MetricStat"]["Metric"] == {
        "Namespace": "AWS/DynamoDB",
        "MetricName": "ConsumedWriteCapacityUnits",
        "Dimensions": [{"Name": "TableName", "Value": "Archive"}],
    }


def test_answers_in_pages_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(CloudWatch({"Orders": (310, 4)}, points=2), monkeypatch) as cloudwatch:
        assert ask("Orders") == {"Orders": Usage(310.0, 4.0)}
    assert len(cloudwatch.asked) == 3


def test_many_tables_are_several_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"T{number:03}" for number in range(600)]
    with running(CloudWatch({name: (number + 1, 1) for number, name in enumerate(names)}), monkeypatch) as cloudwatch:
        found = ask(*names)
    assert found == {name: Usage(number + 1, 1.0) for number, name in enumerate(names)}
    assert [len(asked["MetricDataQueries"]) for asked in cloudwatch.asked] == [500, 500, 200]


# What is not known


def test_a_missing_permission_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(CloudWatch(status=400, error="AccessDeniedException"), monkeypatch) as cloudwatch:
        assert ask("Orders") == "the credentials need the permission cloudwatch:GetMetricData"
    assert len(cloudwatch.asked) == 1


def test_other_errors_are_quoted_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(CloudWatch(status=500, error="InternalFailure"), monkeypatch) as cloudwatch:
        assert ask("Orders") == "CloudWatch: InternalFailure: User: x is not authorized"
    # Nobody waits for a second try.
    assert len(cloudwatch.asked) == 1


def test_a_server_that_is_not_there_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(CloudWatch(), monkeypatch):
        pass
    assert ask("Orders") == "CloudWatch cannot be reached"


def test_nobody_waits_long_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_module, "TRAFFIC_SECONDS", 0.1)
    with running(CloudWatch(hold=threading.Event()), monkeypatch):
        assert ask("Orders") == "CloudWatch does not answer"


# What explain says

COPY = "INSERT INTO Archive SELECT * FROM Orders ON CONFLICT SKIP"
BUSY = """
Orders (OrderID S), 500 items, 93500 bytes, provisioned 1000 rcu 10 wcu, in use 310 rcu 0 wcu
Archive (OrderID S), in use 0 rcu 12 wcu
"""


def test_the_page_and_the_json_value_say_what_is_in_use() -> None:
    with control_plane(BUSY):
        plan = api.compile(COPY, traffic=True)
    assert (
        "IN USE  in the last 5 minutes, as CloudWatch has counted\n"
        "  Orders   310 of 1,000 read units/s\n"
        "  Archive  12 write units/s\n\n"
    ) in plan.explain()
    value = plan.explain_json()
    assert value["traffic"] == {"seconds": 300, "unknown": []}
    assert value["sources"][0]["budget"]["in_use"] == 310
    assert (value["target"]["budget"]["in_use"], value["target"]["reads"]["in_use"]) == (12, 0)
    assert plan.warnings == ()


def test_only_explain_asks() -> None:
    with control_plane(BUSY) as opened:
        plan = api.compile(COPY)
        assert plan.traffic is None and plan.explain_json()["traffic"] is None and "IN USE" not in plan.explain()
        for arguments in (["iam", COPY], ["explain", COPY]):
            assert CliRunner().invoke(cli, arguments).exit_code == ExitCode.DONE
    assert ["GetMetricData" in control.asked for control in opened] == [False, False, True]


def test_an_index_has_units_of_its_own() -> None:
    tables_ = (
        "Orders (OrderID S), 500 items, 93500 bytes, provisioned 100 rcu 10 wcu, in use 100 rcu 0 wcu, "
        "index ByDay (Day N, OrderID S)\nArchive (OrderID S)"
    )
    with control_plane(tables_):
        plan = api.compile(
            "INSERT INTO Archive SELECT * FROM Orders WHERE try(Day = 3) ON CONFLICT REPLACE", traffic=True
        )
    (source,) = plan.explain_json()["sources"]
    assert source["index"] == "ByDay" and source["budget"]["in_use"] is None
    assert not any(warning.code == "W0119" for warning in plan.warnings)


@pytest.fixture
def busy(one_server: servers.Server, prefix: str) -> tuple[servers.Server, str, str]:
    units = {"ReadCapacityUnits": 1000, "WriteCapacityUnits": 400}
    for name in ("Orders_1", "Orders_2", "Archive"):
        tables.create(one_server, f"{prefix}{name}", ("OrderID", "S"), ProvisionedThroughput=units)
        tables.fill(one_server, f"{prefix}{name}", [{"OrderID": {"S": "1"}}])
    spec = f"INSERT INTO {prefix}Archive SELECT * FROM {prefix}Orders_* ON CONFLICT REPLACE"
    return one_server, prefix, spec


def explain(server: servers.Server, *arguments: str) -> str:
    done = CliRunner().invoke(cli, ["explain", *arguments, "--endpoint-url", server.endpoint_url])
    assert done.exit_code == ExitCode.DONE, done.stderr
    return done.stdout


def test_the_command_asks_where_an_address_is_given(
    busy: tuple[servers.Server, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, prefix, spec = busy
    used = {f"{prefix}Orders_1": (620.0, 1.0), f"{prefix}Archive": (0.0, 30.0)}
    with running(CloudWatch(used), monkeypatch) as cloudwatch:
        page = explain(server, spec)
        value = json.loads(explain(server, spec, "--json"))
    names = {q["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for q in cloudwatch.asked[0]["MetricDataQueries"]}
    names |= {q["MetricStat"]["Metric"]["Dimensions"][0]["Value"] for q in cloudwatch.asked[1]["MetricDataQueries"]}
    assert names == {f"{prefix}{name}" for name in ("Orders_1", "Orders_2", "Archive")}
    assert f"  {prefix}Orders_1  620 of 1,000 read units/s\n  {prefix}Archive   30 of 400 write units/s\n" in page
    assert f"  {prefix}Orders_2  nothing\n" in page
    assert "warning[W0119]: " in page and "WITH (read = 38%)" in page
    assert [source["budget"]["in_use"] for source in value["sources"]] == [620, 0]
    assert [warning["code"] for warning in value["warnings"]].count("W0119") == 1


def test_the_command_goes_without_where_nobody_answers(
    busy: tuple[servers.Server, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _, spec = busy
    with running(CloudWatch(status=400, error="AccessDenied"), monkeypatch):
        page = explain(server, spec)
        value = json.loads(explain(server, spec, "--json"))
    why = "the credentials need the permission cloudwatch:GetMetricData"
    assert f"\nIN USE  not known: {why}\n" in page
    assert value["traffic"] == {"seconds": 300, "unknown": [why]}
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "nonsense")
    assert "\nIN USE  not known: CloudWatch: an endpoint of the AWS settings is none" in explain(server, spec)
    assert [source["budget"]["in_use"] for source in value["sources"]] == [None, None]
    monkeypatch.delenv("AWS_ENDPOINT_URL_CLOUDWATCH")
    assert "IN USE" not in explain(server, spec)
