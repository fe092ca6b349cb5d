"""How much of some tables is in use, as CloudWatch has counted.

In: a client of CloudWatch, names of tables. Out: units per second. Invariant: a question that fails is no error, but a
text that says why; nothing of a table is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ddbetl.connectors.dynamodb.control import explained
from ddbetl.errors import ConnectionFailed
from ddbetl.plan.traffic import MINUTES, Usage
from ddbetl.types import Timestamp

# Metrics of one request. Source: GetMetricData API reference.
MOST_METRICS = 500
# Seconds of a data point; and how long it takes, about, until one is there.
PERIOD = 60
LATE = timedelta(minutes=1)

_METRICS = ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits")


def usage(client: Any, names: Sequence[str], now: Timestamp) -> Mapping[str, Usage] | str:
    """Ask how much of each table was used in the last minutes; or why that is not known."""
    # Whole minutes, of which there are whole data points.
    end = datetime.fromtimestamp(now.millis // 1000 // PERIOD * PERIOD, UTC) - LATE
    wanted = [(name, metric) for name in names for metric in _METRICS]
    sums: dict[tuple[str, str], float] = {}
    try:
        with explained("cloudwatch"):
            for start in range(0, len(wanted), MOST_METRICS):
                some = wanted[start : start + MOST_METRICS]
                queries = [_query(f"m{number}", *one) for number, one in enumerate(some)]
                pages = client.get_paginator("get_metric_data").paginate(
                    MetricDataQueries=queries, StartTime=end - timedelta(minutes=MINUTES), EndTime=end
                )
                for result in (result for page in pages for result in page["MetricDataResults"]):
                    one = some[int(result["Id"][1:])]
                    sums[one] = sums.get(one, 0.0) + sum(result["Values"])
    except ConnectionFailed as error:
        return why(error)
    finally:
        client.close()
    # Where nothing is used, nothing is counted.
    return {name: Usage(*(sums.get((name, metric), 0.0) / MINUTES / 60 for metric in _METRICS)) for name in names}


def _query(number: str, table: str, metric: str) -> Mapping[str, Any]:
    dimensions = [{"Name": "TableName", "Value": table}]
    measured = {"Namespace": "AWS/DynamoDB", "MetricName": metric, "Dimensions": dimensions}
    return {"Id": number, "MetricStat": {"Metric": measured, "Period": PERIOD, "Stat": "Sum"}}


def why(error: ConnectionFailed) -> str:
    """Why CloudWatch did not answer, in a line."""
    cause = error.__cause__
    # An error that no server has sent has a response too, which is None.
    code = (getattr(cause, "response", None) or {}).get("Error", {}).get("Code", "")
    if code in ("AccessDenied", "AccessDeniedException"):
        return "the credentials need the permission cloudwatch:GetMetricData"
    if not code and "Timeout" in type(cause).__name__:
        return "CloudWatch does not answer"
    if not code and "Connect" in type(cause).__name__:
        return "CloudWatch cannot be reached"
    (first, *_) = str(error).splitlines() or [code]
    return f"CloudWatch: {first}"
