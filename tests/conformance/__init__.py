"""The same requests to Apache Kafka and to this broker: their answers must be the same, field by field.

A case is a function of a client and a version. It runs once against each of the two, which see the same names; every
answer goes into a transcript, and the two transcripts are compared once what may differ (ids, ports, times, words) has
been given common names. What differs on purpose stands in `differences.py`, with the reason.
"""
