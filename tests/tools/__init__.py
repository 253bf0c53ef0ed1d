"""Kafka's own command line tools against both brokers: what they print, side by side (docs/tools.md)."""
