"""One member as one process: node, gateway, the API's door and the peer door."""
