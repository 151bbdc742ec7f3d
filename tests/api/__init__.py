"""The HTTP API, asked over the network: the server is a process of its own."""
