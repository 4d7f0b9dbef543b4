"""Where pixels rest: the Node port and its implementations."""
