"""Barnabas: a Kafka-compatible event broker. The command is `barnabas`; see `barnabas --help`."""

__version__ = "0.1.0"
