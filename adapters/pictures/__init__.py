"""Children in which decoders run: the pool that has them draw, and the child itself."""
