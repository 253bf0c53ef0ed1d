"""The table of Kafka's tests is written down, and every test that falls short has a reason that is still one."""

from __future__ import annotations

from pathlib import Path

from tests.kafka_suite import table
from tests.kafka_suite.run import read_report
from tests.kafka_suite.selections import SELECTIONS, selected
from tests.kafka_suite.table import BARNABAS, FAIL, KAFKA, NOT_RUN, PASS, SKIP

REPORT = """\
<testsuite>
<testcase name="lonely(ClusterInstance)[1]" classname="a.ATest"/>
<testcase name="lonely(ClusterInstance)[2]" classname="a.ATest">
<skipped>org.opentest4j.TestAbortedException: same test runs as KRAFT</skipped>
</testcase>
<testcase name="many()[1]" classname="a.ATest"><failure message="expected">stack</failure></testcase>
<testcase name="many()[2]" classname="a.ATest"><error message="timed out">stack</error></testcase>
<testcase name="grouped(String)[2]" classname="a.ATest">
<system-out>display-name: "grouped(String).groupProtocol=consumer"</system-out>
</testcase>
<testcase name="elsewhere()" classname="a.ATest"><skipped>TestAbortedException: no second broker</skipped></testcase>
<testcase name="wrapped()" classname="a.ATest">
<failure message="in a loop">Caused by: org.opentest4j.TestAbortedException: no broker 1</failure>
</testcase>
</testsuite>
"""


def test_the_document_is_up_to_date() -> None:
    assert table.DOCUMENT.read_text() == table.document(table.read_outcomes()), "make docs"


def test_whatever_passes_on_kafka_and_not_here_has_a_reason() -> None:
    assert table.unexplained(table.read_outcomes()) == []


def test_no_reason_is_left_over() -> None:
    """A test that Apache Kafka was not asked yet may need one."""
    outcomes = table.read_outcomes().items()
    short = [test for test, each in outcomes if each[BARNABAS] != PASS and each[KAFKA] in (PASS, NOT_RUN)]
    used = {table.reason_of(test) for test in short}
    assert [reason.pattern for reason in table.reasons() if reason not in used] == []


def test_outcomes_are_of_classes_that_are_selected() -> None:
    assert {test[0] for test in table.read_outcomes()} <= set(selected(list(SELECTIONS)))


def test_a_selection_stands_for_its_classes_and_a_class_for_itself() -> None:
    assert selected(["tools", "a.B"]) == [*SELECTIONS["tools"], "a.B"]


def test_a_report_is_read(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    found = {test: outcome for (_, test), (outcome, _) in read_report(tmp_path / "report.xml").items()}
    assert found == {
        "lonely": PASS,
        "many[1]": FAIL,
        "many[2]": FAIL,
        "grouped[consumer]": PASS,
        "elsewhere": SKIP,
        "wrapped": SKIP,
    }


def test_a_run_replaces_what_its_classes_had_on_that_broker() -> None:
    before = {
        ("A", "gone"): {KAFKA: NOT_RUN, BARNABAS: PASS},
        ("A", "kept"): {KAFKA: PASS, BARNABAS: PASS},
        ("B", "other"): {KAFKA: PASS, BARNABAS: FAIL},
    }
    after = table.merged(before, BARNABAS, ["A"], {("A", "new"): FAIL})
    assert after == {
        ("A", "kept"): {KAFKA: PASS, BARNABAS: NOT_RUN},
        ("A", "new"): {BARNABAS: FAIL},
        ("B", "other"): {KAFKA: PASS, BARNABAS: FAIL},
    }
