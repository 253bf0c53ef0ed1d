"""docs/metrics.md, generated from the table of metrics: `python -m broker.metrics.document` (`make docs`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from broker.metrics.table import METRICS, Metric

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"

_HEAD: Final = """# Metrics

Generated from `broker/metrics/table.py` by `make docs`; edit that table.

A node serves on `http://127.0.0.1:9404` (`metrics.host`, `metrics.port`; -1 or an empty value switches it off):

| path | |
|---|---|
| `/metrics` | what is listed here, in Prometheus' text format |
| `/healthz` | 200 while the process is alive and its event loop turns; 503 once it has failed |
| `/readyz`, `/v1/status/ready` | 200 while this node serves its clients; 503 with the reason otherwise |

A node is not ready while it starts or stops, is fenced, knows no leader of the quorum, or is behind with metadata.

There is no authentication: whoever reaches the port can read topic, group and client names. The address is this host's
alone unless `metrics.host` says otherwise. If the default port is taken, as by another node of the same host, the node
starts without this page and says so in its log; if the port was set, it does not start. Port 0 takes a free one, which
the log names.

`ops/` holds a Grafana dashboard, alerts and a `prometheus.yml`.

**Names.** Kafka's own metrics have the names that the customary rules of the JMX exporter give them, so dashboards
made for Apache Kafka find what they ask for; offsets and lag have those of kafka_exporter. Where Kafka or the rules
changed a name over time, one is given: groups are counted in `kafka_coordinator_group_...`, and nothing says `persec`.
`promtool check metrics` reads the page, and objects to the style of some of these names.

**What differs from Apache Kafka.**

- One event loop does the work of network threads and request handlers: both idle metrics are the same number, and
  `networkProcessor` is always 0.
- A request that a combined node of Apache Kafka forwards to its controller is counted there twice; here it is once.
- Series of a topic are there from its first record on, and its failures with them; Apache Kafka begins each with the
  first event. Groups are counted at once, not once a minute.
- Quantiles are of the last five minutes, within a fifth, read from fixed buckets; where nothing came they are NaN.
- A request's time ends when its answer is there; waiting for the socket is not counted, so there are no
  `responsequeuetimems` and `responsesendtimems`. There are no quotas, and so no `throttletimems`.
- Of what is not served yet (replication between nodes, compaction, transactions, quotas) there are no metrics.

**Size of the page.** A partition led here is {partition_series} lines, and one that a group has committed an offset
of {offset_series} more. Pages end at 32 MB: what has no room is left out, groups and partitions first, and counted in
`barnabas_metrics_dropped_samples`. Pages are made in slices of a few milliseconds, one at a time, and for no more than
a fifth of the time however many scrape.
"""


def metrics_document() -> str:
    partition_series = sum(metric.labels == ("topic", "partition") for metric in METRICS.values())
    offset_series = sum(metric.labels == ("consumergroup", "topic", "partition") for metric in METRICS.values())
    head = _HEAD.replace("{partition_series}", str(partition_series)).replace("{offset_series}", str(offset_series))
    parts = [head]
    section = ""
    for metric in METRICS.values():
        if metric.section != section:
            section = metric.section
            parts.append(f"\n## {section}\n\n| metric | type | labels | origin | meaning |\n|---|---|---|---|---|\n")
        parts.append(_row(metric))
    return "".join(parts)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    if metric.all_topics:
        labels += "; none: all topics"
    cells = (f"`{metric.name}`", metric.type, labels, metric.origin, metric.documentation)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    DOCUMENT.write_text(metrics_document(), encoding="utf-8")
