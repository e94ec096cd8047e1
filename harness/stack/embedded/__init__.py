"""A stack of local processes: needs Python and, for Kafka, a Java; no container engine, no root.

`plan` works out what there will be, `assembly` fills in how each server starts, `stack` starts and holds it,
`contents` and `kafka_contents` fill and empty it, and one module a server says where its program comes from.
"""
