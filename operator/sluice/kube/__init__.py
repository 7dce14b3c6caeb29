"""The API server: connection, reads and writes, watching, the Lease."""
