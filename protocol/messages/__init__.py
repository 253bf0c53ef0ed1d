"""Definitions of messages, one file an API key, and nothing else: the codec is made from them (`protocol.schema`)."""
