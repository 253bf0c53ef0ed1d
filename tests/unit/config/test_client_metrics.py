import pytest

from config.client_metrics import IntervalError, check_client_metrics
from config.definition import ConfigError, UnknownKeyError


def test_what_a_subscription_may_be_set_to() -> None:
    check_client_metrics({})
    check_client_metrics({"metrics": "org.apache.kafka.producer.,org.apache.kafka.consumer.", "interval.ms": "100"})
    check_client_metrics({"metrics": "*", "match": " client_id = a.* , client_software_version=1[.]2"})
    check_client_metrics({"metrics": "", "match": "", "interval.ms": "3600000"})


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("name", "x", UnknownKeyError),
        ("interval.ms", "99", IntervalError),
        ("interval.ms", "3600001", IntervalError),
        ("interval.ms", "soon", ConfigError),
        ("metrics", "a,,b", ConfigError),
        ("match", "client_id", ConfigError),
        ("match", "client_id=", ConfigError),
        ("match", "client_id=a=b", ConfigError),
        ("match", "client_id=[", ConfigError),
        ("match", "version=1", ConfigError),
    ],
)
def test_what_it_may_not(key: str, value: str, error: type[ConfigError]) -> None:
    with pytest.raises(error, match=key.split(".")[0]):
        check_client_metrics({key: value})
