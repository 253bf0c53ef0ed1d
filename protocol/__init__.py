"""Kafka's formats as Python values: requests and responses, records, metadata, coordinator state. Bytes in, bytes out.

Pure: no clock, socket, file or task. Nothing here knows configuration or policy. Start at `schema` (what a message is),
`apis` (which messages there are) and `records` (what lies in logs).
"""
